"""The lines of the ledger: what each kind of cost comes to over the span, pool by pool.

Costs run with time: each line is a cost per second of the fleet, times the span. So cost per request is an
outcome of the load, not an input. A year has 8,760 hours, a month a twelfth of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sim.economics.capital import CapitalCharge, book_charge, level_charge
from sim.economics.depreciation import (
    DecliningBalance,
    Schedule,
    StraightLine,
    half_in_three_years,
    macrs,
    units_of_production,
)
from sim.economics.electricity import bill
from sim.economics.prices import Prices
from sim.economics.usage import PoolUsage, Usage

HOUR_S = 3600.0
YEAR_H = 8760.0
YEAR_S = YEAR_H * HOUR_S
MONTH_S = YEAR_S / 12
KWH_J = 3.6e6

Lines = Mapping[str, tuple[float, ...]]
"""Dollars by line, and in each line by pool, in the order of the usage's pools."""


def cost_lines(usage: Usage, prices: Prices) -> Lines:
    """Cost of the span by line and pool [$]: of owning or renting the fleet, of staff, software and training."""
    owned = owned_part(usage, prices)
    lines: dict[str, tuple[float, ...]] = {}
    if owned.pools:
        lines = _spread({**_hardware(owned, prices), **_site(owned, usage, prices)}, owned, usage)
    if len(owned.pools) < len(usage.pools):
        lines["rent"] = _by_pool(usage, lambda p: _rent_usd(p, usage, prices))
    return {**lines, **_other(usage, prices)}


def owned_part(usage: Usage, prices: Prices) -> Usage:
    """The usage with the pools alone that are bought."""
    return replace(usage, pools=tuple(p for p in usage.pools if p.name in prices.servers))


def _spread(lines: Lines, owned: Usage, usage: Usage) -> dict[str, tuple[float, ...]]:
    """Lines of the bought pools as lines of all: nothing for the others."""
    places = {pool.name: i for i, pool in enumerate(owned.pools)}
    return {
        line: tuple(usd[places[p.name]] if p.name in places else 0.0 for p in usage.pools)
        for line, usd in lines.items()
    }


def purchases(usage: Usage, prices: Prices) -> Lines:
    """Purchase price of what is bought with the fleet [$], by the name of its line of depreciation."""
    cost = prices.cost
    servers = _by_pool(usage, lambda p: p.servers * prices.servers[p.name].usd)
    network = _times(servers, cost.network_storage_fraction)
    delivered = [s + n for s, n in zip(servers, network, strict=True)]
    return {
        "server_depreciation": servers,
        "network_storage_depreciation": network,
        "installation_depreciation": _times(delivered, cost.installation_fraction),
        "spares_depreciation": _times(servers, cost.spares_fraction),
    }


def building_usd(usage: Usage, prices: Prices) -> tuple[float, ...]:
    """What the pools' part of an own building cost [$]; nothing where it is rented."""
    per_w = prices.cost.building_usd_per_mw / 1e6 if prices.cost.building == "own" else 0.0
    return _by_pool(usage, lambda p: p.provisioned_it_w * per_w)


def schedule_of(prices: Prices, busy: float) -> Schedule:
    """How the books fall by age; `busy`: share of the time that the hardware works [1]."""
    cost, residual = prices.cost, prices.residual
    return {
        "straight-line": lambda: StraightLine(cost.depreciation_years, residual),
        "declining-balance": lambda: DecliningBalance(cost.declining_rate, residual),
        "half-in-three-years": lambda: half_in_three_years(residual),
        "units-of-production": lambda: units_of_production(cost.life_busy_hours, busy * YEAR_H, residual),
        "macrs": macrs,
    }[cost.depreciation]()


def _hardware(usage: Usage, prices: Prices) -> dict[str, tuple[float, ...]]:
    """Depreciation of each purchase, the interest on all of them, and maintenance."""
    bought, years = purchases(usage, prices), usage.span_s / YEAR_S
    charges = {
        line: [_charge(usd, p.busy, years, prices) for usd, p in zip(each, usage.pools, strict=True)]
        for line, each in bought.items()
    }
    interest = [sum(of[i].capital_usd for of in charges.values()) for i in range(len(usage.pools))]
    kept = ("server_depreciation", "network_storage_depreciation")
    upkeep = [sum(bought[line][i] for line in kept) for i in range(len(usage.pools))]
    return {
        **{line: tuple(c.depreciation_usd for c in each) for line, each in charges.items()},
        "cost_of_capital": tuple(interest),
        "maintenance": _times(upkeep, prices.cost.maintenance_fraction_per_year * years),
    }


