"""A capacity mix as a scenario, so that it can be simulated: a pool for each way in which capacity is had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.errors import Fault, UserError
from sim.metrics.binding import limit_of
from sim.run import run, step_costs
from sim.scenario.client import Spill
from sim.scenario.fleet import Scaler, Spot
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.plan_deployments import asked
from sim.workload.demand import read_traces

SLACK = 0.75
"""Of the TPOT target is the mean step of a full batch: some of its steps also carry long prompts."""
WAITING = 4
"""Calls waiting at a replica with which a request goes to the API instead."""
CYCLES = (24, 168)
"""Hours of a run whose hours can be a schedule."""


def played(scenario: Scenario, report: Mapping[str, Any]) -> Scenario:
    """The scenario with the mix of a report of `sim.study.mix.mix` as its pools: one that is always on, one on spot and
    one on demand that follow the hours' needs by schedule, each paid for in its way.

    Raises UserError where the run is not a day or a week long, or the mix leaves all requests to an API.
    """
    hours, found, needed = report["hours"], report["mix"], report["needed"]
    if hours not in CYCLES:
        raise UserError(
            Fault("duration", f"is {hours} hours; a mix is played over a day or a week", "24 h or 168 h")
        )
    pool, prices = scenario.pools[0], report["prices"]
    fixed, spot, spare, demand = (found[k] for k in ("fixed", "spot", "spot_spare", "on_demand"))
    pools: list[Pool] = []
    if fixed:
        kind = report["fixed_by"]
        pools.append(_part(pool, "fixed", kind, fixed, prices))
    if spot:
        serve = [min(max(n - fixed, 0), spot) for n in needed]
        schedule = [n + spare if n else 0 for n in serve]
        offers = report["offers"]
        reclaim = {"reclaims_per_hour": offers["reclaims_per_h"], "returns": f"{offers['returns_h']} h"}
        part = _part(pool, "spot", "spot", spot + spare, prices)
        pools.append(_scheduled(part, schedule).model_copy(update={"spot": Spot.model_validate(reclaim)}))
    if demand:
        schedule = [min(max(n - fixed - spot, 0), demand) for n in needed]
        pools.append(_scheduled(_part(pool, "on-demand", "on-demand", demand, prices), schedule))
    if not pools:
        raise UserError(Fault("mix", "leaves all requests to an API; there is no fleet to simulate"))
    made = scenario.model_copy(update={"pools": tuple(pools), "cells": 1, "warmup_s": 0.0})
    return _spilling(made, report["spill"]) if found["spilled_per_h"] else made


def _spilling(scenario: Scenario, api: Mapping[str, Any]) -> Scenario:
    """The scenario with what finds no room sent to the API. Replicas run no more sequences than keep the TPOT target
    with some slack, by the step tables: else batches grow and the target is missed before anything waits."""
    prices = {key: api[key] for key in ("usd_per_mtok_input", "usd_per_mtok_output")}
    spill = Spill.model_validate({"above": WAITING, **prices})
    workloads = tuple(w.model_copy(update={"spill": spill}) for w in scenario.workloads)
    pools = tuple(_capped(scenario, p) for p in scenario.pools)
    return scenario.model_copy(update={"workloads": workloads, "pools": pools})


def _capped(scenario: Scenario, pool: Pool) -> Pool:
    traces = read_traces(scenario)
    lengths, tpot_s = asked(scenario, pool.model, traces)
    if tpot_s is None:
        return pool
    cost = step_costs(scenario.model_copy(update={"pools": (pool,)}), traces)[0]
    first = limit_of(cost, pool, lengths, SLACK * tpot_s)
    if first is None:
        return pool
    batch = min(pool.scheduler.max_batch, max(1, first.batch))
    return pool.model_copy(update={"scheduler": pool.scheduler.model_copy(update={"max_batch": batch})})


def _part(pool: Pool, name: str, kind: str, replicas: int, prices: Mapping[str, Any]) -> Pool:
    usd = None if kind == "own" else prices[kind]["usd_per_accelerator_hour"]
    update = {"name": name, "purchase": kind, "usd_per_accelerator_hour": usd, "replicas": replicas}
    return pool.model_copy(update=update)


def _scheduled(pool: Pool, schedule: Sequence[int]) -> Pool:
    """Hours count from the start of the run."""
    table = {"policy": "scheduled", "min_replicas": 0, "schedule": list(schedule), "start_hour": 0.0}
    return pool.model_copy(update={"scaler": Scaler.model_validate(table)})


def replay(scenario: Scenario, report: Mapping[str, Any]) -> dict[str, Any]:
    """The mix simulated beside the same demand on as many replicas as the busiest hour needs, all the time: whether
    the targets are met, what is paid, accelerator-hours."""
    mixed = run(played(scenario, report)).summary
    most = scenario.pools[0].model_copy(update={"replicas": report["replicas_busiest"]})
    static = run(scenario.model_copy(update={"pools": (most,), "cells": 1})).summary
    return {"mix": _words(mixed), "static": _words(static)}


def _words(summary: Mapping[str, Any]) -> dict[str, Any]:
    latency, requests = summary["latency"], summary["requests"]
    return {
        "attainment": summary["slo"]["attainment"],
        "arrived": requests["arrived"],
        "completed": requests["completed"],
        "rejected": requests["rejected"],
        "spilled": requests.get("spilled", 0),
        "ttft_p99_s": latency["ttft_s"]["p99"],
        "tpot_p99_s": latency["tpot_s"]["p99"],
        "usd_per_hour": summary["cost"]["usd_per_hour"],
        "usd_per_request": summary["cost"]["usd_per_request"],
        "breakdown_usd": {k: v for k, v in summary["cost"]["breakdown"].items() if v},
        "by_pool_usd": summary["cost"]["by"]["pool"],
        "accelerator_hours": summary["fleet"].get("accelerator_hours", {}),
        "wall_s": summary["wall_s"],
    }
