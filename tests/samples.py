"""Small scenarios for tests of whole runs, and what a run of made-up step costs was observed to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.cost.types import StepCost
from sim.engine.control import run_plans
from sim.metrics.moments import length_moments
from sim.metrics.observed import Observed
from sim.scenario import Scenario, loads
from sim.workload.programs import program_of
from tests.engine.setups import cost, plans

ROOT = Path(__file__).parent.parent

SMALL = """
name = "small"
seed = 3
duration = "60 s"
warmup = "7 s"
output = { window = "5 s" }
revenue = { usd_per_mtok_input = 0.5, usd_per_mtok_output = 1.5 }
[[workload]]
name = "chat"
model = "Llama-3.1-8B"
arrivals = { process = "poisson", rate_per_s = 12 }
lengths = "azure-2023-conversation"
slo = { ttft = "1 s", tpot = "50 ms" }
[[workload]]
name = "code"
model = "Llama-3.1-70B"
arrivals = { process = "gamma", rate_per_s = 3, cv = 2 }
lengths = { kind = "uniform", input = [100, 3000], output = [1, 80] }
[[pool]]
name = "a100"
accelerator = "A100-SXM-80GB"
model = "Llama-3.1-8B"
replicas = 2
[[pool]]
name = "h100"
accelerator = "H100-SXM-80GB"
model = "Llama-3.1-70B"
precision = "fp8"
tensor_parallel = 4
"""
"""Two workloads on two pools of different chips; a warm-up that is no multiple of the window."""


def small(*changes: str) -> Scenario:
    """The scenario `SMALL` with ``key=value`` changes."""
    return loads(SMALL, changes)


def observe(
    made: Scenario, costs: Sequence[StepCost] | None = None, *, engine: str = "kernel", log: int = 0
) -> Observed:
    """Run a scenario without traces on made-up step costs."""
    costs = costs or [cost(max_batch=p.scheduler.max_batch) for p in made.pools]
    lengths = [length_moments(w, {}) for w in made.workloads]
    return Observed(
        scenario=made,
        costs=costs,
        programs=[program_of(w, made) for w in made.workloads],
        lengths=[m for m in lengths if m is not None],
        metrics=run_plans(plans(made, costs), engine=engine, log_requests=log),
        arrivals_end_s=made.duration_s,
        carbon_g_per_kwh=400.0,
    )
