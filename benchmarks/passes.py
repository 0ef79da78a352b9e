"""Requests under factored chain of verification: wall time and passes per second.

python -m benchmarks.passes [REQUESTS]        REQUESTS defaults to 1e6, about 1e7 passes
"""

from __future__ import annotations

import resource
import sys
import time

from benchmarks.fleet import fleet_cost
from benchmarks.report import Table, machine, write
from sim.engine import state as S
from sim.engine.build import build_plans
from sim.engine.control import run_plans
from sim.engine.plan import Plan
from sim.scenario.schema import Scenario
from sim.workload.programs import program_of

REPLICAS, CELLS, RATE_PER_S = 128, 2, 160.0
"""Stable: about 26 calls decode at once on a replica without prefix cache, 16 with it."""
MODEL = "Llama-3.1-70B"


def scenario(requests: int, technique: str, cache: bool) -> Scenario:
    """Poisson demand of `requests` requests, each verified."""
    return Scenario.model_validate(
        {
            "name": "passes",
            "duration": requests / RATE_PER_S,
            "cells": CELLS,
            "router": "session",
            "workload": [
                {
                    "model": MODEL,
                    "arrivals": {"process": "poisson", "rate_per_s": RATE_PER_S},
                    "lengths": "azure-2023-conversation",
                    "mitigation": technique,
                }
            ],
            "pool": [
                {
                    "model": MODEL,
                    "accelerator": "H100-SXM-80GB",
                    "tensor_parallel": 4,
                    "precision": "fp8",
                    "replicas": REPLICAS,
                    "prefix_cache": cache,
                    "scheduler": {"max_batch": 256, "token_budget": 2048},
                }
            ],
        }
    )


def plans(made: Scenario) -> tuple[Plan, ...]:
    """Its plans, at the step cost of the speed benchmark."""
    return build_plans(made, [fleet_cost()], {}, [program_of(w, made) for w in made.workloads])


def measure(requests: int, technique: str, cache: bool) -> dict:
    """One run: requests, passes, wall time, and how busy the fleet was."""
    built = plans(scenario(requests, technique, cache))
    begin, cpu_begin = time.perf_counter(), time.process_time()
    run = run_plans(built, threads=CELLS)
    wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu_begin
    counters = run.counters.sum(axis=0)
    columns = run.windows.sum(axis=(0, 1))
    if counters[S.ARRIVED] != counters[S.COMPLETED]:
        raise SystemExit("not every request was completed")
    passes = int(counters[S.PASSED] or counters[S.COMPLETED])
    return {
        "technique": technique,
        "prefix_cache": cache,
        "requests": int(counters[S.ARRIVED]),
        "passes": passes,
        "wall_s": wall_s,
        "passes_per_s": passes / wall_s,
        "core_ns_per_pass": 1e9 * cpu_s / passes,
        "busy": float(columns[S.BUSY_S]) / (REPLICAS * run.end_s),
        "hit_rate": float(columns[S.CACHE_HIT] / max(columns[S.CACHE_ASKED], 1.0)),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def main(requests: float = 1e6) -> None:
    measure(1000, "chain-of-verification", True)  # compile, or load what is compiled
    rows = []
    for technique, cache in (
        ("none", False),
        ("chain-of-verification", False),
        ("chain-of-verification", True),
    ):
        rows.append(measure(int(requests), technique, cache))
        print(rows[-1], flush=True)
    table = Table(
        "technique",
        "prefix cache",
        "requests",
        "passes",
        "wall s",
        "passes/s",
        "ns of a core per pass",
        "busy",
        "hits",
    )
    for row in rows:
        table.add(
            row["technique"],
            "on" if row["prefix_cache"] else "off",
            row["requests"],
            row["passes"],
            f"{row['wall_s']:.1f}",
            row["passes_per_s"],
            row["core_ns_per_pass"],
            f"{row['busy']:.2f}",
            f"{row['hit_rate']:.2f}",
        )
    write(
        "passes",
        {"machine": machine(), "replicas": REPLICAS, "cells": CELLS, "runs": rows},
        [
            "# Passes",
            f"Users' requests under factored chain of verification on {REPLICAS} replicas in {CELLS} cells on "
            f"{CELLS} threads, {RATE_PER_S:g} requests/s, lengths of Azure's conversation service.",
            f"Command: `python -m benchmarks.passes {requests:g}`. {machine()}",
            table.markdown(),
        ],
    )


if __name__ == "__main__":
    main(*(float(a) for a in sys.argv[1:2]))
