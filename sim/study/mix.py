"""Capacity mix of a scenario: how much to own or reserve, to rent by the hour, to have on spot, to leave to an API.

Hours of the demand come from its arrivals, replicas for an hour from sizing by simulation, prices from the catalog or
the scenario; `sim.economics.decisions.mix` finds the mix of the least cost. The mix can be played back as a scenario.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from sim.catalog.prices import api_price
from sim.economics.decisions.mix import Load, Mix, Terms, cheapest_mix, strategies
from sim.economics.prices import Price, prices_of
from sim.errors import Fault, ScenarioError, UserError
from sim.metrics.moments import length_moments
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.mix_demand import Staffing, hourly_rates, staffing
from sim.study.sizing import Sized
from sim.study.sizing_demand import HOUR_S
from sim.study.sizing_verdict import ATTAINMENT
from sim.workload.demand import read_traces

LOADS = 15
"""Equally likely loads that stand for an uncertain one."""
WEEK_H = 168.0
SENSITIVITY = (0.7, 1.4)
"""Times each price."""


@dataclass(frozen=True)
class Offers:
    """What may be had, and on which terms; a price that is None is the catalog's.

    own_usd, reserved_usd, on_demand_usd, spot_usd: of an accelerator [$/h].  without: kinds not to be had.
    api: model of the catalog's API prices that takes what is spilled.  start_h: on before it serves [h].
    reclaims_per_h: of a spot server, assumed and cautious (`sim.scenario.fleet.Spot` has what is reported); returns_h:
    until there is capacity again.  spot_most: share of the most replicas.
    spread: standard deviation of the logarithm of the load itself, of which a scenario is the median.
    """

    own_usd: float | None = None
    reserved_usd: float | None = None
    on_demand_usd: float | None = None
    spot_usd: float | None = None
    without: frozenset[str] = frozenset()
    api: str | None = None
    start_h: float = 0.1
    reclaims_per_h: float = 0.01
    returns_h: float = 1.0
    spot_most: float = 0.5
    spread: float = 0.0


def mix(scenario: Scenario, offers: Offers, *, attainment: float = ATTAINMENT) -> dict[str, Any]:
    """The mix of the least cost for the demand of the scenario's duration, as plain data.

    Raises UserError for a fleet of several pools, demand without a rate, or an API model without a price; Unreachable
    where the targets are.
    """
    begun_s = time.perf_counter()
    pool = _one_pool(scenario)
    hours = hourly_rates(scenario)
    total = hours.sum(axis=0)
    found, largest = staffing(_owned(scenario), hours, attainment)
    prices = offer_prices(scenario, offers, largest)
    terms = terms_of(prices, pool.accelerators_per_replica, offers, spill_usd(scenario, offers, hours))
    load = load_of(total, found, offers.spread)
    best = cheapest_mix(load, terms)
    return {
        "scenario": scenario.name,
        "attainment": attainment,
        "accelerator": pool.accelerator,
        "accelerators_per_replica": pool.accelerators_per_replica,
        "hours": len(total),
        "busiest_rps": float(total.max()),
        "mean_rps": float(total.mean()),
        "mean_over_busiest": float(total.mean() / total.max()),
        "replicas_busiest": load.most,
        "replica_hours_needed_share": sum(map(sum, load.needed)) / load.hours / load.most,
        "staffing": [{"rps": r, "replicas": n} for r, n in zip(found.rates, found.replicas, strict=True)],
        "prices": {k: {"usd_per_accelerator_hour": p.usd, "source": p.source} for k, p in prices.items()},
        "spill": None if offers.api is None else spill_words(offers.api, terms),
        "fixed_by": fixed_by(prices),
        "terms": asdict(terms),
        "offers": {k: sorted(v) if isinstance(v, frozenset) else v for k, v in asdict(offers).items()},
        "break_even": break_even(terms, found, load.most),
        "mix": mix_words(best),
        "levels": levels(load, terms, best),
        "strategies": {name: mix_words(m) for name, m in strategies(load, terms).items()},
        "usd_per_request": best.usd_per_h / (float(total.mean()) * HOUR_S),
        "usd_per_week": best.usd_per_h * WEEK_H,
        "sensitivity": sensitivity(load, terms),
        "needed": [found.needed(float(r)) for r in total],
        "rates_rps": [float(r) for r in total],
        "wall_s": time.perf_counter() - begun_s,
    }


def _one_pool(scenario: Scenario) -> Pool:
    pool, *others = scenario.pools
    if others:
        raise UserError(Fault("pool", f"a mix is found for one pool; there are {len(scenario.pools)}"))
    return pool


def _owned(scenario: Scenario) -> Scenario:
    """The scenario with its pools bought."""
    plain = tuple(
        p.model_copy(update={"purchase": None, "usd_per_accelerator_hour": None}) for p in scenario.pools
    )
    cost = scenario.cost.model_copy(update={"basis": "own"})
    return scenario.model_copy(update={"cost": cost, "pools": plain})


def offer_prices(scenario: Scenario, offers: Offers, largest: Sized) -> dict[str, Price]:
    """Price of an accelerator [$/h] by how it is had; those that are not to be had, or whose rent nobody knows, left
    out. Owned: the ledger of the largest fleet, electricity at its load included. Raises UserError if none is left
    that is paid all the time."""
    given = {
        "own": offers.own_usd,
        "reserved": offers.reserved_usd,
        "on-demand": offers.on_demand_usd,
        "spot": offers.spot_usd,
    }
    found: dict[str, Price] = {}
    for kind, usd in given.items():
        if kind in offers.without:
            continue
        if usd is not None:
            found[kind] = Price(usd, "given")
        elif kind == "own":
            each = largest.summary["cost"]["usd_per_hour"] / largest.summary["fleet"]["accelerators"]
            bought = next(iter(largest.summary["cost"]["prices"].values()))
            found[kind] = Price(each, f"ledger: server {bought['server_usd']:,.0f} $ ({bought['source']})")
        else:
            rented = _rented(scenario, kind)
            if rented is not None:
                found[kind] = rented
    if not {"own", "reserved"} & set(found):
        raise UserError(
            Fault("--without", "leaves nothing that is paid all the time", "keep own or reserved")
        )
    return found


def _rented(scenario: Scenario, kind: str) -> Price | None:
    pool = scenario.pools[0].model_copy(update={"purchase": kind, "usd_per_accelerator_hour": None})
    try:
        return prices_of(scenario.model_copy(update={"pools": (pool,)})).rents[pool.name]
    except ScenarioError:
        return None


def fixed_by(prices: Mapping[str, Price]) -> str:
    """The cheaper of what is paid all the time."""
    return min((k for k in ("own", "reserved") if k in prices), key=lambda k: prices[k].usd)


def spill_usd(scenario: Scenario, offers: Offers, hours: np.ndarray) -> float | None:
    """What an API asks for the mean request of the demand [$]; None without one. Raises CatalogError for a model that
    has no price."""
    if offers.api is None:
        return None
    price, traces = api_price(offers.api), read_traces(scenario)
    usd = 0.0
    for weight, workload in zip(hours.sum(axis=1), scenario.workloads, strict=True):
        lengths = length_moments(workload, traces)
        assert lengths is not None
        each = lengths.input * price.input_usd_per_mtok + lengths.output * price.output_usd_per_mtok
        usd += float(weight) * each / 1e6
    return usd / float(hours.sum())


def spill_words(api: str, terms: Terms) -> dict[str, Any]:
    """The API's list price and what a request costs there."""
    price = api_price(api)
    return {
        "api": price.model,
        "vendor": price.vendor,
        "date": price.date,
        "usd_per_mtok_input": price.input_usd_per_mtok,
        "usd_per_mtok_output": price.output_usd_per_mtok,
        "usd_per_request": terms.spill_usd,
        "source": f"{price.provenance.source}, {price.provenance.confidence}",
    }


