"""Where the time of the kernel's inner loop goes, from its C build by sampling: `python -m benchmarks.floor_profile`.

Needs a C compiler and Linux perf. Functions are kept apart so that the profiler can tell them, which by itself costs
a few percent.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

from benchmarks.floor import SIZES, advance_of, available, folder, run, sized_plans
from benchmarks.report import Table, machine
from sim.engine.plan import Plan
from sim.engine.room import new_state

HERTZ = 4000
"""Samples per second."""
PARTS = {
    "event tree": ("schedule", "next_replica"),
    "routing tree": ("count_outstanding", "least_outstanding"),
    "finish heap": ("push", "pop"),
    "loop, arrivals, ends (first touch of replicas and calls)": (
        "floor_advance",
        "arrive",
        "end",
        "end_prefills",
    ),
    "admission": ("begin", "admit"),
    "segment arithmetic": ("lay_segment", "steps_s", "steps_until", "cut"),
    "windows": ("book_segment", "spread", "spread_wide"),
    "histograms, counters, SLO": ("book_latencies",),
    "random numbers and lengths": ("refill", "exponential", "length", "next_stream", "log"),
}
"""Functions of `floor.c` by what they do."""


def profile(plan: Plan, seconds: float = 10.0) -> dict[str, float]:
    """Share of the C build's time in each of `PARTS`, and in "other" (allocation, the interpreter, the system).

    Raises RuntimeError if perf is not there.
    """
    perf = shutil.which("perf")
    if perf is None:
        raise RuntimeError("no perf found: it is Linux's profiler (package linux-perf or linux-tools)")
    step = advance_of(plan, new_state(plan), "-DFLOOR_PARTS", "-g")
    run(plan, step)
    record = os.path.join(folder().name, "perf.data")
    sample = [perf, "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "-o", record, "-p", str(os.getpid())]
    with subprocess.Popen(sample, stderr=subprocess.DEVNULL) as recorder:
        time.sleep(1.0)  # perf attaches
        left_s = seconds
        while left_s > 0:
            left_s -= run(plan, step)[1]
        recorder.send_signal(signal.SIGINT)
    report = [perf, "report", "-i", record, "--stdio", "-q", "--sort", "symbol", "-F", "overhead,symbol"]
    return _by_part(subprocess.run(report, check=True, capture_output=True, text=True).stdout)


def _by_part(report: str) -> dict[str, float]:
    part_of = {name: part for part, names in PARTS.items() for name in names}
    shares = dict.fromkeys([*PARTS, "other"], 0.0)
    for line in report.splitlines():
        fields = line.split()
        if len(fields) >= 3 and fields[0].endswith("%"):
            name = fields[2].split(".")[0].split("@")[0]
            name = "log" if "ieee754_log" in name else name
            shares[part_of.get(name, "other")] += float(fields[0][:-1]) / 100
    return shares


def main() -> None:
    """Print the shares for each size of fleet."""
    if not available() or shutil.which("perf") is None:
        sys.exit("needs a C compiler and perf")
    shares = [profile(plan) for plan in sized_plans([*SIZES])]
    table = Table("share of time", *(f"{replicas:,} replicas" for replicas in SIZES))
    for part in [*PARTS, "other"]:
        table.add(part, *(f"{100 * share[part]:.1f} %" for share in shares))
    print(f"{machine()}\n\n{table.markdown()}")


if __name__ == "__main__":
    main()
