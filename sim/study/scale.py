"""What a service costs from a thousand users to a billion: three elasticities kept apart.

(i)   a fixed fleet: bought for the largest size and used less; its unit cost falls as 1 / use by arithmetic.
(ii)  a fleet planned anew at each size, with the same technology and the same work in each answer. This one tests
      whether cost shrinks with scale.
(iii) history (`sim.study.scale_history`), where scale, progress and products move together: listed, never drawn.

At each size the fleet is sized for the busiest hour and run for a day, one cell for all where cells are alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from sim.run import Result, run
from sim.scenario.schema import Scenario
from sim.study import conventional
from sim.study.plan_margin import replicas_of_node, with_replicas
from sim.study.plan_points import describe
from sim.study.replications import Interval, side_by_side, slope
from sim.study.scale_demand import (
    at_peak_hour,
    by_users,
    for_users,
    peak_over_mean,
    requests_per_day,
    with_cached_prompts,
)
from sim.study.scale_economies import (
    ECONOMIES,
    Parts,
    Terms,
    cached_share,
    capital_usd,
    discount_share,
    training_usd_per_day,
)
from sim.study.scale_history import history
from sim.study.sizing import Sized, size_fleet
from sim.study.sizing_demand import DAY_S, rate_per_s, scaled
from sim.study.sizing_verdict import ATTAINMENT, REQUESTS, Rule

CELL_REPLICAS = 64
KNEE = 1.5
"""Times its minimum: a unit cost below it is past saturation."""


@dataclass(frozen=True)
class Size:
    """One size: its users, its fleet (one cell of `sized.cells`), a day of it, the same with a spare server in every
    cell, and the fleet with cached prompts and its day (None where that economy is off). rule: that the fleet meets."""

    users: float
    rule: Rule
    demand: Scenario
    sized: Sized
    day: Result
    spare_day: Result
    spare_replicas: int
    cached: float
    cached_sized: Sized | None
    cached_day: Result | None


def scale(
    scenario: Scenario,
    users: Sequence[float],
    *,
    economies: Collection[str] = ECONOMIES,
    terms: Terms | None = None,
    service: conventional.Service | None = None,
    attainment: float = ATTAINMENT,
    full_hour: bool = False,
    rule: Rule = REQUESTS,
) -> dict[str, Any]:
    """The study as plain data: `rows` by size, `elasticity` of the kinds (i) and (ii), history apart.

    users: sizes in rising order.  economies: those counted in the planned cost.  full_hour: also simulate the busiest
    hour of the largest size request by request, every cell of it.  rule: what must meet the targets.
    Raises Unreachable where the targets cannot be met, ScenarioError where demand does not grow with users.
    """
    begun_s = time.perf_counter()
    terms = terms or Terms()
    made = by_users(scenario)
    sizes = side_by_side(lambda u: _size(made, u, terms, "cache" in economies, attainment, rule), users)
    unit_usd = _day_usd(sizes[-1]) / sizes[-1].users
    rows = [_row(s, sizes[-1], unit_usd, economies, terms, service) for s in sizes]
    for before, row in pairwise(rows):
        row["planned"]["serving_elasticity_from_previous"] = math.log(
            row["planned"]["core_usd_per_day"] / before["planned"]["core_usd_per_day"]
        ) / math.log(row["users"] / before["users"])
    hour = simulate_hour(sizes[-1], attainment) if full_hour else None
    return {
        "scenario": scenario.name,
        "attainment": attainment,
        "economies": list(economies),
        "terms": asdict(terms),
        "conventional_terms": asdict(service or conventional.Service()),
        "rows": rows,
        "elasticity": _elasticities(rows, economies),
        "history": history(),
        "full_hour": hour,
        "wall_s": time.perf_counter() - begun_s,
    }


def _size(
    scenario: Scenario, users: float, terms: Terms, with_cache: bool, attainment: float, rule: Rule
) -> Size:
    demand = for_users(scenario, users)
    sized = size_fleet(demand, attainment=attainment, verify=3, cell_replicas=CELL_REPLICAS, rule=rule)
    lost = replicas_of_node(sized.cell.pools[0])
    counts = [p.replicas + (lost if i == 0 else 0) for i, p in enumerate(sized.cell.pools)]
    cached = cached_share(rate_per_s(demand) or 0.0, terms) if with_cache else 0.0
    cached_sized = cached_day = None
    if with_cache:
        shorter = with_cached_prompts(demand, cached)
        cached_sized = size_fleet(
            shorter, attainment=attainment, verify=3, cell_replicas=CELL_REPLICAS, rule=rule
        )
        cached_day = run(cached_sized.cell, threads=1)
    return Size(
        users=users,
        rule=rule,
        demand=demand,
        sized=sized,
        day=run(sized.cell, threads=1),
        spare_day=run(with_replicas(sized.cell, counts), threads=1),
        spare_replicas=lost * sized.cells,
        cached=cached,
        cached_sized=cached_sized,
        cached_day=cached_day,
    )


def day_usd(result: Result, cells: int) -> float:
    """Cost of a day of a whole fleet [$], of which one cell was run. A run goes on until the last answer: its cost
    per second counts, over a day."""
    return result.summary["cost"]["usd_per_hour"] * 24 * cells


def _day_usd(size: Size) -> float:
    return day_usd(size.day, size.sized.cells)


def _parts(size: Size, unit_usd: float, terms: Terms) -> Parts:
    cells, cost = size.sized.cells, size.day.summary["cost"]
    core = _day_usd(size)
    serving = unit_usd * size.users
    cache = 0.0
    if size.cached_sized is not None and size.cached_day is not None:
        cache = day_usd(size.cached_day, size.cached_sized.cells) - core
    capex = (cost["capex_usd"] or 0.0) * cells
    span = size.day.summary["span"]
    days = (span["end_s"] - span["start_s"]) / DAY_S
    return Parts(
        serving=serving,
        headroom=core - serving,
        spare=day_usd(size.spare_day, cells) - core,
        training=training_usd_per_day(terms),
        cache=cache,
        discount=-discount_share(capex, terms) * capital_usd(cost) / days * cells,
    )


def _row(
    size: Size,
    largest: Size,
    unit_usd: float,
    economies: Collection[str],
    terms: Terms,
    service: conventional.Service | None,
) -> dict[str, Any]:
    s, cells = size.day.summary, size.sized.cells
    parts = _parts(size, unit_usd, terms)
    daily = requests_per_day(size.demand)
    peak = peak_over_mean(size.demand)
    usd = parts.total(economies)
    fixed = _fixed_day(size, largest)
    web = conventional.day(daily, peak=peak, service=service)
    anew = conventional.day(daily, peak=peak, service=service, reuse=False, tiers=False)
    return {
        "users": size.users,
        "requests_per_day": daily,
        "simulated_requests": s["requests"]["arrived"],
        "passes_per_request": s["passes"] / max(1, s["requests"]["completed"]),
        "fleet": {
            "description": describe(size.sized.scenario),
            "replicas": size.sized.replicas,
            "cells": cells,
            "accelerators": size.sized.accelerators,
            "spare_replicas": size.spare_replicas,
            "cached_replicas": size.cached_sized.replicas if size.cached_sized is not None else None,
            "probability": size.sized.probability,
        },
        "utilization": s["utilization"],
        "mean_batch": s["pools"][0]["mean_batch"],
        "binding": s["binding"],
        "attainment_of_day": size.rule.judge(s, ATTAINMENT).attainment,
        "ttft_p99_s": s["latency"]["ttft_s"]["p99"],
        "planned": {
            "usd_per_day": usd,
            "usd_per_request": usd / daily,
            "usd_per_user_day": usd / size.users,
            "parts_usd_per_day": asdict(parts),
            "without_economies_usd_per_day": parts.serving,
            "core_usd_per_day": parts.serving + parts.headroom,
            "wh_per_request": s["energy"]["wh_per_request"],
            "site_w_mean": s["power"]["site_w_mean"] * cells,
            "accelerators_per_million_users": size.sized.accelerators / size.users * 1e6,
            "cached_share_of_prompts": size.cached,
        },
        "fixed_fleet": {
            "usd_per_day": fixed,
            "usd_per_request": fixed / daily,
            "accelerators": largest.sized.accelerators,
        },
        "conventional": {
            "usd_per_day": web.usd,
            "usd_per_request": web.usd / daily,
            "hit_rate": web.hit_rate,
            "parts_usd_per_day": {"compute": web.compute_usd, "egress": web.egress_usd, "code": web.code_usd},
            "running_usd_per_day": web.usd - web.code_usd,
            "running_without_reuse_usd_per_day": anew.usd - anew.code_usd,
        },
    }


def _fixed_day(size: Size, largest: Size) -> float:
    """A day of the largest size's fleet under this size's demand [$]."""
    if size is largest:
        return _day_usd(largest)
    cell = scaled(largest.sized.cell, size.users / largest.users)
    return day_usd(run(cell, threads=1), largest.sized.cells)


def _elasticities(rows: Sequence[dict[str, Any]], economies: Collection[str]) -> dict[str, Any]:
    """Slopes of ln cost against ln users. Past saturation: sizes whose unit cost, planned without training or
    discount, is within `KNEE` of the least; below: the others and the first of these."""
    unit = [r["planned"]["core_usd_per_day"] / r["users"] for r in rows]
    past = [i for i, u in enumerate(unit) if u <= KNEE * min(unit)]
    first = past[0] if past else len(rows)
    below = list(range(min(first + 1, len(rows))))

    def kinds(value: Any) -> dict[str, Any]:
        return {
            "below_saturation": _slope(rows, below, value),
            "past_saturation": _slope(rows, past, value),
            "all": _slope(rows, range(len(rows)), value),
        }

    def planned_with(on: Collection[str]) -> Any:
        return lambda r: Parts(**r["planned"]["parts_usd_per_day"]).total(on)

    return {
        "saturated_from_users": rows[first]["users"] if past else None,
        "fixed_fleet": kinds(lambda r: r["fixed_fleet"]["usd_per_day"]),
        "planned": kinds(planned_with(economies)),
        "planned_serving": kinds(lambda r: r["planned"]["core_usd_per_day"]),
        "planned_without": {e: kinds(planned_with([x for x in economies if x != e])) for e in economies},
        "energy": kinds(lambda r: r["planned"]["site_w_mean"]),
        "conventional": kinds(lambda r: r["conventional"]["usd_per_day"]),
        "conventional_running": kinds(lambda r: r["conventional"]["running_usd_per_day"]),
        "conventional_running_without_reuse": kinds(
            lambda r: r["conventional"]["running_without_reuse_usd_per_day"]
        ),
    }


def _slope(rows: Sequence[dict[str, Any]], at: Any, value: Any) -> dict[str, float | None] | None:
    chosen = [rows[i] for i in at]
    costs = [value(r) for r in chosen]
    if any(c <= 0 for c in costs):
        return None
    found: Interval | None = slope([math.log(r["users"]) for r in chosen], [math.log(c) for c in costs])
    return None if found is None else found.as_dict()


def simulate_hour(size: Size, attainment: float) -> dict[str, Any]:
    """The busiest hour of a size at full rate, every request in every cell."""
    hour = at_peak_hour(size.sized.scenario)
    begun_s = time.perf_counter()
    summary = run(hour).summary
    wall_s = time.perf_counter() - begun_s
    verdict = size.rule.judge(summary, attainment)
    return {
        "users": size.users,
        "replicas": size.sized.replicas,
        "accelerators": size.sized.accelerators,
        "cells": size.sized.cells,
        "requests": summary["requests"],
        "output_tokens": summary["tokens"]["output"],
        "attainment": verdict.attainment,
        "backlog_grows": verdict.growing,
        "ttft_p99_s": summary["latency"]["ttft_s"]["p99"],
        "site_w_mean": summary["power"]["site_w_mean"],
        "usd_per_request": summary["cost"]["usd_per_request"],
        "wall_s": wall_s,
        "requests_per_wall_s": summary["requests"]["completed"] / wall_s,
    }
