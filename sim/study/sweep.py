"""Runs a sweep: deals its runs out in batches, keeps what comes back, and says what it means."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import Fault, Interrupted, UserError
from sim.scenario.load import read_data
from sim.study.executors import Executor, ExecutorFailed, Lost, executor_of
from sim.study.sweep_design import A, B, Design, design_of
from sim.study.sweep_file import Sweep, load_sweep
from sim.study.sweep_point import RETRIES, Batch, Done, code_hash, failed, run_batch
from sim.study.sweep_statistics import relative_half_width
from sim.study.sweep_store import FAILED, MANIFEST, RESULTS, SUMMARY, Found, Store
from sim.study.sweep_summary import Runs, check_metric, settings_summary

BATCH_S = 1.0
"""Time that a batch aims at on its worker [s]."""
LEAST_BATCH_S = 0.5
"""Time below which a batch is not cut to share out the last runs [s]."""
DEATHS = 25
"""Workers that may die in a row without a single batch done in between: then it is not the batches."""
LISTED = 100
"""Failures that the summary spells out."""


@dataclass(frozen=True)
class Progress:
    """Runs done of those in sight (a stopping rule may add to them), failures, runs/s, and time left [s]."""

    done: int
    total: int
    failures: int
    rate_per_s: float
    eta_s: float


Report = Callable[[Progress], None]


class Dealer:
    """Deals the tasks that are missing in batches of about `BATCH_S`, and what was lost once more."""

    def __init__(self, design: Design, done: np.ndarray, workers: int):
        self.design, self.workers = design, workers
        self.open = ~done
        self.again: deque[Batch] = deque()
        self.next_task = self.limit = 0
        self.left = 0
        self.seconds_per_run = math.inf
        self.deaths = 0

    def reach(self, limit: int) -> None:
        """Deal tasks below `limit`."""
        self.left += int(self.open[self.limit : limit].sum())
        self.limit = limit

    def next_batch(self) -> Batch | None:
        if self.again:
            return self.again.popleft()
        numbers = []
        for _ in range(self._size()):
            while self.next_task < self.limit and not self.open[self.next_task]:
                self.next_task += 1
            if self.next_task == self.limit:
                break
            numbers.append(self.next_task)
            self.next_task += 1
        self.left -= len(numbers)
        tasks = tuple(map(self.design.task, numbers))
        return Batch(self.design.data, self.design.folder, self.design.code, tasks) if tasks else None

    def settle(self, batch: Batch, outcome: Done | Lost) -> Done | None:
        """What is final about a batch; None if it is dealt again, in halves, until the run to blame is alone.

        Raises ExecutorFailed where workers only die.
        """
        if isinstance(outcome, Done):
            self.deaths, self.seconds_per_run = 0, max(outcome.seconds, 1e-6) / len(batch.tasks)
            return outcome
        self.deaths += 1
        if self.deaths > DEATHS:
            raise ExecutorFailed(f"{self.deaths} workers died in a row, the last because {outcome.why}")
        if len(batch.tasks) > 1:
            middle = len(batch.tasks) // 2
            self.again += [
                replace(batch, tasks=part) for part in (batch.tasks[:middle], batch.tasks[middle:])
            ]
            return None
        if batch.losses < RETRIES:
            self.again.append(replace(batch, losses=batch.losses + 1))
            return None
        return failed(batch, f"{1 + RETRIES} workers died with this run alone: {outcome.why}")

    def _size(self) -> int:
        """Runs of a batch: one while their time is not known; the last ones are shared out."""
        wanted = math.ceil(BATCH_S / self.seconds_per_run) if math.isfinite(self.seconds_per_run) else 1
        least = math.ceil(LEAST_BATCH_S / self.seconds_per_run) if math.isfinite(self.seconds_per_run) else 1
        return max(1, min(wanted, max(least, math.ceil(self.left / self.workers))))


def plan_sweep(sweep: Sweep) -> Design:
    """The design of a sweep file that was loaded. Raises UserError for what its scenario refuses."""
    return design_of(sweep, read_data(sweep.scenario), str(Path(sweep.scenario).parent), code_hash())


def sweep(
    file: str | Path,
    directory: str | Path,
    *,
    processes: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    resume: bool = False,
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """Run the sweep in the TOML file `file` into `directory`; its summary (`summary.json` there).

    processes, workers, cluster: where it runs, as `sim.study.executors.executor_of` has it.  report: is told of
    progress. A script that calls this with several processes needs `if __name__ == "__main__":`, for each process
    reads the script again. Raises what `plan_sweep` and `run_sweep` raise.
    """
    given = load_sweep(file)
    design = plan_sweep(given)
    executor = executor_of(processes=processes, workers=workers, cluster=cluster)
    try:
        compile_kernel(design)
        return run_sweep(given, design, executor, directory, resume=resume, report=report)
    finally:
        executor.close()


def compile_kernel(design: Design) -> None:
    """Compile the kernel once, here, by a first run if need be, and not in every worker at the same time."""
    from sim.engine.kernel.jit import is_compiled

    if not is_compiled():
        run_batch(Batch(design.data, design.folder, design.code, (design.task(0),)))


def run_sweep(
    sweep: Sweep,
    design: Design,
    executor: Executor,
    directory: str | Path,
    *,
    resume: bool = False,
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """Do the runs of `design` that are missing in `directory`, and write table and summary there; the summary.

    Raises UserError where the directory is not to be written or a metric does not exist, Interrupted if the user
    stops it, ExecutorFailed if no worker is left to work. Whatever was done until then is kept.
    """
    store = Store(Path(directory), design)
    store.open(resume)
    store.write_json(MANIFEST, _manifest(sweep, design, "running"))
    found = store.find()
    dealer = Dealer(design, found.done | found.repeated, executor.workers)
    reused, begun_s = int((found.done & ~found.repeated).sum()), time.perf_counter()
    counts, samples = _Counts(dealer, report), 0
    try:
        for samples in _rounds(sweep, design):
            dealer.reach(design.tasks_until(samples))
            for batch, outcome in executor.outcomes(dealer.next_batch):
                done = dealer.settle(batch, outcome)
                if done is not None:
                    store.write_shard(done.rows)
                    counts.add(done)
            if sweep.stop is not None and _known(sweep, store, samples):
                break
    except KeyboardInterrupt:
        raise Interrupted(f"{counts.done:,} runs of this session are kept; go on with --resume") from None
    found = store.find()
    store.write_results(found)
    summary = _summary(sweep, design, store, found, samples)
    store.write_json(SUMMARY, summary)
    wall_s = time.perf_counter() - begun_s
    told = {"runs_reused": reused, "runs_done": counts.done, "wall_s": wall_s, "damaged": list(found.damaged)}
    store.write_json(MANIFEST, {**_manifest(sweep, design, "complete"), "last_session": told})
    return summary


class _Counts:
    """Counts runs, and reports them with the rate since the first came back."""

    def __init__(self, dealer: Dealer, report: Report):
        self.dealer, self.report = dealer, report
        self.done = self.failures = 0
        self.begun_s = time.perf_counter()

    def add(self, done: Done) -> None:
        self.done += len(done.rows)
        self.failures += sum(bool(row.error) for row in done.rows)
        open_now = int(self.dealer.open[: self.dealer.limit].sum())
        rate = self.done / max(time.perf_counter() - self.begun_s, 1e-9)
        self.report(Progress(self.done, open_now, self.failures, rate, max(0, open_now - self.done) / rate))


def _rounds(sweep: Sweep, design: Design) -> Iterator[int]:
    """Base samples to have before each look of the stopping rule, up to all of them."""
    samples = sweep.stop.at_least if sweep.stop is not None else design.samples
    while samples < design.samples:
        yield samples
        samples *= 2
    yield design.samples


def _known(sweep: Sweep, store: Store, samples: int) -> bool:
    """Whether the rule's metric is known well enough in every setting."""
    rule, design = sweep.stop, store.design
    assert rule is not None
    found = store.find()
    tasks = found.tasks
    tasks = tasks[tasks < design.tasks_until(samples)]
    values = store.read(found, tasks, [rule.metric])[rule.metric]
    if np.isnan(values).all():
        raise UserError(Fault("stop.metric", f'no run has a number for "{rule.metric}"'))
    row, setting, _ = design.places(tasks)
    sample = np.isin(design.part_of[row], (A, B))
    return all(
        relative_half_width(_by(row[mine], values[mine]), rule.confidence) <= rule.within
        for s in range(len(design.settings))
        for mine in [sample & (setting == s)]
    )


