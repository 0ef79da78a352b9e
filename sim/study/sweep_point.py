"""What a worker does: runs of one batch, each caught alone, as flat rows of numbers."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sim.errors import Fault, UserError
from sim.study.sweep_design import Task

RETRIES = 2
"""More tries of a run that fails otherwise than by a fault of its scenario."""
LEFT_OUT = ("wall_s", "seed", "cost.prices", "workloads", "pools", "overload.groups", "warnings")
"""Parts of a summary that are no result, or that are not the same numbers for every scenario."""


@dataclass(frozen=True)
class Batch:
    """Runs that travel together. losses: workers that died with it."""

    data: Mapping[str, Any]
    folder: str
    code: str
    tasks: tuple[Task, ...]
    losses: int = 0

    @property
    def name(self) -> str:
        """Hash of the keys of its runs, and of how often it was lost."""
        told = [task.key for task in self.tasks]
        return hashlib.blake2b(" ".join([*told, str(self.losses)]).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class Row:
    """What a run gave: metrics by dotted name (None where not known), or why it failed."""

    task: Task
    metrics: Mapping[str, float | None]
    error: str = ""


@dataclass(frozen=True)
class Done:
    """A batch's rows and how long it took on its worker [s]."""

    rows: tuple[Row, ...]
    seconds: float


def run_batch(batch: Batch) -> Done:
    """Run every task of the batch; what fails is a row that says why.

    Raises UserError if this program is not the one that planned the batch.
    """
    if code_hash() != batch.code:
        message = "this worker runs another version of the program, or another calibration, than the sweep"
        hint = "install the same one everywhere, restart the workers, and leave its files alone meanwhile"
        raise UserError(Fault("", message, hint))
    begun_s = time.perf_counter()
    rows = tuple(_row(batch, task) for task in batch.tasks)
    return Done(rows, time.perf_counter() - begun_s)


def failed(batch: Batch, why: str) -> Done:
    """Every task of `batch` as a failure."""
    return Done(tuple(Row(task, {}, why) for task in batch.tasks), 0.0)


def _row(batch: Batch, task: Task) -> Row:
    error = ""
    for _ in range(1 + RETRIES):
        try:
            return Row(task, run_task(batch.data, batch.folder, task))
        except UserError as fault:
            return Row(task, {}, " ".join(str(fault).split()))
        except Exception as trouble:
            error = " ".join(f"{type(trouble).__name__}: {trouble}".split())
    return Row(task, {}, error)


def run_task(data: Mapping[str, Any], folder: str, task: Task) -> dict[str, float | None]:
    """The metrics of one run."""
    from sim.run import run
    from sim.scenario import build

    scenario = build(data, task.changes, folder=folder)
    return flat(run(scenario, threads=1, calibration_z=task.calibration_z).summary)


def flat(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """Numbers of a summary by dotted name; true is 1, false 0, and what is not known is None.

    Texts and lists are left out, and so is what varies with the machine.
    """
    return dict(_numbers(summary, ""))


def _numbers(node: Mapping[str, Any], before: str) -> Iterator[tuple[str, float | None]]:
    for key, value in node.items():
        name = f"{before}{key}"
        if name in LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}.")
        elif value is None or isinstance(value, int | float):
            yield name, None if value is None else float(value)


@cache
def code_hash() -> str:
    """Hash of everything that makes a result but the scenario: sources, tables, calibrations, numeric libraries."""
    from sim.cost.calibration import VARIABLE

    root = Path(__file__).parent.parent
    digest = hashlib.sha256(" ".join(version(name) for name in ("numba", "numpy", "scipy", "simpy")).encode())
    for path in _sources(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for named in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        if Path(named).is_file():  # else the run says what is wrong with it
            digest.update(Path(named).read_bytes())
    return digest.hexdigest()[:16]


def _sources(root: Path) -> Sequence[Path]:
    """Files that reach a result: not the command line, reports and studies, which only ask for runs."""
    apart = ("cli", "report", "study")
    files = (p for p in root.rglob("*") if p.suffix in (".py", ".toml", ".csv", ".json") and p.is_file())
    kept = [p for p in files if p.relative_to(root).parts[0] not in apart]
    own = [
        Path(__file__),
        Path(__file__).with_name("sweep_design.py"),
        Path(__file__).with_name("sampling.py"),
    ]
    return sorted([*kept, *own])
