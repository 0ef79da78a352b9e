"""The smallest fleet that meets the targets.

Fleets are tried by simulation, bracketed from an analytic guess and then bisected. Every trial sees the same requests
(draws are keyed by request), so that a larger fleet is not beaten by luck. Trials are short, and longer where a short
one leaves it open; the answer is run again, longer, with fresh seeds that the search has not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.errors import Fault
from sim.run import Result, run
from sim.scenario.schema import Scenario
from sim.study.replications import fresh_seeds
from sim.study.sizing_demand import divides, scaled, shortened
from sim.study.sizing_guess import guess_replicas
from sim.study.sizing_verdict import (
    ATTAINMENT,
    REQUESTS,
    VERIFYING_REQUESTS,
    Rule,
    Unreachable,
    Verdict,
    check_reachable,
    meeting_probability,
    try_fleet,
)

PROBABILITY = 0.9
"""That a fresh run meets the targets: the fleet grows until it is reached."""
CELL_REPLICAS = 128
"""Replicas behind one router in a large fleet; a cell of this size stands for all, which are alike."""
VERIFYING_RUNS = 5
MOST_REPLICAS = 1_000_000
MOST_GROWTHS = 40
"""Steps of 1 % (one replica at least) by which a verification may make a fleet larger."""


@dataclass(frozen=True)
class Sized:
    """A fleet and how it was found.

    scenario: with the fleet filled in, whole.  cell: one of its `cells`, with its share of the demand.
    results: verifying runs with fresh seeds, of one cell where `cells`
    are alike (then the fleet is `cells` times what a result shows).  verdicts: of these runs.
    probability: that one further run meets the targets.  evaluations: runs in all.
    """

    scenario: Scenario
    cell: Scenario
    cells: int
    results: tuple[Result, ...]
    verdicts: tuple[Verdict, ...]
    probability: float
    evaluations: int

    @property
    def result(self) -> Result:
        """The first verifying run."""
        return self.results[0]

    @property
    def summary(self) -> Mapping[str, Any]:
        """Summary of the first verifying run."""
        return self.results[0].summary

    @property
    def replicas(self) -> int:
        """Replicas of the whole fleet."""
        return sum(pool.replicas for pool in self.scenario.pools)

    @property
    def accelerators(self) -> int:
        """Accelerators of the whole fleet."""
        return sum(p.replicas * p.accelerators_per_replica for p in self.scenario.pools)


def size_fleet(
    scenario: Scenario,
    *,
    attainment: float = ATTAINMENT,
    probability: float = PROBABILITY,
    verify: int = VERIFYING_RUNS,
    cell_replicas: int = CELL_REPLICAS,
    rule: Rule = REQUESTS,
) -> Sized:
    """The fewest replicas with which at least `attainment` of the requests of every workload meet its targets,
    and no backlog grows, at the busiest hour of the scenario.

    The replicas of the scenario only say in which proportion pools that serve one model share it; pools of different
    models are sized one by one. verify: runs with fresh seeds; the fleet grows until a further run would meet the
    targets with `probability` (0 runs: the search's own answer stands, probability nan).
    cell_replicas: from about how many on a fleet is divided into cells behind routers of their own, where the demand
    can be (Poisson and users).  rule: what must meet the targets, by default whole requests.
    Raises Unreachable where even a request alone misses its targets, ScenarioError where a model does not fit.
    """
    search = _Search(scenario, attainment, cell_replicas, rule)
    check_reachable(scenario, attainment, rule)
    cells, sizes = search.smallest()
    if not verify:
        cell = search.fleet(sizes)
        result = run(shortened(cell, rule.trials[1]), threads=1)
        found = (result,), (rule.judge(result.summary, attainment),), math.nan
        return Sized(_whole(scenario, cell, cells), cell, cells, *found, search.evaluations + 1)
    sure = 0.0
    for _ in range(MOST_GROWTHS):
        cell = search.fleet(sizes)
        results = verifying_runs(cell, verify, rule.verifying)
        search.evaluations += verify
        verdicts = tuple(rule.judge(r.summary, attainment) for r in results)
        sure = meeting_probability(verdicts, attainment)
        if sure >= probability:
            return Sized(
                _whole(scenario, cell, cells), cell, cells, results, verdicts, sure, search.evaluations
            )
        sizes = search.larger(sizes, results)
    raise Unreachable(
        Fault(
            "slo",
            f"larger fleets do not make it surer than {100 * sure:.0f} % that a run meets the targets",
            "they are at the edge of what a request alone attains: loosen them, or ask for less attainment",
        )
    )


def verifying_runs(
    scenario: Scenario, count: int = VERIFYING_RUNS, requests: int = VERIFYING_REQUESTS
) -> tuple[Result, ...]:
    """Longer runs of the scenario's busiest hour with `count` fresh seeds."""
    base = shortened(scenario, requests)
    seeds = fresh_seeds(scenario.seed, count)
    return tuple(run(base.model_copy(update={"seed": s}), threads=1) for s in seeds)


class _Search:
    """The search over fleets of one scenario: replicas by model, of one cell where cells are alike."""

    def __init__(self, scenario: Scenario, attainment: float, cell_replicas: int, rule: Rule):
        self.cell_replicas, self.rule = cell_replicas, rule
        self.scenario, self.attainment, self.evaluations = scenario, attainment, 1
        self.known: dict[tuple[int, ...], Verdict] = {}
        self.cell = scenario
        self.models = tuple(dict.fromkeys(p.model for p in scenario.pools))

    def count(self) -> None:
        self.evaluations += 1

    def smallest(self) -> tuple[int, tuple[int, ...]]:
        """Cells, and the fewest replicas by model in one of them that meet the targets."""
        needed = guess_replicas(self.scenario)
        base = [max(1.0, needed.get(m) or self._given(m)) for m in self.models]
        cells = self.scenario.cells
        if divides(self.scenario):
            if cells == 1:
                cells = max(1, math.ceil(max(base) / self.cell_replicas))
            self.cell = scaled(self.scenario, 1 / cells).model_copy(update={"cells": 1})
            base = [b / cells for b in base]
        sizes = self._joint(base)
        if len(self.models) > 1:
            for i in range(len(self.models)):
                sizes = self._reduce(sizes, i)
        return (cells, sizes) if divides(self.scenario) else (1, sizes)

    def fleet(self, sizes: tuple[int, ...]) -> Scenario:
        """The cell with `sizes` replicas by model, shared by its pools in the scenario's proportion."""
        pools = []
        for pool in self.cell.pools:
            total = sizes[self.models.index(pool.model)]
            together = sum(p.replicas for p in self.cell.pools if p.model == pool.model)
            pools.append(
                pool.model_copy(update={"replicas": max(1, round(total * pool.replicas / together))})
            )
        return self.cell.model_copy(update={"pools": tuple(pools)})

    def larger(self, sizes: tuple[int, ...], results: tuple[Result, ...]) -> tuple[int, ...]:
        """One step up in the model whose replicas are busiest (of one model: in it)."""
        busy = {}
        for pool in results[0].summary["pools"]:
            busy[pool["model"]] = max(busy.get(pool["model"], 0.0), pool["utilization"])
        worst = max(self.models, key=lambda m: busy[m])
        return tuple(
            n + max(1, round(0.01 * n)) * self._whole_cells() if m == worst else n
            for n, m in zip(sizes, self.models, strict=True)
        )

    def _whole_cells(self) -> int:
        return self.cell.cells

    def _given(self, model: str) -> float:
        return float(sum(p.replicas for p in self.scenario.pools if p.model == model))

    def _meets(self, sizes: tuple[int, ...]) -> bool:
        if sizes not in self.known:
            self.known[sizes] = try_fleet(self.fleet(sizes), self.attainment, self.count, self.rule)
        return self.known[sizes].met

    def _joint(self, base: list[float]) -> tuple[int, ...]:
        """Fewest replicas along base x s."""

        def at(s: int) -> tuple[int, ...]:
            step = self._whole_cells()
            return tuple(step * math.ceil(max(1.0, b * s / lead) / step) for b in base)

        lead = max(base)
        return at(_least(lambda s: self._meets(at(s)), max(1, round(lead))))

    def _reduce(self, sizes: tuple[int, ...], i: int) -> tuple[int, ...]:
        """Fewest replicas of the i-th model with the others as they are."""

        def at(n: int) -> tuple[int, ...]:
            return (*sizes[:i], n, *sizes[i + 1 :])

        low, high = 0, sizes[i]
        while high - low > self._whole_cells():
            middle = (low + high) // 2
            low, high = (low, middle) if self._meets(at(middle)) else (middle, high)
        return at(high)


def _least(meets: Callable[[int], bool], guess: int) -> int:
    """The least whole number from 1 up that meets, of a rule that larger ones keep."""
    if meets(guess):
        high, step = guess, max(1, guess // 12)
        low = max(0, high - step)
        while low > 0 and meets(low):
            step *= 2
            high, low = low, max(0, low - step)
    else:
        low, step = guess, max(1, guess // 8)
        high = low + step
        while not meets(high):
            step *= 2
            low, high = high, high + step
            if high > MOST_REPLICAS:
                raise Unreachable(Fault("slo", f"not met with {MOST_REPLICAS:,} replicas"))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return high


def _whole(scenario: Scenario, cell: Scenario, cells: int) -> Scenario:
    """The scenario with `cells` times the cell's replicas."""
    pools = tuple(p.model_copy(update={"replicas": p.replicas * cells}) for p in cell.pools)
    return scenario.model_copy(update={"pools": pools, "cells": max(cells, cell.cells)})