def _by(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Means of the values of each row: replications of a point are not independent draws of the inputs."""
    _, where = np.unique(rows, return_inverse=True)
    return np.bincount(where, values) / np.bincount(where)


def _summary(sweep: Sweep, design: Design, store: Store, found: Found, samples: int) -> dict[str, Any]:
    tasks = found.tasks
    runs = Runs(store.directory / RESULTS, design, tasks)
    if sweep.sensitivity is not None and runs.metrics:
        check_metric(sweep.sensitivity.metric, runs.metrics)
    told = store.read(found, tasks, ["status", "error"])
    failures = np.flatnonzero(told["status"] == FAILED)
    return {
        "name": sweep.name,
        "runs": len(tasks),
        "failed": len(failures),
        "failures": [_failure(design, int(tasks[i]), str(told["error"][i])) for i in failures[:LISTED]],
        "samples": samples,
        "samples_at_most": design.samples,
        "stopped_early": samples < design.samples,
        "sampling": sweep.sampling.model_dump(),
        "factors": [f.name for f in design.factors],
        "settings": settings_summary(sweep, runs),
        "code": design.code,
    }


def _failure(design: Design, number: int, error: str) -> dict[str, Any]:
    task = design.task(number)
    return {
        "key": task.key,
        "changes": list(task.changes),
        "calibration_z": dict(task.calibration_z),
        "error": error,
    }


def _manifest(sweep: Sweep, design: Design, status: str) -> dict[str, Any]:
    return {
        "name": sweep.name,
        "status": status,
        "tasks_at_most": design.tasks,
        "settings": len(design.settings),
        "inputs": list(design.names),
        "factors": [f.name for f in design.factors],
        "replications": design.replications,
        "code": design.code,
        "sweep": sweep.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
