"""The ledger of a run: what its span of time costs, line by line, and what its tokens sell for.

Costs run with time: each line is a cost per second of the fleet, times the span. So cost per request is an
outcome of the load, not an input. A year has 8,760 hours, a month a twelfth of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sim.economics.capital import yearly_capital
from sim.economics.prices import Prices
from sim.economics.revenue import Sold, revenue_lines
from sim.economics.usage import Usage

HOUR_S = 3600.0
YEAR_S = 8760 * HOUR_S
MONTH_S = YEAR_S / 12
KWH_J = 3.6e6
MILLION = 1e6


def cost_lines(usage: Usage, prices: Prices) -> dict[str, float]:
    """Cost of the span by line [$]: of owning, or of renting, the fleet; and of staff."""
    lines = _rented(usage, prices) if prices.cost.basis == "rent" else _owned(usage, prices)
    lines["staff"] = prices.cost.staff_usd_per_year * usage.span_s / YEAR_S
    return lines


def capex_usd(usage: Usage, prices: Prices) -> tuple[float, float]:
    """Purchase price of the servers, and of the network and storage bought with them [$]."""
    servers = sum(pool.servers * prices.servers[pool.name].usd for pool in usage.pools)
    return servers, servers * prices.cost.network_storage_fraction


def _owned(usage: Usage, prices: Prices) -> dict[str, float]:
    cost, site = prices.cost, prices.site
    years = usage.span_s / YEAR_S
    servers, network = capex_usd(usage, prices)
    of_servers = yearly_capital(servers, cost.depreciation_years, cost.cost_of_capital)
    of_network = yearly_capital(network, cost.depreciation_years, cost.cost_of_capital)
    provisioned_kw = sum(pool.provisioned_it_w for pool in usage.pools) / 1e3
    return {
        "server_depreciation": of_servers.depreciation_usd * years,
        "network_storage_depreciation": of_network.depreciation_usd * years,
        "cost_of_capital": (of_servers.capital_usd + of_network.capital_usd) * years,
        "maintenance": (servers + network) * cost.maintenance_fraction_per_year * years,
        "colocation": provisioned_kw * site.colocation_usd_per_kw_month * usage.span_s / MONTH_S,
        "electricity": usage.site_j / KWH_J * site.electricity_usd_per_kwh,
    }


def _rented(usage: Usage, prices: Prices) -> dict[str, float]:
    hours = usage.span_s / HOUR_S
    return {"rent": sum(p.accelerators * hours * prices.rents[p.name].usd for p in usage.pools)}


def revenue_usd(usage: Usage, prices: Prices) -> float | None:
    """What the completed requests sell for [$], by token and by plan; None where the scenario names no price."""
    if prices.revenue is None:
        return None
    sold = Sold(usage.span_s, usage.requests, usage.input_tokens, usage.output_tokens)
    return math.fsum(revenue_lines(prices.revenue, sold).values())


def money(usage: Usage, prices: Prices) -> dict[str, Any]:
    """The summary's keys `cost`, `revenue`, `margin` (revenue less cost [$]) and `margin_fraction`.

    Costs per request and per token are None where nothing was completed. The lines of `cost.breakdown` sum
    to `cost.usd_total`.
    """
    lines = cost_lines(usage, prices)
    total = math.fsum(lines.values())
    revenue = revenue_usd(usage, prices)
    return {
        "cost": {
            "basis": prices.cost.basis,
            "usd_total": total,
            "usd_per_hour": total / usage.span_s * HOUR_S,
            "usd_per_request": _per(total, usage.requests),
            "usd_per_mtok_output": _per(total * MILLION, usage.output_tokens),
            "usd_per_mtok": _per(total * MILLION, usage.input_tokens + usage.output_tokens),
            "breakdown": lines,
            "capex_usd": math.fsum(capex_usd(usage, prices)) if prices.cost.basis == "own" else None,
            "prices": _sources(prices),
            "terms": _terms(prices),
        },
        "revenue": revenue,
        "margin": None if revenue is None else revenue - total,
        "margin_fraction": None if not revenue else (revenue - total) / revenue,
    }


def _per(usd: float, count: float) -> float | None:
    return usd / count if count else None


def _terms(prices: Prices) -> dict[str, float]:
    """The rates that made the lines, by their names in the scenario file."""
    names = {
        "own": (
            "depreciation_years",
            "cost_of_capital",
            "network_storage_fraction",
            "maintenance_fraction_per_year",
        ),
        "rent": (),
    }[prices.cost.basis]
    of_cost = {name: getattr(prices.cost, name) for name in (*names, "staff_usd_per_year")}
    site = ("electricity_usd_per_kwh", "colocation_usd_per_kw_month") if prices.cost.basis == "own" else ()
    return {**of_cost, **{name: getattr(prices.site, name) for name in ("pue", *site)}}


def _sources(prices: Prices) -> Mapping[str, Any]:
    kind, each = (
        ("server_usd", prices.servers) if prices.servers else ("accelerator_usd_per_hour", prices.rents)
    )
    return {name: {kind: price.usd, "source": price.source} for name, price in each.items()}
