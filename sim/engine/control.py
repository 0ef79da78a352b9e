"""The control plane: SimPy owns the clock, and the data plane is brought up to each of its events.

Its processes are those that act rarely: at present the one that reports progress. Between two control events every
cell advances on its own, so cells run in threads and the result does not depend on how many there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import simpy

from sim.engine.dataplane import Cell
from sim.engine.kernel.clock import TICKS_PER_S
from sim.engine.plan import Plan
from sim.engine.reference import run_reference
from sim.metrics.run import RunMetrics, merge

Progress = Callable[[float], None]
"""Called with the simulated time [s] that has been reached."""

REPORTS = 200
"""Progress reports over the time in which requests arrive."""


def run_plans(
    plans: Sequence[Plan],
    *,
    engine: str = "kernel",
    log_requests: int = 0,
    threads: int | None = None,
    progress: Progress = lambda _: None,
) -> RunMetrics:
    """Simulate every cell from time 0 until its last call has ended.

    engine: "kernel", or "simpy" for the reference engine.  log_requests: finished calls to keep per cell.
    threads: cells that run at once (default: as many as there are cores).
    """
    if engine == "simpy":
        return merge([run_reference(plan, log_requests=log_requests, progress=progress) for plan in plans])
    cells = [Cell(plan, log_requests) for plan in plans]
    workers = min(len(cells), threads or os.cpu_count() or 1)
    every_s = plans[0].duration_tick / TICKS_PER_S / REPORTS
    if workers == 1:  # handing a short stretch to another thread costs more than the stretch
        _drive(cells, every_s, progress, map)
    else:
        with ThreadPoolExecutor(workers) as pool:
            _drive(cells, every_s, progress, pool.map)
    return merge([cell.books() for cell in cells])


def _drive(cells: Sequence[Cell], every_s: float, progress: Progress, each: Callable[..., Iterable]) -> None:
    """Bring all cells up to one control event after the other; `each` is `map`, or a pool's.

    An interrupt is answered between two events at the latest: they lie `every_s` of simulated time apart.
    """
    env = simpy.Environment()
    env.process(_report(env, cells, every_s, progress))
    while env.peek() != float("inf"):
        tick = round(env.peek() * TICKS_PER_S)
        for _ in each(lambda cell, until=tick: cell.advance(until), cells):
            pass  # a fault in a thread is raised here
        env.step()


def _report(
    env: simpy.Environment, cells: Sequence[Cell], every_s: float, progress: Progress
) -> Generator[simpy.Event]:
    """Report progress while anything is left to happen; beyond the last arrival at a growing distance."""
    reports = 0
    while not all(cell.idle() for cell in cells):
        reports += 1
        yield env.timeout(every_s * max(1.0, reports / REPORTS))
        progress(env.now)
