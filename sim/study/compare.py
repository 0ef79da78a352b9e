"""Generations of accelerators under the same demand, request by request: at equal targets and at equal count.

For every accelerator the deployment is found, not asked: hundreds of parallel sizes, batches and budgets by the step
cost's tables, the best few by simulation. Each fleet is then the smallest that meets the targets, run again with the
same fresh seeds as the others, so that ratios are of paired runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.catalog.accelerators import accelerator
from sim.catalog.servers import server
from sim.errors import UserError
from sim.run import run
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.plan_deployments import Deployment, best_shapes, screen, served_by, templates
from sim.study.replications import interval, paired_ratio, side_by_side
from sim.study.sizing import Sized, size_fleet
from sim.study.sizing_demand import rate_per_s, shortened
from sim.study.sizing_load import largest_load
from sim.study.sizing_verdict import ATTAINMENT, judge

SHAPES = 3
"""Deployments of one accelerator that are sized by simulation."""
MOST_SHAPES = 8
"""Tried in search of `SHAPES` that can meet the targets at all."""
RACK_KW = 30.0
"""Air-cooled rack: an operator's usual ceiling (datacentres.com, factryze.ai; press). A system that draws more by
itself is one rack."""
EQUAL_COUNT_REQUESTS = 24_000
RATIOS = ("accelerators", "it_w_provisioned", "capex_usd", "usd_per_mtok_output", "j_per_output_token")
LATENCIES = ("ttft_s", "tpot_s", "e2e_s")


@dataclass(frozen=True)
class Generation:
    """One accelerator: its fleet at the targets, or why there is none. screened: configurations reckoned."""

    accelerator: str
    sized: Sized | None
    why_not: str
    screened: int
    evaluations: int


def compare_accelerators(
    scenario: Scenario, chips: Sequence[str], *, attainment: float = ATTAINMENT, base: str | None = None
) -> dict[str, Any]:
    """The comparison as plain data: `rows`, one per accelerator, with `equal_slo`, `equal_count` and ratios to the
    base (the first that meets the targets, unless named).

    chips: catalog names.  Raises UserError where no accelerator meets the targets.
    """
    begun_s = time.perf_counter()
    found = side_by_side(lambda chip: generation(scenario, chip, attainment), chips)
    able = [g for g in found if g.sized is not None]
    if not able:
        raise UserError([f for g in found for f in UserError(f"{g.accelerator}: {g.why_not}").faults])
    first = next((g for g in able if g.accelerator == base), able[0])
    assert first.sized is not None
    count = first.sized.accelerators
    equal = side_by_side(lambda g: equal_count(scenario, g, count, attainment), found)
    rows = [_row(g, first.sized, e) for g, e in zip(found, equal, strict=True)]
    held = next(r for r in rows if r["accelerator"] == first.accelerator)["equal_count"]["rps_at_slo"]
    for row in rows:
        part = row["equal_count"]
        if part["rps_at_slo"] is not None and held:
            part["ratio_rps"] = part["rps_at_slo"] / held
    return {
        "scenario": scenario.name,
        "attainment": attainment,
        "base": first.accelerator,
        "count": count,
        "demand_rps": rate_per_s(scenario),
        "rows": rows,
        "configurations": sum(g.screened for g in found),
        "evaluations": sum(g.evaluations for g in found) + sum(e["evaluations"] for e in equal),
        "wall_s": time.perf_counter() - begun_s,
    }


def generation(scenario: Scenario, chip: str, attainment: float) -> Generation:
    """The cheapest verified fleet of one accelerator, over the best deployments that the tables suggest."""
    pools, screened, evaluations = [], 0, 0
    for template in templates(scenario):
        part = screen(scenario, template, chip)
        screened += part.reckoned
        if not part.deployments:
            return Generation(chip, None, part.why_not, screened, evaluations)
        pools.append(best_shapes(part, MOST_SHAPES))
    trials: list[tuple[float, Scenario]] = []
    why = ""
    for choice in _choices(pools):
        made = served_by(scenario, choice)
        try:
            sized = size_fleet(made, attainment=attainment, verify=0)
        except UserError as error:  # targets out of reach, or no price for this accelerator
            why = why or error.faults[0].message
            evaluations += 1
            continue
        evaluations += sized.evaluations
        trials.append((_usd_per_hour(sized), made))
        if len(trials) == SHAPES:
            break
    if not trials:
        return Generation(chip, None, why, screened, evaluations)
    best = min(trials, key=lambda trial: trial[0])[1]
    sized = size_fleet(best, attainment=attainment)
    return Generation(chip, sized, "", screened, evaluations + sized.evaluations)


def _choices(pools: Sequence[Sequence[Deployment]]) -> list[list[Pool]]:
    """The i-th best of every model together (for one model: its deployments in order)."""
    longest = max(map(len, pools))
    return [[part[min(i, len(part) - 1)].pool for part in pools] for i in range(longest)]


def _usd_per_hour(sized: Sized) -> float:
    return sized.summary["cost"]["usd_per_hour"] * sized.cells


def equal_count(scenario: Scenario, found: Generation, count: int, attainment: float) -> dict[str, Any]:
    """What `count` accelerators of this kind do: the most requests per second at the targets, and how the
    scenario's own demand fares on them."""
    nothing: dict[str, Any] = {
        "accelerators": count,
        "replicas": 0,
        "rps_at_slo": None,
        "ratio_rps": None,
        "attainment_at_demand": None,
        "overloaded_at_demand": None,
        "evaluations": 0,
    }
    if found.sized is None:
        return nothing
    pools = found.sized.scenario.pools
    share = count / found.sized.accelerators
    sizes = [math.floor(p.replicas * share + 1e-9) for p in pools]
    if not all(sizes):
        return nothing
    fleet = served_by(
        scenario, [p.model_copy(update={"replicas": n}) for p, n in zip(pools, sizes, strict=True)]
    )
    fleet = fleet.model_copy(update={"cells": 1})
    verdict = judge(run(shortened(fleet, EQUAL_COUNT_REQUESTS), threads=1).summary, attainment)
    held = largest_load(fleet, attainment=attainment)
    rate = rate_per_s(fleet)
    return {
        **nothing,
        "replicas": sum(sizes),
        "rps_at_slo": rate and rate * held.factor,
        "attainment_at_demand": verdict.attainment,
        "overloaded_at_demand": verdict.growing,
        "evaluations": held.evaluations + 1,
    }


