"""How many of a fleet's accelerators should prefill and how many decode, and whether that beats doing both on each.

Of each split the largest load that it holds at the targets is found by simulation, as `plan --fixed-fleet` does, on the
same requests (draws are keyed by request). Goodput has one peak along the split: too few replicas of either role hold
the others up. So few splits are all tried, and of many the peak is climbed from where the step costs put it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.errors import Fault, ScenarioError
from sim.metrics.capacity import capacity
from sim.metrics.moments import length_moments
from sim.run import run, step_costs
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.replications import side_by_side
from sim.study.sizing_demand import rate_per_s, scaled, shortened
from sim.study.sizing_load import largest_load
from sim.study.sizing_verdict import ATTAINMENT, TRIALS, Unreachable
from sim.workload.demand import read_traces

ALL = 9
"""Up to as many splits are all tried."""
TOLERANCE = 0.02
"""Of the largest load of each split."""


@dataclass(frozen=True)
class Halves:
    """How replicas of either role, and of neither, are deployed; `accelerators` in all."""

    prefill: Pool
    decode: Pool
    whole: Pool
    accelerators: int

    @classmethod
    def of(cls, scenario: Scenario) -> Halves:
        """The pools of a scenario of one model: one pool, or one of each role. Raises ScenarioError for any other."""
        pools = scenario.pools
        by_role = {p.role: p for p in pools}
        total = sum(p.replicas * p.accelerators_per_replica for p in pools)
        if len({p.model for p in pools}) > 1 or len(pools) != len(by_role):
            text = "splits are found for one model, in one pool or one of each role"
            raise ScenarioError(Fault("pool", text, "leave one pool of it"))
        if rate_per_s(scenario) is None:
            text = "the largest load is sought in requests per second, which this demand has not"
            raise ScenarioError(
                Fault("workload", text, "use poisson, gamma, weibull, deterministic or users")
            )
        if None in by_role:
            pool = by_role[None]
            no_limit = pool.scheduler.model_copy(update={"queue_limit": None, "kv_reserve": "prompt"})
            apart = pool.model_copy(update={"scheduler": no_limit})
            prefill = apart.model_copy(update={"role": "prefill", "name": "prefill", "speculation": None})
            update = {"role": "decode", "name": "decode", "prefix_cache": _NO_CACHE}
            return cls(prefill, apart.model_copy(update=update), pool, total)
        decode = by_role["decode"]
        whole = decode.model_copy(
            update={"role": None, "name": "together", "prefix_cache": by_role["prefill"].prefix_cache}
        )
        return cls(by_role["prefill"], decode, whole, total)

    def splits(self) -> list[tuple[int, int]]:
        """Replicas of either role that use the accelerators as far as whole replicas can."""
        each, other = self.prefill.accelerators_per_replica, self.decode.accelerators_per_replica
        counts = [(n, (self.accelerators - n * each) // other) for n in range(1, self.accelerators // each)]
        return [(n, m) for n, m in counts if m >= 1]

    def fleet(self, split: tuple[int, int]) -> tuple[Pool, ...]:
        pairs = zip((self.prefill, self.decode), split, strict=True)
        return tuple(pool.model_copy(update={"replicas": n}) for pool, n in pairs)

    def together(self) -> tuple[Pool, ...]:
        count = self.accelerators // self.whole.accelerators_per_replica
        return (self.whole.model_copy(update={"replicas": count}),)


_NO_CACHE = Pool.model_fields["prefix_cache"].default


def disaggregate(scenario: Scenario, *, attainment: float = ATTAINMENT) -> dict[str, Any]:
    """The split of the scenario's accelerators into prefilling and decoding replicas that holds the largest load at
    the targets, beside the same accelerators doing both, as plain data.

    `splits` has every split that was tried and `together` the undivided fleet, each with what it holds
    (`rps`, 0 where no load meets the targets) and its latencies at that load; `best` is None where no split meets them.
    Raises ScenarioError where the pools are neither one nor one of each role of one model.
    """
    begun_s = time.perf_counter()
    halves = Halves.of(scenario)
    splits = halves.splits()
    if not splits:
        text = f"{halves.accelerators} accelerators are too few for a replica of either role"
        raise ScenarioError(Fault("pool[0].replicas", text, "raise replicas"))

    def held(pools: tuple[Pool, ...]) -> dict[str, Any]:
        return held_by(scenario, pools, attainment)

    found = {}
    together = held(halves.together())
    if len(splits) <= ALL:
        rows = side_by_side(lambda split: held(halves.fleet(split)), splits)
        found = dict(zip(splits, rows, strict=True))
    else:
        at = _likely(scenario, halves, splits)
        while True:
            near = [splits[i] for i in (at - 1, at, at + 1) if 0 <= i < len(splits)]
            new = [s for s in near if s not in found]
            found.update(zip(new, side_by_side(lambda split: held(halves.fleet(split)), new), strict=True))
            best = max(near, key=lambda s: found[s]["rps"])
            if best == splits[at]:
                break
            at = splits.index(best)
    rows = [{"prefill": n, "decode": m, **found[n, m]} for n, m in splits if (n, m) in found]
    best = max(rows, key=lambda r: r["rps"])
    return {
        "scenario": scenario.name,
        "attainment": attainment,
        "accelerators": halves.accelerators,
        "together": {"replicas": halves.together()[0].replicas, **together},
        "splits": rows,
        "best": best if best["rps"] > 0 else None,
        "gain": best["rps"] / together["rps"] if together["rps"] > 0 else None,
        "evaluations": together["evaluations"] + sum(r["evaluations"] for r in rows),
        "wall_s": time.perf_counter() - begun_s,
    }


def _likely(scenario: Scenario, halves: Halves, splits: Sequence[tuple[int, int]]) -> int:
    """Number of the split whose roles' capacities are nearest to each other, by the step costs."""
    pools = halves.fleet(splits[0])
    scenario = scenario.model_copy(update={"pools": pools})
    traces = read_traces(scenario)
    lengths = length_moments(scenario.workloads[0], traces)
    assert lengths is not None
    each = []
    for pool, cost in zip(pools, step_costs(scenario, traces), strict=True):
        found = capacity(cost, pool.scheduler, lengths.part(pool.role))
        each.append(found.requests_per_s if found is not None else 1.0)
    return max(range(len(splits)), key=lambda i: min(splits[i][0] * each[0], splits[i][1] * each[1]))


