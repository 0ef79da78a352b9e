"""How many replicas a demand may need: an estimate from the step cost alone, to begin a search with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.cost.types import StepCost
from sim.metrics.moments import Moments, length_moments, mixture
from sim.metrics.sustained import held_at_target, tightest_tpot_s
from sim.run import step_costs
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.scenario.workload import Slo, Workload
from sim.study.sizing_demand import peak_rate_per_s
from sim.workload.demand import read_traces
from sim.workload.expected import expected
from sim.workload.programs import program_of
from sim.workload.trace import Trace

FULLNESS = 0.85
"""Of what a replica could serve at its targets does a demand with its ups and downs take."""


def guess_replicas(scenario: Scenario) -> dict[str, float]:
    """Replicas by model that the busiest hour may need; a model whose demand has no rate of its own is left out."""
    traces = read_traces(scenario)
    costs = step_costs(scenario, traces)
    found = {}
    for model in dict.fromkeys(p.model for p in scenario.pools):
        asked = [_calls(w, scenario, traces, model) for w in scenario.workloads]
        calls = [c for part in asked if part is not None for c in part]
        if not calls or None in asked:
            continue
        lengths = mixture([c.lengths for c in calls], [c.rate_per_s for c in calls])
        serving = [(p, c) for p, c in zip(scenario.pools, costs, strict=True) if p.model == model]
        each = _mean_rate(serving, lengths, [c.slo for c in calls])
        if each is not None:
            found[model] = sum(c.rate_per_s for c in calls) / (FULLNESS * each)
    return found


@dataclass(frozen=True)
class _Calls:
    """Calls of one stage of a workload: their lengths, how many a second, and the targets they have."""

    lengths: Moments
    rate_per_s: float
    slo: Slo


def _calls(
    workload: Workload, scenario: Scenario, traces: Mapping[str, Trace], model: str
) -> list[_Calls] | None:
    """What `workload` asks of `model` in its busiest hour, without prefix cache; None where its rate or lengths are
    not known. Calls of a program are as long as expected in the mean."""
    program = program_of(workload, scenario)
    if all(stage.model != model for stage in program.stages):
        return []
    lengths, rate = length_moments(workload, traces), peak_rate_per_s(workload, scenario.duration_s)
    if lengths is None or rate is None:
        return None
    if program.is_plain:
        return [_Calls(lengths, rate, workload.slo)]
    found = []
    for stage in expected(program, lengths.input, lengths.output).stages:
        if stage.model == model and stage.passes > 0:
            read, emitted = stage.input_tokens / stage.passes, stage.output_tokens / stage.passes
            moments = Moments(read, emitted, emitted**2, read * emitted)
            found.append(_Calls(moments, rate * stage.passes, workload.slo))
    return found


def _mean_rate(serving: list[tuple[Pool, StepCost]], lengths: Moments, slos: list[Slo]) -> float | None:
    """Requests per second of a replica, over pools in their proportion: at the targets, or at its most where a step
    of one sequence is too slow already (so short answers that each step computes a prompt)."""
    total = 0.0
    for pool, cost in serving:
        held = held_at_target(cost, pool.scheduler, lengths, tightest_tpot_s(slos))
        held = held or held_at_target(cost, pool.scheduler, lengths, None)
        if held is None:
            return None
        total += held.requests_per_s * pool.replicas
    return total / sum(p.replicas for p, _ in serving)
