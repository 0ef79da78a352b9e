"""The fleet that every speed benchmark runs: Azure-conversation chat to Llama-3.1-70B on 4 x H100 per replica."""

from __future__ import annotations

from functools import cache

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.cost.deployment import Deployment
from sim.cost.step import step_cost
from sim.cost.types import StepCost
from sim.engine import state as S
from sim.engine.build import build_plans
from sim.engine.control import run_plans
from sim.engine.plan import Plan
from sim.scenario.schema import Scenario
from sim.workload.program import plain

MODEL, ACCELERATOR = "Llama-3.1-70B", "H100-SXM-80GB"
MAX_BATCH, TOKEN_BUDGET = 256, 2048
LOAD = 0.8


@cache
def fleet_cost() -> StepCost:
    """Step cost of one replica."""
    deployment = Deployment(precision="fp8", tensor_parallel=4)
    return step_cost(
        model(MODEL), accelerator(ACCELERATOR), deployment, max_batch=MAX_BATCH, max_step_tokens=TOKEN_BUDGET
    )


def scenario(arrivals: dict, replicas: int, duration_s: float, cells: int = 1) -> Scenario:
    """The benchmark's scenario: chunked prefill, least-outstanding routing, every metric on."""
    return Scenario.model_validate(
        {
            "name": "benchmark",
            "seed": 7,
            "duration": duration_s,
            "cells": cells,
            "workload": [
                {
                    "model": MODEL,
                    "arrivals": arrivals,
                    "lengths": "azure-2023-conversation",
                    "slo": {"ttft": "1 s", "tpot": "50 ms"},
                }
            ],
            "pool": [
                {
                    "model": MODEL,
                    "accelerator": ACCELERATOR,
                    "precision": "fp8",
                    "tensor_parallel": 4,
                    "replicas": replicas,
                    "scheduler": {"max_batch": MAX_BATCH, "token_budget": TOKEN_BUDGET},
                }
            ],
        }
    )


@cache
def saturated_rps() -> float:
    """Requests per second of one saturated replica, from a closed loop that keeps its batch full."""
    clients = 2 * MAX_BATCH
    made = scenario({"process": "closed", "clients": clients}, 1, 600.0)
    run = run_plans(build_plans(made, [fleet_cost()], {}, [plain(w.model) for w in made.workloads]))
    return int(run.counters[0, S.COMPLETED]) / run.end_s


def plans(replicas: int, requests: int, load: float = LOAD, cells: int = 1) -> tuple[Plan, ...]:
    """Poisson demand of about `requests` requests at `load` of what the fleet can do."""
    rate = load * saturated_rps() * replicas
    made = scenario({"process": "poisson", "rate_per_s": rate}, replicas, requests / rate, cells)
    return build_plans(made, [fleet_cost()], {}, [plain(w.model) for w in made.workloads])
