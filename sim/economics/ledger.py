"""The ledger of a run: what its span of time costs, line by line and by what it was for, and what it sells for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sim.economics.capital import tax_shield_npv
from sim.economics.depreciation import MACRS
from sim.economics.electricity import billed, site_terms
from sim.economics.lines import (
    HOUR_S,
    KWH_J,
    MONTH_S,
    YEAR_S,
    building_usd,
    cost_lines,
    owned_part,
    purchases,
)
from sim.economics.prices import Prices
from sim.economics.revenue import Sold, plan_margins, revenue_lines
from sim.economics.spill import spill_entries
from sim.economics.split import entries, sums
from sim.economics.training import training_costs
from sim.economics.usage import Usage

__all__ = ["HOUR_S", "KWH_J", "MONTH_S", "YEAR_S", "capex_usd", "money", "sold_of"]
MILLION = 1e6
SPLIT = ("pool", "workload", "pass", "phase")
"""Axes that the summary divides the total by, beside its lines."""


def capex_usd(usage: Usage, prices: Prices) -> dict[str, float]:
    """Purchase price of the hardware that depreciates, by its line, and of an own building [$]."""
    owned = owned_part(usage, prices)
    bought = {line: math.fsum(each) for line, each in purchases(owned, prices).items()}
    return {**bought, "building_depreciation": math.fsum(building_usd(owned, prices))}


def sold_of(usage: Usage, prices: Prices) -> Sold:
    """What is for sale of a usage. Peak hours are those of the site's clock, from the full hour in which the span
    begins."""
    begin = usage.meter.start if usage.meter else datetime.fromisoformat(prices.site.start)
    return Sold(
        usage.span_s,
        usage.requests,
        usage.sold_input_tokens,
        usage.sold_output_tokens,
        cached_tokens=usage.cached_tokens,
        start_hour=begin.hour + begin.minute / 60,
    )


def money(usage: Usage, prices: Prices) -> dict[str, Any]:
    """The keys `cost`, `revenue`, `revenue_breakdown`, `plans`, `margin` (revenue less cost [$]), `margin_fraction`.

    Costs per request and per token are None where nothing was completed. The lines of `cost.breakdown` sum
    to `cost.usd_total`, and so do the dollars of each division in `cost.by`; `cost.site_usd_total` adds the training
    runs that share the site, which are no part of costs per request.
    """
    by_pool = cost_lines(usage, prices)
    lines = {line: math.fsum(each) for line, each in by_pool.items()}
    spilled = spill_entries(usage)
    lines |= sums(spilled, "line")
    total = math.fsum(lines.values())
    divided = entries(by_pool, usage) + spilled
    own = bool(prices.servers)
    trained = training_costs(usage, prices)
    sold, priced = sold_of(usage, prices), prices.revenue
    sales = None if priced is None else revenue_lines(priced, sold)
    revenue = None if sales is None else math.fsum(sales.values())
    return {
        "cost": {
            "basis": prices.basis,
            "usd_total": total,
            "usd_per_hour": total / usage.span_s * HOUR_S,
            "usd_per_request": _per(total, usage.requests),
            "usd_per_mtok_output": _per(total * MILLION, usage.output_tokens),
            "usd_per_mtok": _per(total * MILLION, usage.input_tokens + usage.output_tokens),
            "breakdown": lines,
            "by": {axis: sums(divided, axis) for axis in SPLIT},
            **_owned(usage, prices),
            "electricity": billed(usage.meter, prices.site) if own and usage.meter else None,
            "training_runs": trained,
            "site_usd_total": total + math.fsum(t["usd_total"] for t in trained),
            "prices": _sources(prices),
            "terms": _terms(usage, prices),
        },
        "revenue": revenue,
        "revenue_breakdown": sales,
        "plans": plan_margins(priced, sold, total / usage.requests) if priced and usage.requests else [],
        "margin": None if revenue is None else revenue - total,
        "margin_fraction": None if not revenue else (revenue - total) / revenue,
    }


def _per(usd: float, count: float) -> float | None:
    return usd / count if count else None


def _owned(usage: Usage, prices: Prices) -> dict[str, Any]:
    """What was bought, and today's value of the tax that its depreciation saves; None where all is rented.

    The shield is that of the hardware under MACRS over 5 years, taxes saved in mid-year; buildings are left out.
    """
    if not prices.servers:
        return {"capex_usd": None, "building_usd": None, "tax_shield_usd": None}
    bought = capex_usd(usage, prices)
    total, building = math.fsum(bought.values()), bought["building_depreciation"]
    terms = {"tax_rate": prices.cost.tax_rate, "rate": prices.cost.cost_of_capital}
    shield = tax_shield_npv(total - building, MACRS[5], timing="mid", **terms)
    shield_usd = shield if prices.cost.tax_rate else None
    return {"capex_usd": total, "building_usd": building, "tax_shield_usd": shield_usd}


_OWN = (
    "depreciation",
    "depreciation_years",
    "cost_of_capital",
    "capital_charge",
    "network_storage_fraction",
    "installation_fraction",
    "spares_fraction",
    "maintenance_fraction_per_year",
    "building",
    "building_usd_per_mw",
    "building_years",
)
_BOTH = ("staff_usd_per_year", "software_usd_per_accelerator_year", "training_usd")


def _terms(usage: Usage, prices: Prices) -> dict[str, Any]:
    """The terms that made the lines, by their names in the scenario file."""
    own = bool(prices.servers)
    of_cost = {name: getattr(prices.cost, name) for name in ((*_OWN, *_BOTH) if own else _BOTH)}
    made = {"residual_value": prices.residual, "age_years": prices.age_years} if own else {}
    site = site_terms(usage.meter, prices.site)
    if own:
        site["colocation_usd_per_kw_month"] = prices.site.colocation_usd_per_kw_month
    else:
        del site["electricity_usd_per_kwh"]
    return {**of_cost, **made, **site}


def _sources(prices: Prices) -> Mapping[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for kind, each in (("server_usd", prices.servers), ("accelerator_usd_per_hour", prices.rents)):
        for name, price in each.items():
            found[name] = {kind: price.usd, "source": price.source}
            if name in prices.kinds:
                found[name] |= {"purchase": prices.kinds[name], "while_powered": name in prices.while_powered}
    return found
