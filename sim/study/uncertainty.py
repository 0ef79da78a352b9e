"""The band of every figure of one run: its scenario again, with drawn coefficients and seeds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sim.errors import Interrupted
from sim.scenario import Scenario, resolved
from sim.study.executors import Executor, InProcess, Processes
from sim.study.sweep import Dealer, Progress
from sim.study.sweep_design import design_of
from sim.study.sweep_file import Calibration, Sampling, Sweep
from sim.study.sweep_point import code_hash
from sim.study.sweep_statistics import band

VARIED = "calibrated coefficients of step cost and energy within their intervals, and the seed of every random draw"
NOT_VARIED = "prices, demand, the form of the step-cost model, and what a scenario file states"


def uncertainty(
    scenario: Scenario,
    draws: int,
    *,
    processes: int | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> dict[str, Any]:
    """Median and 5 to 95 % band of every figure of `scenario` over a Latin hypercube of `draws` runs.

    processes: how many run at once (default: one per core).  Plain data for JSON: `draws`, `failed`, `varied`,
    `not_varied` and `figures`, by dotted name.  Raises Interrupted if the user stops it.
    """
    sweep = Sweep.model_validate(
        {
            "name": scenario.name,
            "scenario": scenario.name,
            "calibration": Calibration(),
            "sampling": Sampling(points=draws, seed=scenario.seed, vary_seed=True),
        }
    )
    design = design_of(sweep, resolved(scenario), ".", code_hash())
    count = min(draws, processes or os.cpu_count() or 1)
    executor: Executor = InProcess() if count == 1 else Processes(count)
    dealer = Dealer(design, np.zeros(design.tasks, bool), executor.workers)
    dealer.reach(design.tasks)
    figures: dict[str, np.ndarray] = {}
    failed = finished = 0
    progress = _rate(report, draws)
    try:
        for batch, outcome in executor.outcomes(dealer.next_batch):
            done = dealer.settle(batch, outcome)
            for row in done.rows if done is not None else ():
                finished, failed = finished + 1, failed + bool(row.error)
                for name, value in row.metrics.items():
                    column = figures.setdefault(name, np.full(draws, np.nan))
                    column[row.task.number] = np.nan if value is None else value
            progress(finished, failed)
    except KeyboardInterrupt:
        raise Interrupted(f"{finished} of {draws} draws were done") from None
    finally:
        executor.close()
    return {
        "draws": draws,
        "failed": failed,
        "varied": VARIED,
        "not_varied": NOT_VARIED,
        "figures": {name: band(column) for name, column in sorted(figures.items())},
    }


def _rate(report: Callable[[Progress], None], total: int) -> Callable[[int, int], None]:
    begun_s = time.perf_counter()

    def tell(done: int, failures: int) -> None:
        rate = done / max(time.perf_counter() - begun_s, 1e-9)
        report(Progress(done, total, failures, rate, (total - done) / rate if rate else 0.0))

    return tell
