"""Batches on a Dask cluster: an existing scheduler's, or one of local workers under nannies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from sim.errors import Fault, UserError
from sim.study.executors import ExecutorFailed, Lost, Next
from sim.study.sweep_point import Batch, Done, run_batch

AHEAD = 2
"""Batches per worker that are under way: one runs, one waits, so that no worker idles for want of the client."""
CONNECT_S = 30
"""Longest wait for a scheduler, and for its first worker [s]."""
QUIET = {
    "distributed.worker.profile.enabled": False,  # default: looks at every thread 100 times a second
    "distributed.admin.tick.interval": "1s",  # default: wakes every event loop 50 times a second
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.system-monitor.interval": "5s",
}
"""Dask's watching of itself, cut down on workers that are started here: each look takes the interpreter's lock from
the run, and the core from another worker. docs/cluster.md gives the same for workers that others start."""
NEEDED = "pip install 'datacenter-sim[cluster]'"


class Dask:
    """Batches as Dask tasks, on the scheduler at `address`, or on `workers` local processes under nannies.

    Raises UserError if Dask is not installed or no scheduler answers.
    """

    def __init__(self, address: str | None = None, workers: int = 0):
        if find_spec("distributed") is None:
            option = "--cluster" if address else "--workers"
            raise UserError(Fault(option, "needs Dask, which is not installed", NEEDED))
        import dask.config
        import distributed

        self._cluster: Any = None
        if address is None:
            with dask.config.set(QUIET):
                self._cluster = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0",
                    memory_limit=0,
                )
        try:
            self._client = distributed.Client(
                self._cluster or address, timeout=CONNECT_S, set_as_default=False
            )
            self._client.wait_for_workers(1, timeout=CONNECT_S)
        except (OSError, TimeoutError, ValueError) as error:
            why = " ".join(str(error).split()) or "it did not answer"
            hint = f"is a scheduler running at {address}, with at least one worker? See docs/cluster.md"
            raise UserError(Fault("--cluster", why, hint)) from None
        threads: Any = self._client.nthreads()
        self.workers = sum(threads.values())

    def describe(self) -> str:
        where = (
            f"Dask at {self._client.scheduler.address}, {self.workers} workers"
            if self._client.scheduler
            else "Dask"
        )
        shown = "" if find_spec("bokeh") else " (it needs bokeh, where the scheduler runs)"
        return f"{where}; dashboard {self._client.dashboard_link}{shown}"

    def outcomes(self, next_batch: Next) -> Iterator[tuple[Batch, Done | Lost]]:
        from distributed import as_completed

        batches: dict[Any, Batch] = {}
        queue = as_completed(loop=self._client.loop)

        def fill() -> None:
            while len(batches) < AHEAD * self.workers and (batch := next_batch()) is not None:
                future = self._client.submit(
                    run_batch, batch, key=f"sweep-{batch.name}", pure=False, retries=0
                )
                batches[future.key] = batch
                queue.add(future)

        fill()
        while batches:
            future = next(queue)
            batch = batches.pop(future.key)
            outcome = _outcome(future)
            future.release()
            fill()
            yield batch, outcome
            fill()

    def close(self) -> None:
        with suppress(Exception):  # a scheduler that is gone cannot be told goodbye
            self._client.close(timeout=2)
        if self._cluster is not None:
            self._cluster.close(timeout=10)


def _outcome(future: Any) -> Done | Lost:
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        return future.result()
    except KilledWorker as death:
        return Lost(f"its worker died ({death.last_worker.address})")
    except (CancelledError, FutureCancelledError, asyncio.CancelledError, OSError) as error:
        raise ExecutorFailed(f"the scheduler is gone ({' '.join(str(error).split())})") from None
