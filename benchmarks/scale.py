"""Time and memory against the number of requests: up to a billion in one run of two cells on two threads.

python -m benchmarks.scale [LARGEST]        LARGEST defaults to 1e8; 1e9 takes a quarter of an hour
"""

from __future__ import annotations

import resource
import sys
import time

from benchmarks.fleet import plans
from benchmarks.report import Table, machine, write
from sim.engine.control import run_plans

REPLICAS, CELLS = 128, 2


def measure(requests: int) -> dict:
    """One run: its requests, wall time, and the process's peak memory so far [bytes]."""
    built = plans(REPLICAS, requests, cells=CELLS)
    begin, cpu_begin = time.perf_counter(), time.process_time()
    run = run_plans(built, threads=CELLS)
    wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu_begin
    arrived, completed = int(run.counters[:, 0].sum()), int(run.counters[:, 1].sum())
    if arrived != completed:
        raise SystemExit(f"{arrived} requests arrived, {completed} were completed")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "requests": arrived,
        "wall_s": wall_s,
        "core_ns_per_request": 1e9 * cpu_s / arrived,
        "peak_bytes": peak,
    }


def main(largest: float = 1e8) -> None:
    measure(10_000)  # compile, or load what is compiled
    rows = []
    size = 1_000_000
    while size <= largest:
        rows.append(measure(size))
        print(
            "{requests:>13,} requests  {wall_s:8.1f} s  {core_ns_per_request:6.0f} ns of a core each".format(
                **rows[-1]
            ),
            flush=True,
        )
        size *= 10
    table = Table("requests", "wall s", "ns of a core per request", "peak memory MB")
    for row in rows:
        table.add(
            row["requests"], f"{row['wall_s']:.1f}", row["core_ns_per_request"], row["peak_bytes"] / 1e6
        )
    write(
        "scale",
        {"machine": machine(), "replicas": REPLICAS, "cells": CELLS, "runs": rows},
        [
            "# Scale",
            f"{REPLICAS} replicas in {CELLS} cells on {CELLS} threads, otherwise as in speed.md. Time of a core, "
            "because other programs shared the machine.",
            f"Command: `python -m benchmarks.scale {largest:g}`. {machine()}",
            table.markdown(),
        ],
    )


if __name__ == "__main__":
    main(*(float(a) for a in sys.argv[1:2]))
