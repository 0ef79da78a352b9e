"""Sweeps: points per second, the gain of a second process, the price of Dask, memory, and equality after kills.

python -m benchmarks.sweep [POINTS]        points of the largest run; default 10,000 (about ten minutes on two cores)
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Table, machine, write

BASE = Path(__file__).parent.parent / "scenarios" / "quickstart.toml"
SWEEP = """
name = "benchmark"
scenario = "{base}"
set = {{ duration = "1 min", warmup = 0 }}
[[uncertain]]
key = "site.electricity_usd_per_kwh"
distribution = {{ kind = "lognormal", median = 0.08, sigma = 0.25 }}
[[uncertain]]
key = "workload.0.arrivals.rate_per_s"
apply = "factor"
distribution = {{ kind = "uniform", low = 0.8, high = 1.0 }}
[calibration]
[sampling]
method = "monte-carlo"
points = {points}
vary_seed = true
"""
PAIR_POINTS = 2000
"""Points of the runs that are compared with each other."""
PAIRS = 5
"""Comparisons are made so often, forwards and backwards in turn; the median counts."""
CODE = """
import json, resource, sys, time
from pathlib import Path
from sim.study.executors import InProcess, Processes
from sim.study.sweep import plan_sweep, run_sweep
from sim.study.sweep_file import load_sweep
path, out, kind, count = sys.argv[1:]
if kind == "dask":
    from sim.study.cluster import Dask
    executor = Dask(workers=int(count)) if count.isdigit() else Dask(count)
else:
    executor = Processes(int(count)) if kind == "processes" else InProcess()
sweep = load_sweep(path)
design = plan_sweep(sweep)
if kind != "here":  # workers that have started and imported, as they have for most of a long sweep
    warm = load_sweep(Path(path).with_name("warm.toml"))
    run_sweep(warm, plan_sweep(warm), executor, out + "-warm")
