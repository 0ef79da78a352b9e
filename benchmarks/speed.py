"""Requests per second of the kernel, beside the reference engine and SimPy's own event rate, in one run.

python -m benchmarks.speed
"""

from __future__ import annotations

import time

import simpy

from benchmarks import floor
from benchmarks.fleet import plans
from benchmarks.report import Table, machine, write
from sim.engine.control import run_plans

REPLICAS = (16, 128, 1024, 4096, 16384, 65536)
REPEATS = 3
PEERS = (
    ("NVIDIA Dynamo, Rust offline replay, uncalibrated timing", "8,700 to 12,000"),
    ("NVIDIA Dynamo, 32 workers", "3,100"),
    ("NVIDIA Dynamo, calibrated timing", "830"),
    ("splitwise-sim", "1,100 to 1,200"),
    ("simdistserve (SimPy)", "1,200 to 1,400"),
    ("Vidur, its loop (in all 250 to 390; 3.7 GB)", "600 to 1,030"),
    ("BLIS (Go; 4 GB at 100,000 requests)", "280 to 470"),
)
"""Measured earlier on this kind of machine with the same lengths, 10,000 requests [requests/s]."""


def kernel_rps(replicas: int, requests: int) -> tuple[float, float]:
    """(requests/s of the best of REPEATS runs on one core, segments per request)."""
    built = plans(replicas, requests)
    best, segments = 0.0, 0.0
    for _ in range(REPEATS):
        begin = time.perf_counter()
        run = run_plans(built, threads=1)
        arrived = int(run.counters[:, 0].sum())
        best = max(best, arrived / (time.perf_counter() - begin))
        segments = run.segments / arrived
    return best, segments


def reference_rps(replicas: int, requests: int) -> float:
    """Requests/s of the reference engine."""
    built = plans(replicas, requests)
    begin = time.perf_counter()
    run = run_plans(built, engine="simpy")
    return int(run.counters[:, 0].sum()) / (time.perf_counter() - begin)


def simpy_events_per_s(events: int = 300_000) -> float:
    """Timeouts per second of a bare SimPy process."""
    env = simpy.Environment()

    def clock():
        for _ in range(events):
            yield env.timeout(1.0)

    env.process(clock())
    begin = time.perf_counter()
    env.run()
    return events / (time.perf_counter() - begin)


def main() -> None:
    kernel_rps(16, 10_000)  # compile, or load what is compiled
    speed = Table("replicas", "requests", "requests/s (one core)", "events per request")
    results: dict = {"machine": machine(), "kernel": {}}
    for replicas in REPLICAS:
        requests = max(1_000_000, 40 * replicas)
        rps, segments = kernel_rps(replicas, requests)
        results["kernel"][replicas] = rps
        speed.add(replicas, requests, rps, segments)
        print(f"{replicas:>6} replicas: {rps:>12,.0f} requests/s")
    results["reference"] = reference_rps(16, 20_000)
    results["simpy_events_per_s"] = simpy_events_per_s()
    ratio = results["kernel"][128] / results["reference"]
    print(
        f"reference: {results['reference']:,.0f} requests/s; SimPy: {results['simpy_events_per_s']:,.0f} events/s"
    )
    others = Table("simulator", "requests/s")
    others.add("this kernel, 128 replicas", results["kernel"][128])
    others.add("this project's SimPy reference, 16 replicas", results["reference"])
    for name, rps in PEERS:
        others.add(name, rps)
    text = [
        "# Speed",
        "Llama-3.1-70B in fp8 on 4 x H100 per replica, Azure-conversation lengths, chunked prefill, least-outstanding "
        "routing, 80 % of saturation, every metric on (latency histograms, energy, windows, SLO counters).",
        f"Command: `python -m benchmarks.speed`. {machine()}",
        speed.markdown(),
        f"The kernel is {ratio:,.0f} times as fast as the reference engine. SimPy alone does "
        f"{results['simpy_events_per_s']:,.0f} events/s here.",
        "## Beside peers",
        "Peers were measured earlier on this kind of machine, with the same lengths and 10,000 requests.",
        others.markdown(),
    ]
    if floor.available():
        pairs = {
            r: floor.compare(plan)
            for r, plan in zip(floor.SIZES, floor.sized_plans(floor.SIZES), strict=True)
        }
        results["floor"] = pairs
        table = Table("replicas", "kernel requests/s", "C requests/s", "time, kernel / C (median of pairs)")
        for replicas, pair in pairs.items():
            table.add(replicas, pair["numba_rps"], pair["c_rps"], f"{pair['ratio']:.2f}")
        text += ["## Beside the same loop in C", table.markdown()]
    write("speed", results, text)


if __name__ == "__main__":
    main()
