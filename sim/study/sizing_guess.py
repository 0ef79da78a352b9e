"""How many replicas a demand may need: an estimate from the step cost alone, to begin a search with."""

from __future__ import annotations

from dataclasses import dataclass

from sim.cost.types import StepCost
from sim.metrics.capacity import Capacity, capacity
from sim.metrics.moments import Moments, length_moments, mixture
from sim.run import step_costs
from sim.scenario.pool import Pool, Scheduler
from sim.scenario.schema import Scenario
from sim.scenario.workload import Slo
from sim.study.sizing_demand import peak_rate_per_s
from sim.workload.demand import read_traces

FULLNESS = 0.85
"""Of what a replica could serve at its targets does a demand with its ups and downs take."""


@dataclass(frozen=True)
class Sustained:
    """What one replica may hold at its targets: requests per second, at a batch, and the step's mean time [s]."""

    requests_per_s: float
    batch: int
    step_s: float
    binds: str


def guess_replicas(scenario: Scenario) -> dict[str, float]:
    """Replicas by model that the busiest hour may need; a model whose demand has no rate of its own is left out."""
    traces = read_traces(scenario)
    costs = step_costs(scenario, traces)
    found = {}
    for model in dict.fromkeys(p.model for p in scenario.pools):
        asking = [w for w in scenario.workloads if w.model == model]
        rates = [peak_rate_per_s(w, scenario.duration_s) for w in asking]
        moments = [length_moments(w, traces) for w in asking]
        known = [(m, r) for m, r in zip(moments, rates, strict=True) if m is not None and r is not None]
        if not known or len(known) < len(asking):
            continue
        lengths = mixture([m for m, _ in known], [r for _, r in known])
        serving = [(p, c) for p, c in zip(scenario.pools, costs, strict=True) if p.model == model]
        each = _mean_rate(serving, lengths, [w.slo for w in asking])
        if each is not None:
            found[model] = sum(r for _, r in known) / (FULLNESS * each)
    return found


def _mean_rate(serving: list[tuple[Pool, StepCost]], lengths: Moments, slos: list[Slo]) -> float | None:
    """Requests per second of a replica at the targets, over pools in their proportion."""
    total = 0.0
    for pool, cost in serving:
        held = held_at_target(cost, pool.scheduler, lengths, tightest_tpot_s(slos))
        if held is None:
            return None
        total += held.requests_per_s * pool.replicas
    return total / sum(p.replicas for p, _ in serving)


def tightest_tpot_s(slos: list[Slo]) -> float | None:
    """The smallest TPOT target of several workloads, None where none has one."""
    return min((s.tpot_s for s in slos if s.tpot_s is not None), default=None)


def held_at_target(
    cost: StepCost, scheduler: Scheduler, lengths: Moments, tpot_s: float | None
) -> Sustained | None:
    """The most that one replica serves with a mean step within the TPOT target; None for static batching, and where
    a batch of one is too slow already."""
    full = sustained_at(cost, scheduler, lengths, scheduler.max_batch)
    if full is None or tpot_s is None or full.batch == 0 or full.step_s <= tpot_s:
        return full
    low, high = 0, full.batch
    while high - low > 1:
        middle = (low + high) // 2
        found = sustained_at(cost, scheduler, lengths, middle)
        low, high = (middle, high) if found is not None and found.step_s <= tpot_s else (low, middle)
    return sustained_at(cost, scheduler, lengths, low) if low else None


def sustained_at(cost: StepCost, scheduler: Scheduler, lengths: Moments, batch: int) -> Sustained | None:
    """What one replica serves whose batch is `batch` at most; None for static batching."""
    found: Capacity | None = capacity(cost, scheduler.model_copy(update={"max_batch": batch}), lengths)
    if found is None:
        return None
    step_s = found.batch / lengths.output / found.requests_per_s if found.batch else 0.0
    return Sustained(found.requests_per_s, found.batch, step_s, found.binds)