def terms_of(prices: Mapping[str, Price], accelerators: int, offers: Offers, spill: float | None) -> Terms:
    """Prices of accelerators as those of replicas of so many, and the terms of spot."""

    def each(kind: str) -> float | None:
        return prices[kind].usd * accelerators if kind in prices else None

    gone_h = offers.reclaims_per_h * (offers.returns_h + offers.start_h)
    fixed = each(fixed_by(prices))
    assert fixed is not None
    return Terms(
        fixed_usd=fixed,
        on_demand_usd=each("on-demand"),
        spot_usd=each("spot"),
        spill_usd=spill,
        start_h=offers.start_h,
        spot_available=1 / (1 + gone_h),
        spot_most=offers.spot_most,
    )


def load_of(total: np.ndarray, found: Staffing, spread: float) -> Load:
    """The hours as a load; with a spread, `LOADS` equally likely multiples of it, lognormal about the median."""
    normal = NormalDist()
    count = LOADS if spread > 0 else 1
    factors = [math.exp(spread * normal.inv_cdf((i + 0.5) / count)) for i in range(count)]
    needed = tuple(tuple(found.needed(float(r) * f) for r in total) for f in factors)
    requests = tuple(tuple(float(r) * f * HOUR_S for r in total) for f in factors)
    held = tuple(found.held(n) * HOUR_S for n in range(max(map(max, needed)) + 1))
    return Load(needed, requests, held)


