"""Where batches run: in this process, or on a pool of processes; `sim.study.cluster` adds Dask.

An executor asks for batches one at a time and gives back each with what it came to, in whatever order. A batch that
lost its worker comes back as `Lost`; what becomes of it is the caller's to decide.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from typing import Protocol

from sim.errors import Fault, UserError
from sim.study.sweep_point import Batch, Done, run_batch


@dataclass(frozen=True)
class Lost:
    """The worker died with the batch. why: what is known of it."""

    why: str


class ExecutorFailed(Exception):
    """Where batches ran is gone, or works no more. What was done before is kept."""


Next = Callable[[], Batch | None]
"""The next batch to run; None if there is none now. Asked again after each batch that comes back."""


class Executor(Protocol):
    """Runs batches on `workers` workers."""

    workers: int

    def describe(self) -> str:
        """Where it runs, in words."""
        ...

    def outcomes(self, next_batch: Next) -> Iterator[tuple[Batch, Done | Lost]]:
        """Each batch with its outcome, until there is none left. Raises what no batch can be blamed for."""
        ...

    def close(self) -> None:
        """End the workers that it started."""
        ...


def executor_of(
    *, processes: int | None = None, workers: int | None = None, cluster: str | None = None
) -> Executor:
    """Local processes (so many, or one per core), or a local Dask cluster of `workers`, or the scheduler at `cluster`.

    Raises UserError where more than one is asked for, where Dask is not installed, and where no scheduler answers.
    """
    places = {"--processes": processes, "--workers": workers, "--cluster": cluster}
    asked = [name for name, given in places.items() if given]
    if len(asked) > 1:
        raise UserError(Fault(asked[1], f"says otherwise than {asked[0]} where to run", "give one of them"))
    if cluster or workers:
        from sim.study.cluster import Dask

        return Dask(cluster, workers or 0)
    count = processes or os.cpu_count() or 1
    return InProcess() if count == 1 else Processes(count)


class InProcess:
    """One batch after the other, here."""

    workers = 1

    def describe(self) -> str:
        return "this process"

    def outcomes(self, next_batch: Next) -> Iterator[tuple[Batch, Done | Lost]]:
        while (batch := next_batch()) is not None:
            yield batch, run_batch(batch)

    def close(self) -> None:
        pass


class Processes:
    """A pool of processes, each of which can die without taking the others' batches with it.

    Each place is a pool of one: so it is known whose batch killed its worker, and only that place is filled anew.
    """

    def __init__(self, workers: int):
        self.workers = workers
        self._places: list[ProcessPoolExecutor | None] = [None] * workers

    def describe(self) -> str:
        return f"{self.workers} processes"

    def outcomes(self, next_batch: Next) -> Iterator[tuple[Batch, Done | Lost]]:
        running: dict[Future[Done], tuple[int, Batch]] = {}
        free = list(range(self.workers))

        def fill() -> None:
            while free and (batch := next_batch()) is not None:
                place = free.pop()
                running[self._submit(place, batch)] = (place, batch)

        fill()
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                place, batch = running.pop(future)
                outcome = self._outcome(place, future)
                free.append(place)
                fill()  # first work for the place, then the books
                yield batch, outcome
            fill()

    def close(self) -> None:
        for place, pool in enumerate(self._places):
            if pool is not None:
                for process in list((getattr(pool, "_processes", None) or {}).values()):
                    process.terminate()
                pool.shutdown(wait=True, cancel_futures=True)
                self._places[place] = None

    def _submit(self, place: int, batch: Batch) -> Future[Done]:
        pool = self._places[place] or self._started(place)
        try:
            return pool.submit(run_batch, batch)
        except BrokenProcessPool:  # it died while it was idle
            return self._started(place).submit(run_batch, batch)

    def _started(self, place: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, mp_context=context, initializer=_begin_worker)
        self._places[place] = pool
        return pool

    def _outcome(self, place: int, future: Future[Done]) -> Done | Lost:
        try:
            return future.result()
        except BrokenProcessPool:
            self._places[place] = None
            return Lost("its process died")


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    with suppress(OSError):
        wait_for([sentinel])
    signal.raise_signal(signal.SIGTERM)