begun_s = time.perf_counter()
run_sweep(sweep, design, executor, out)
wall_s = time.perf_counter() - begun_s
executor.close()
print(json.dumps({"wall_s": wall_s, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


def swept(folder: Path, points: int, kind: str, count: int | str) -> dict[str, Any]:
    """A sweep of `points` in a process of its own: points/s, the client's peak memory, hash of its table."""
    path = folder / f"sweep-{points}.toml"
    path.write_text(SWEEP.format(base=BASE, points=points))
    (folder / "warm.toml").write_text(
        SWEEP.format(base=BASE, points=64).replace("vary_seed", "seed = 99\nvary_seed")
    )
    out = folder / f"out-{time.monotonic_ns()}"
    words = [sys.executable, "-c", CODE, str(path), str(out), kind, str(count)]
    done = json.loads(
        subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]
    )
    digest = hashlib.sha256((out / "results.parquet").read_bytes()).hexdigest()
    return {"kind": kind, "points": points, "points_per_s": points / done["wall_s"], "sha256": digest, **done}


def compared(folder: Path, points: int) -> list[dict[str, Any]]:
    """One process, two processes and two Dask workers, in turn."""
    runs = []
    turn = [("processes", 1), ("processes", 2), ("dask", 2)]
    for i in range(PAIRS):
        for kind, count in turn if i % 2 == 0 else reversed(turn):
            runs.append({**swept(folder, points, kind, count), "workers": count})
            print("{kind:10s} {workers}  {points_per_s:6.1f} points/s".format(**runs[-1]), flush=True)
    return runs


def killed(folder: Path, points: int) -> dict[str, Any]:
    """A scheduler and two workers on loopback; a worker killed, then the scheduler, then resumed on processes."""
    from sim.study.cluster import Dask
    from sim.study.executors import ExecutorFailed, Processes
    from sim.study.sweep import Progress, plan_sweep, run_sweep
    from sim.study.sweep_file import load_sweep

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address, quiet = f"tcp://127.0.0.1:{port}", subprocess.DEVNULL
    start = [sys.executable, "-m"]
    words = [["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]]
    worker = [
        "distributed.cli.dask_worker",
        address,
        "--nthreads",
        "1",
        "--no-dashboard",
        "--death-timeout",
        "30",
    ]
    words += [[*worker, "--local-directory", str(folder / f"worker-{i}")] for i in range(2)]
    started = [subprocess.Popen([*start, *w], stdout=quiet, stderr=quiet) for w in words]
    events: list[str] = []

    def kill(progress: Progress) -> None:
        if not events and progress.done >= points // 4:
            listed = subprocess.run(
                ["ps", "-o", "pid=,args=", "--ppid", str(started[1].pid)], capture_output=True, text=True
            )
            victims = [int(x.split()[0]) for x in listed.stdout.splitlines() if "spawn_main" in x]
            os.kill(victims[0], signal.SIGKILL)
            events.append(f"worker killed after {progress.done} points")
        elif len(events) == 1 and progress.done >= points // 2:
            started[0].kill()
            events.append(f"scheduler killed after {progress.done} points")

    sweep = load_sweep(folder / f"sweep-{points}.toml")
    design, out = plan_sweep(sweep), folder / "killed"
    executor = Dask(address)
    try:
        run_sweep(sweep, design, executor, out, report=kill)
    except ExecutorFailed as failure:
        events.append(str(failure))
    finally:
        executor.close()
        for process in started:
            process.kill()
    pool = Processes(2)
    run_sweep(sweep, design, pool, out, resume=True)
    pool.close()
    session = json.loads((out / "manifest.json").read_text())["last_session"]
    events.append(f"resumed: {session['runs_reused']} points kept, {session['runs_done']} done")
    return {"events": events, "sha256": hashlib.sha256((out / "results.parquet").read_bytes()).hexdigest()}


def ratios(runs: list[dict[str, Any]], over: tuple[str, int], of: tuple[str, int]) -> list[float]:
    """Points/s of `of` over `over` in each turn, in rising order."""
    rates = [[r["points_per_s"] for r in runs if (r["kind"], r["workers"]) == who] for who in (of, over)]
    return sorted(a / b for a, b in zip(*rates, strict=True))


def main(points: int = 10_000) -> None:
    pair_points = min(PAIR_POINTS, points)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        swept(folder, 16, "here", 1)  # compile, or load what is compiled
        runs = compared(folder, pair_points)
        kills = killed(folder, pair_points)
        sizes = [{**swept(folder, n, "processes", 2), "workers": 2} for n in (max(16, points // 10), points)]
    equal = len({r["sha256"] for r in runs} | {kills["sha256"]}) == 1
    gains = ratios(runs, ("processes", 1), ("processes", 2))
    overheads = [r - 1 for r in ratios(runs, ("dask", 2), ("processes", 2))]
    table = Table("workers", "points", "points/s", "wall s", "client's peak memory MB")
    for run in [*runs, *sizes]:
        told = f"{run['workers']} {'Dask workers' if run['kind'] == 'dask' else 'processes'}"
        table.add(
            told,
            run["points"],
            f"{run['points_per_s']:.1f}",
            f"{run['wall_s']:.1f}",
            f"{run['peak_bytes'] / 1e6:.0f}",
        )
    grown = (sizes[1]["peak_bytes"] - sizes[0]["peak_bytes"]) / (sizes[1]["points"] - sizes[0]["points"])
    figures = {
        "machine": machine(),
        "runs": [*runs, *sizes],
        "two_processes_over_one": gains,
        "dask_overhead": overheads,
        "client_bytes_per_point": grown,
        "kills": kills,
        "all_tables_equal": equal,
    }
    write(
        "sweep",
        figures,
        [
            "# Sweeps",
            "Points are runs of one minute of the quickstart (5,000 requests) with 25 uncertain inputs and a seed of "
            "their own, from plan to table and summary, on workers that had started before.",
            f"Command: `python -m benchmarks.sweep {points}`. {machine()} Load of the machine when it ended: "
            f"{os.getloadavg()[0]:.1f}.",
            table.markdown(),
            f"Two processes over one: {median(gains):.2f} (median of {PAIRS} turns; {gains[0]:.2f} to "
            f"{gains[-1]:.2f}). Dask over plain processes: {median(overheads):+.1%} of time (median; "
            f"{overheads[0]:+.1%} to {overheads[-1]:+.1%}).",
            f"Client's memory: {grown:,.0f} bytes a point between {sizes[0]['points']:,} and {points:,} points. "
            "Shards are read back and written 4,096 rows at a time; what stays is the design, here 0.2 kB a point "
            "for its 25 inputs, for a while twice that.",
            "Kills: " + "; ".join(kills["events"]) + ".",
            f"Tables of all runs of {pair_points:,} points, that one included, "
            + ("are equal byte for byte." if equal else "DIFFER."),
        ],
    )
    if not equal:
        raise SystemExit("tables differ")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:2]))
