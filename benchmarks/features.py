"""What each feature costs the kernel when it is on, beside the same run with all of them off.

python -m benchmarks.features [REQUESTS]        of each run; default 1e6
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.fleet import ACCELERATOR, LOAD, MAX_BATCH, MODEL, TOKEN_BUDGET, saturated_rps
from benchmarks.report import Table, machine, write
from sim.engine import state as S
from sim.engine.build import build_plans
from sim.engine.control import run_plans
from sim.engine.fleet.control import FleetRun
from sim.metrics.fleet_control import fleet_control
from sim.metrics.moments import length_moments
from sim.run import step_costs
from sim.scenario.schema import Scenario
from sim.workload.programs import program_of

REPLICAS = 128
SESSION = {
    "turns": {"kind": "fixed", "turns": 4},
    "think": {"mean": "5 s", "cv": 1},
    "question": {"mean": 70, "cv": 1},
}
PAIRS = 3
Data = dict[str, Any]
Run = Callable[[], tuple[float, int]]
"""Simulates once: wall time [s] and requests."""


def base(requests: float) -> Data:
    """The fleet of speed.md as a scenario's data, at 80 % of saturation."""
    rate = LOAD * saturated_rps() * REPLICAS
    chat = {
        "model": MODEL,
        "arrivals": {"process": "poisson", "rate_per_s": rate},
        "lengths": "azure-2023-conversation",
        "slo": {"ttft": "1 s", "tpot": "50 ms"},
    }
    pool = {
        "model": MODEL,
        "accelerator": ACCELERATOR,
        "precision": "fp8",
        "tensor_parallel": 4,
        "replicas": REPLICAS,
        "scheduler": {"max_batch": MAX_BATCH, "token_budget": TOKEN_BUDGET},
    }
    return {"name": "features", "seed": 7, "duration": requests / rate, "workload": [chat], "pool": [pool]}


def halves(data: Data) -> Data:
    """The demand as two workloads of half the rate."""
    chat = data["workload"][0]
    half = {**chat, "arrivals": {**chat["arrivals"], "rate_per_s": chat["arrivals"]["rate_per_s"] / 2}}
    return {**data, "workload": [half, half]}


def clients(**keys: Any) -> Callable[[Data], Data]:
    """What the clients of every workload do."""
    return lambda data: {**data, "workload": [{**w, **keys} for w in data["workload"]]}


def pools(**keys: Any) -> Callable[[Data], Data]:
    """What every pool has."""
    return lambda data: {**data, "pool": [{**p, **keys} for p in data["pool"]]}


def arrivals(**keys: Any) -> Callable[[Data], Data]:
    """How requests arrive."""
    return lambda data: {
        **data,
        "workload": [{**w, "arrivals": {**w["arrivals"], **keys}} for w in data["workload"]],
    }


def priorities(data: Data) -> Data:
    """Half of the demand goes first."""
    first, second = halves(data)["workload"]
    return {**data, "workload": [{**first, "priority": 1}, second]}


def tiers(data: Data) -> Data:
    """Half of the fleet is used when the other half is full."""
    pool = {**data["pool"][0], "replicas": REPLICAS // 2}
    return {**data, "pool": [pool, {**pool, "tier": 1}]}


def split(data: Data) -> Data:
    """A quarter of the replicas prefill, the others decode."""
    pool = data["pool"][0]
    return {
        **data,
        "pool": [
            {**pool, "replicas": REPLICAS // 4, "role": "prefill"},
            {**pool, "replicas": REPLICAS - REPLICAS // 4, "role": "decode"},
        ],
    }


def sessions(data: Data) -> Data:
    """Conversations of four turns on average, which begin so often that as many requests come."""
    (chat,) = data["workload"]
    calmer = {**chat["arrivals"], "rate_per_s": chat["arrivals"]["rate_per_s"] / 4}
    lengths = {"kind": "lognormal", "input": {"mean": 400, "cv": 1}, "output": {"mean": 200, "cv": 1}}
    talk = {**chat, "arrivals": calmer, "lengths": lengths, "session": SESSION}
    cached = {**data["pool"][0], "prefix_cache": True}
    return {**data, "workload": [talk], "pool": [cached]}


FEATURES: dict[str, Callable[[Data], Data]] = {
    "two workloads": halves,
    "two workloads, priorities": priorities,
    "patience": clients(patience="5 s"),
    "patience, retries and a tenant's limits": clients(
        patience="5 s",
        retry={"attempts": 3, "backoff": "1 s"},
        limit={"rate_per_s": 1e6, "burst": 1000, "in_flight": 1_000_000},
    ),
    "spill": clients(spill={"above": 50, "usd_per_mtok_input": 1.0, "usd_per_mtok_output": 1.0}),
    "two tiers": tiers,
    "scaler, every 15 s": pools(scaler={"policy": "utilization", "min_replicas": 32}),
    "failures": pools(failures={"accelerator_mtbf": "1000 h", "accelerator_repair": "1 min"}),
    "power cap": pools(power_cap="500 W"),
    "a rate that follows the hour": arrivals(shape="servegen-m-small-day"),
    "Weibull gaps": arrivals(process="weibull", cv=1.46),
    "prefix cache": pools(prefix_cache=True),
    "adapters": pools(adapters={"count": 1000, "rank": 16, "zipf": 1.0, "resident": 64}),
    "speculation": pools(speculation={"draft": "Llama-3.2-1B", "length": 3, "acceptance": 0.7}),
    "prefill and decode apart": split,
    "sessions with prefix cache": sessions,
}


def runner(data: Data) -> Run:
    """Plans are built once; each call simulates anew."""
    scenario = Scenario.model_validate(data)
    costs = step_costs(scenario, {})
    programs = [program_of(w, scenario) for w in scenario.workloads]
    plans = build_plans(scenario, costs, {}, programs)
    lengths = [m for w in scenario.workloads if (m := length_moments(w, {})) is not None]
    control = fleet_control(scenario, costs, programs, lengths)

    def once() -> tuple[float, int]:
        processes = [] if control is None else [FleetRun(control).process]
        begin = time.perf_counter()
        metrics = run_plans(plans, threads=1, processes=processes)
        return time.perf_counter() - begin, int(metrics.counters[:, S.ARRIVED].sum())

    return once


def main(requests: float = 1e6) -> None:
    runner(base(10_000))()  # compile, or load what is compiled
    off = runner(base(requests))
    table = Table("on", "requests", "ns a request", "time, on / off (median of pairs)")
    results: dict[str, Any] = {"machine": machine(), "features": {}}
    for name, change in FEATURES.items():
        on = runner(change(base(requests)))
        pairs = []
        for _ in range(PAIRS):
            off_s, off_count = off()
            on_s, on_count = on()
            pairs.append((on_s / on_count, off_s / off_count))
        ratio = median(a / b for a, b in pairs)
        each_ns = 1e9 * median(a for a, _ in pairs)
        results["features"][name] = {"ns": each_ns, "ratio": ratio, "requests": on_count}
        table.add(name, on_count, each_ns, f"{ratio:.2f}")
        print(f"{name:42s} {each_ns:8,.0f} ns  {ratio:6.2f}", flush=True)
    write(
        "features",
        results,
        [
            "# What features cost the kernel",
            f"{REPLICAS} replicas of Llama-3.1-70B as in speed.md, about a million requests at 80 % of saturation, one "
            "thread, each feature in turn with a run without any; time per request that arrives. What a feature does "
            "to the fleet is in it too: sessions have longer prompts, a spilled request is less work.",
            f"Command: `python -m benchmarks.features`. {machine()}",
            table.markdown(),
        ],
    )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
