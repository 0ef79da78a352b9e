"""The control plane: SimPy owns the clock, and the data plane is brought up to each of its events.

Its processes are those that act rarely: the power governor, and the one that reports progress. Between two control
events every cell advances on its own, so cells run in threads and the result does not depend on how many there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import simpy

from sim.engine.dataplane import Cell
from sim.engine.govern import Governor, govern
from sim.engine.kernel.clock import TICKS_PER_S
from sim.engine.plan import Plan
from sim.engine.reference.center import run_reference
from sim.metrics.run import RunMetrics, merge

Process = Callable[[simpy.Environment, Any], Generator[simpy.Event, Any, None]]
"""A process of the control plane: given the environment, whose clock counts ticks, and a `Cell` or the reference's
`DataCenter`, which both have `plan`, `idle`, `load`, `open`, `close` and `kill`."""

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
    governor: Governor | None = None,
    processes: Sequence[Process] = (),
    progress: Progress = lambda _: None,
) -> RunMetrics:
    """Simulate every cell from time 0 until its last call has ended.

    engine: "kernel", or "simpy" for the reference engine.  log_requests: finished calls to keep per cell.
    threads: cells that run at once (default: as many as there are cores).  governor: what holds power down, if any;
    each cell takes the others to be like it.  processes: further ones, each run once for every cell.
    """
    if engine == "simpy":
        runs = [
            run_reference(
                plan, log_requests=log_requests, governor=governor, processes=processes, progress=progress
            )
            for plan in plans
        ]
        return merge(runs)
    cells = [Cell(plan, log_requests) for plan in plans]
    seen: list[list[tuple[float, float, int]]] = [[] for _ in cells]
    workers = min(len(cells), threads or os.cpu_count() or 1)
    env = simpy.Environment(initial_time=0)  # counts ticks
    env.process(_report(env, cells, max(1, plans[0].duration_tick // REPORTS), progress))
    if governor is not None:
        for cell, rows in zip(cells, seen, strict=True):
            env.process(govern(env, cell, governor, cell.plan, rows))
    for cell in cells:
        for process in processes:
            env.process(process(env, cell))
    if workers == 1:  # handing a short stretch to another thread costs more than the stretch
        _drive(env, cells, map)
    else:
        with ThreadPoolExecutor(workers) as pool:
            _drive(env, cells, pool.map)
    return merge([cell.books(rows) for cell, rows in zip(cells, seen, strict=True)])


def _drive(env: simpy.Environment, cells: Sequence[Cell], each: Callable[..., Iterable]) -> None:
    """Bring all cells up to one control event after the other; `each` is `map`, or a pool's.

    An interrupt is answered between two events at the latest.
    """
    while env.peek() != float("inf"):
        tick = int(env.peek())
        list(each(lambda cell, until=tick: cell.advance(until), cells))  # a fault in a thread is raised here
        env.step()


def _report(
    env: simpy.Environment, cells: Sequence[Cell], every_tick: int, progress: Progress
) -> Generator[simpy.Event]:
    """Report progress while anything is left to happen; beyond the last arrival at a growing distance."""
    reports = 0
    while not all(cell.idle() for cell in cells):
        reports += 1
        yield env.timeout(every_tick * max(REPORTS, reports) // REPORTS)
        progress(env.now / TICKS_PER_S)