def held_by(scenario: Scenario, pools: tuple[Pool, ...], attainment: float) -> dict[str, Any]:
    """The largest load that `pools` hold behind one router, and latencies there."""
    fleet = scenario.model_copy(update={"pools": pools, "cells": 1})
    rate = rate_per_s(fleet)
    assert rate is not None
    size = sum(p.replicas * p.accelerators_per_replica for p in fleet.pools)
    try:
        found = largest_load(fleet, attainment=attainment, tolerance=TOLERANCE)
    except Unreachable as error:
        none = dict.fromkeys(("ttft_p90_s", "ttft_p99_s", "tpot_p90_s", "tpot_p99_s", "utilization"))
        return {
            "rps": 0.0,
            "rps_per_accelerator": 0.0,
            **none,
            "why": error.faults[0].message,
            "evaluations": 1,
        }
    summary = run(shortened(scaled(fleet, found.factor), TRIALS[1]), threads=1).summary
    latency = summary["latency"]
    return {
        "rps": rate * found.factor,
        "rps_per_accelerator": rate * found.factor / size,
        **{f"{m}_{q}_s": latency[f"{m}_s"][q] for m in ("ttft", "tpot") for q in ("p90", "p99")},
        "utilization": [p["utilization"] for p in summary["pools"]],
        "why": None,
        "evaluations": found.evaluations + 1,
    }