def _charge(price_usd: float, busy: float, span_years: float, prices: Prices) -> CapitalCharge:
    cost = prices.cost
    if cost.capital_charge == "annuity":
        return level_charge(
            price_usd,
            years=cost.depreciation_years,
            rate=cost.cost_of_capital,
            residual=prices.residual,
            age_years=prices.age_years,
            span_years=span_years,
        )
    return book_charge(
        price_usd,
        schedule_of(prices, busy),
        rate=cost.cost_of_capital,
        age_years=prices.age_years,
        span_years=span_years,
    )


def _site(usage: Usage, whole: Usage, prices: Prices) -> dict[str, tuple[float, ...]]:
    """The building, rented or own, by the power provided; electricity by the energy used. Rented pools of the `whole`
    usage stand elsewhere: their part of the energy is in their rent."""
    cost, months = prices.cost, usage.span_s / MONTH_S
    own_j, all_j = (math.fsum(p.it_j for p in part.pools) for part in (usage, whole))
    bill_usd = electricity_usd(whole, prices) * (own_j / all_j if all_j else 1.0)
    electricity = {"electricity": _shared(bill_usd, [p.it_j for p in usage.pools])}
    if cost.building == "colocation":
        per_w = prices.site.colocation_usd_per_kw_month / 1e3 * months
        return {"colocation": _by_pool(usage, lambda p: p.provisioned_it_w * per_w), **electricity}
    charges = [
        level_charge(
            usd,
            years=cost.building_years,
            rate=cost.cost_of_capital,
            residual=0.0,
            age_years=0.0,
            span_years=usage.span_s / YEAR_S,
        )
        for usd in building_usd(usage, prices)
    ]
    return {
        "building_depreciation": tuple(c.depreciation_usd for c in charges),
        "building_capital": tuple(c.capital_usd for c in charges),
        **electricity,
    }


def electricity_usd(usage: Usage, prices: Prices) -> float:
    """What the site pays for its electricity [$], but for training's share of it by energy."""
    if usage.meter is None:
        return usage.site_j / KWH_J * (prices.site.electricity_usd_per_kwh or 0.0)
    return bill(usage.meter, prices.site).usd * usage.meter.serving


def _rent_usd(pool: PoolUsage, usage: Usage, prices: Prices) -> float:
    """For all the time, or what is had on demand or on spot, for the time that it was on."""
    if pool.name not in prices.rents:
        return 0.0
    hours = pool.accelerators * usage.span_s / HOUR_S
    if pool.powered_h is not None and pool.name in prices.while_powered:
        hours = pool.powered_h
    return hours * prices.rents[pool.name].usd


def _other(usage: Usage, prices: Prices) -> dict[str, tuple[float, ...]]:
    """Costs of owners and tenants alike; staff by accelerators."""
    cost, years = prices.cost, usage.span_s / YEAR_S
    accelerators = [p.accelerators for p in usage.pools]
    return {
        "staff": _shared(cost.staff_usd_per_year * years, accelerators),
        "software": _times(accelerators, cost.software_usd_per_accelerator_year * years),
        "training": _shared(training_usd(usage, prices), _trained(usage)),
    }


def training_usd(usage: Usage, prices: Prices) -> float:
    """The span's part of what training the model cost [$].

    By tokens served, where it is known how many the model serves in a month in all: usd / (life x tokens a month)
    for each; else by time, usd x span / life.
    """
    cost = prices.cost
    if cost.training_tokens_per_month is None:
        return cost.training_usd * usage.span_s / (cost.training_life_months * MONTH_S)
    each = cost.training_usd / (cost.training_life_months * cost.training_tokens_per_month)
    return each * (usage.input_tokens + usage.output_tokens)


def _trained(usage: Usage) -> list[float]:
    """By pool, the tokens of the work on its model, divided among that model's pools by their accelerators."""
    held = {
        m: sum(p.accelerators for p in usage.pools if p.model == m) for m in {p.model for p in usage.pools}
    }
    tokens = dict.fromkeys(held, 0.0)
    for work in usage.work:
        if work.model in tokens:
            tokens[work.model] += work.prefilled + work.output
    return [tokens[p.model] * p.accelerators / held[p.model] for p in usage.pools]


def _by_pool(usage: Usage, of: Callable[[PoolUsage], float]) -> tuple[float, ...]:
    return tuple(of(pool) for pool in usage.pools)


def _times(each: Sequence[float], factor: float) -> tuple[float, ...]:
    return tuple(x * factor for x in each)


def _shared(total: float, weights: Sequence[float]) -> tuple[float, ...]:
    """`total` in proportion to `weights`; in equal parts where they are all 0."""
    whole = sum(weights)
    return tuple(total * (w / whole if whole else 1 / len(weights)) for w in weights)