def mix_words(m: Mix) -> dict[str, Any]:
    """The mix and its cost."""
    return {**asdict(m), "usd_per_h": m.usd_per_h}


def break_even(terms: Terms, found: Staffing, most: int) -> dict[str, float | None]:
    """Share of hours in use from which on what is paid all the time is cheaper than renting by the hour, or than an API
    at a replica's full load; above 1: never."""
    full_h = found.held(most) / most * HOUR_S * terms.spill_usd if terms.spill_usd is not None else None

    def over(usd: float | None) -> float | None:
        return terms.fixed_usd / usd if usd else None

    spot = None if terms.spot_usd is None else terms.spot_usd / terms.spot_available
    return {
        "on_demand": over(terms.on_demand_usd),
        "spot": over(spot),
        "spill": over(full_h),
        "spill_usd_per_replica_hour": full_h,
    }


def levels(load: Load, terms: Terms, best: Mix) -> list[dict[str, Any]]:
    """Bands of the load-duration curve from the lowest level: how they are had, in which share of the hours their first
    and last levels are on, and what the mean replica of the band would cost an hour [$] in each way."""
    on = [h / load.hours for h in load.on_hours(terms.start_h)]
    kinds = ["fixed"] * best.fixed + ["spot"] * best.spot + ["on demand"] * best.on_demand
    kinds += ["spill"] * (load.most - len(kinds))
    found, first = [], 0
    while first < load.most:
        last = first
        while last + 1 < load.most and kinds[last + 1] == kinds[first]:
            last += 1
        count = last - first + 1
        used = math.fsum(on[first : last + 1]) / count
        carried = (load.spilled(first) - load.spilled(last + 1)) / load.hours
        found.append(
            {
                "from": first + 1,
                "to": last + 1,
                "had": kinds[first],
                "used_first": on[first],
                "used_last": on[last],
                "requests_per_h": carried,
                "fixed_usd": terms.fixed_usd,
                "on_demand_usd": None if terms.on_demand_usd is None else terms.on_demand_usd * used,
                "spot_usd": None if terms.spot_usd is None else terms.spot_usd * used,
                "spill_usd": None if terms.spill_usd is None else terms.spill_usd * carried / count,
            }
        )
        first = last + 1
    return found


def sensitivity(load: Load, terms: Terms) -> list[dict[str, Any]]:
    """The best mix with one price lower or higher, others as they are."""
    rows = []
    for name in ("fixed_usd", "on_demand_usd", "spot_usd", "spill_usd"):
        usd = getattr(terms, name)
        if usd is None:
            continue
        for factor in SENSITIVITY:
            best = cheapest_mix(load, replace(terms, **{name: usd * factor}))
            rows.append({"price": name, "times": factor, **mix_words(best)})
    return rows
