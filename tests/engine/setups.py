"""Plans for tests: real scenario tables with step costs that are made up, simple and exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.cost.types import Knowledge, MemoryBudget, StepCost
from sim.engine.build import build_plans
from sim.engine.plan import Plan
from sim.scenario.schema import Scenario
from sim.workload.demand import read_traces
from sim.workload.program import Program
from sim.workload.programs import program_of

MODELS = ("Llama-3.1-8B", "Llama-3.1-70B")


def cost(
    *,
    token_s: float = 1e-5,
    floor_s: float = 5e-3,
    sequence_s: float = 0.0,
    kv_s: float = 1e-8,
    attention_s: float = 1e-10,
    host_s: float = 1e-3,
    host_sequence_s: float = 0.0,
    host_prefill_s: float = 0.0,
    admit_s: float = 0.0,
    first_token_s: float = 0.0,
    adapter_load_s: float = 0.0,
    kv_capacity: int = 100_000,
    max_batch: int = 64,
    max_tokens: int = 512,
    joules: float = 1.0,
    width: int = 1,
    tokens_per_step: float = 1.0,
    handover_s: float = 0.0,
    handover_token_s: float = 0.0,
) -> StepCost:
    """A step of T tokens and n sequences takes floor_s + token_s T + sequence_s n + ..., at least its host time."""
    tokens, n = np.arange(max_tokens + 1.0), np.arange(max_batch + 1.0)
    room = MemoryBudget(80e9, 40e9, 1e9, 1e9, 38e9, 38e9 / kv_capacity, 0.0, kv_capacity)
    return StepCost(
        token_s=floor_s + token_s * tokens,
        token_s_beyond=token_s,
        sequence_s=sequence_s * n,
        kv_s=np.full(max_batch + 1, kv_s),
        attention_s=attention_s,
        host_s=host_s + host_sequence_s * n,
        host_prefill_s=host_prefill_s,
        admit_s=admit_s,
        first_token_s=first_token_s,
        token_j=joules * (1.0 + 0.1 * tokens),
        token_j_beyond=0.1 * joules,
        sequence_j=0.01 * joules,
        kv_j=1e-4 * joules,
        attention_j=1e-6 * joules,
        static_w=100.0 * joules,
        idle_w=50.0 * joules,
        accelerators=1,
        memory=room,
        knowledge=Knowledge("measured", "made up for tests"),
        width=width,
        tokens_per_step=tokens_per_step,
        handover_s=handover_s,
        handover_token_s=handover_token_s,
        adapter_load_s=adapter_load_s,
    )


def scenario(
    workloads: Sequence[dict] | None = None, pools: Sequence[dict] | None = None, **rest: object
) -> Scenario:
    """A scenario of Llama-3.1-8B on H100 unless said otherwise."""
    base = {"model": MODELS[0]}
    arrivals = {"process": "poisson", "rate_per_s": 10.0}
    lengths = {"kind": "fixed", "input": 100, "output": 20}
    return Scenario.model_validate(
        {
            "name": "test",
            "duration": 10.0,
            "workload": [{**base, "arrivals": arrivals, "lengths": lengths, **w} for w in workloads or [{}]],
            "pool": [{**base, "accelerator": "H100-SXM-80GB", **p} for p in pools or [{}]],
            **rest,
        }
    )


def plans(
    made: Scenario,
    costs: Sequence[StepCost] | None = None,
    programs: Sequence[Program] | None = None,
) -> tuple[Plan, ...]:
    """Plans of a scenario; by default every pool costs `cost()` at its own batch limit, and every workload runs the
    program that it names."""
    if costs is None:
        costs = [cost(max_batch=p.scheduler.max_batch) for p in made.pools]
    if programs is None:
        programs = [program_of(w, made) for w in made.workloads]
    return build_plans(made, costs, read_traces(made), programs)