def figures(sized: Sized, i: int) -> dict[str, float]:
    """What the i-th verifying run says of the whole fleet."""
    s = sized.results[i].summary
    output = s["tokens"]["output"]
    span_s = s["span"]["end_s"] - s["span"]["start_s"]
    return {
        "accelerators": float(sized.accelerators),
        "it_w_provisioned": s["power"]["provisioned_it_w"] * sized.cells,
        "site_w_mean": s["power"]["site_w_mean"] * sized.cells,
        "capex_usd": (s["cost"]["capex_usd"] or math.nan) * sized.cells,
        "usd_per_hour": s["cost"]["usd_per_hour"] * sized.cells,
        "usd_per_mtok_output": s["cost"]["usd_per_mtok_output"],
        "usd_per_request": s["cost"]["usd_per_request"],
        "j_per_output_token": s["energy"]["j_per_output_token"],
        "tokens_per_s_per_accelerator": output / span_s / s["fleet"]["accelerators"],
        "utilization": s["utilization"],
    }


def _row(found: Generation, base: Sized, equal: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "accelerator": found.accelerator,
        "fits": found.sized is not None,
        "why_not": found.why_not,
        "deployment": None,
        "equal_slo": None,
        "ratio_to_base": None,
        "equal_count": dict(equal),
        "warnings": [],
    }
    sized = found.sized
    if sized is None:
        return row
    runs = range(len(sized.results))
    each = [figures(sized, i) for i in runs]
    theirs = [figures(base, i) for i in runs]
    pools = sized.summary["pools"]
    row["deployment"] = [_deployment(p) for p in sized.scenario.pools]
    row["equal_slo"] = {
        "replicas": sized.replicas,
        "cells": sized.cells,
        "accelerators": sized.accelerators,
        "servers": sum(p["servers"] for p in pools) * sized.cells,
        "racks": sum(racks(p["accelerator"], p["servers"] * sized.cells) for p in pools),
        **{k: _known(interval([e[k] for e in each]).mean) for k in each[0] if k != "accelerators"},
        "latency": {k: _latency(sized, k) for k in LATENCIES},
        "attainment": [v.attainment for v in sized.verdicts],
        "probability": sized.probability,
        "binding": sized.summary["binding"],
    }
    row["ratio_to_base"] = {
        key: paired_ratio([e[key] for e in each], [t[key] for t in theirs]).as_dict()
        for key in (*RATIOS, "tokens_per_s_per_accelerator")
        if all(math.isfinite(x[key]) for x in (*each, *theirs))
    }
    row["step_cost"] = [p["step_cost"]["basis"] for p in pools]
    row["warnings"] = [text for p in pools for text in p["step_cost"]["warnings"]]
    return row


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _deployment(pool: Pool) -> dict[str, Any]:
    names = (
        "model",
        "precision",
        "tensor_parallel",
        "pipeline_parallel",
        "attention_data_parallel",
        "expert_parallel",
    )
    return {
        **{n: getattr(pool, n) for n in names},
        "accelerators_per_replica": pool.accelerators_per_replica,
        "scheduler": pool.scheduler.kind,
        "max_batch": pool.scheduler.max_batch,
        "token_budget": pool.scheduler.token_budget,
    }


def _latency(sized: Sized, name: str) -> dict[str, float | None]:
    """Means over the verifying runs of each statistic [s]."""
    found = [r.summary["latency"][name] for r in sized.results]
    return {
        key: interval([f[key] for f in found]).mean if all(f[key] is not None for f in found) else None
        for key in ("p50", "p90", "p99")
    }


def racks(chip: str, servers: float) -> int:
    """Racks for servers of an accelerator: as many in one as `RACK_KW` feeds, at least one."""
    around = server(accelerator(chip).server)
    each = max(1, math.floor(RACK_KW * 1e3 / around.max_power_w))
    return math.ceil(math.ceil(servers - 1e-9) / each)
