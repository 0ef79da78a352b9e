"""A sweep's directory: shards of finished runs, one table of all of them at the end, manifest and summary.

A shard is one batch, in a file named by the hash of its runs' keys, written beside its place and then renamed. So
whatever is killed, a shard is whole or absent; a run is done if its key stands in one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import Fault, UserError
from sim.results import column_kinds, read_columns, write_columns, write_parts
from sim.scenario.show import toml_value
from sim.study.sweep_design import FACTOR, A, B, Design
from sim.study.sweep_point import Row

MANIFEST, SUMMARY, RESULTS = "manifest.json", "summary.json", "results.parquet"
PART_ROWS = 4096
"""Rows of the final table that are in memory at once."""
OUTCOME = ("key", "status", "error")
"""Columns of text of a shard; all others are metrics."""
DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Found:
    """Where finished runs stand.

    shard, line: int64[tasks]: number of the shard of each task, -1 where there is none, and its line in it.
    done: bool[tasks]: finished, and not as a failure.  repeated: bool[tasks]: the same run as an earlier task.
    """

    shards: tuple[Path, ...]
    shard: np.ndarray
    line: np.ndarray
    done: np.ndarray
    repeated: np.ndarray
    damaged: tuple[str, ...]

    @property
    def tasks(self) -> np.ndarray:
        """Numbers of the tasks that are finished, failures too."""
        return np.flatnonzero(self.shard >= 0)


class Store:
    """The directory of one sweep."""

    def __init__(self, directory: Path, design: Design):
        self.directory, self.design = directory, design

    def open(self, resume: bool) -> None:
        """Make the directory, or check that it may be gone on with.

        Raises UserError where it holds something else, or a sweep that is not to be resumed.
        """
        found = sorted(p.name for p in self.directory.iterdir()) if self.directory.is_dir() else []
        if self.directory.exists() and not self.directory.is_dir():
            raise UserError(Fault("--out", f'"{self.directory}" is a file', "name a directory"))
        if found and MANIFEST not in found:
            raise UserError(
                Fault("--out", f'"{self.directory}" holds something else than a sweep', "name another")
            )
        if found and not resume:
            hint = "give --resume to do only what is missing, or name another with --out"
            raise UserError(Fault("--out", f'"{self.directory}" already holds a sweep', hint))
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(Fault("--out", f'cannot write "{self.directory}": {error.strerror}')) from None
        for stale in self.directory.glob(".*.new"):
            stale.unlink(missing_ok=True)

    def write_shard(self, rows: Sequence[Row]) -> Path:
        """A batch's rows as a shard."""
        columns = _columns(rows)
        told = hashlib.blake2b(" ".join(row.task.key for row in rows).encode(), digest_size=12).hexdigest()
        path = self.directory / f"shard-{told}.parquet"
        write_columns(columns, {"code": self.design.code}, path)
        return path

    def write_json(self, name: str, data: Mapping[str, Any]) -> None:
        """A JSON file that appears whole."""
        path = self.directory / name
        fresh = path.with_name(f".{name}.{os.getpid()}.new")
        fresh.write_text(
            json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
        fresh.replace(path)

    def find(self) -> Found:
        """The finished runs of the design, in shards of this sweep or of an earlier one of other points."""
        every = np.array([self.design.key(i) for i in range(self.design.tasks)], "S16")
        keys, first, which = np.unique(every, return_index=True, return_inverse=True)
        shard, line, done = np.full(len(keys), -1), np.full(len(keys), -1), np.zeros(len(keys), bool)
        shards, damaged = [], []
        for path in sorted(self.directory.glob("shard-*.parquet")):
            try:
                given = read_columns(path, ["key", "status"])
            except UserError:
                damaged.append(path.name)
                continue
            there = np.array(list(given["key"]), "S16")
            well = np.array([status == DONE for status in given["status"]])
            at = np.minimum(np.searchsorted(keys, there), len(keys) - 1)
            known = (keys[at] == there) & (well | ~done[at])
            at = at[known]
            shard[at], line[at], done[at] = len(shards), np.flatnonzero(known), well[known]
            shards.append(path)
        repeated = np.ones(len(every), bool)
        repeated[first] = False
        return Found(tuple(shards), shard[which], line[which], done[which], repeated, tuple(damaged))

    def read(self, found: Found, tasks: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of a shard for `tasks`, which are finished; a number is nan where it is not known."""
        out = {
            n: np.full(len(tasks), "" if n in OUTCOME else np.nan, object if n in OUTCOME else float)
            for n in names
        }
        for s in np.unique(found.shard[tasks]):
            mine = found.shard[tasks] == s
            for name, column in read_columns(found.shards[s], names).items():
                out[name][mine] = column[found.line[tasks[mine]]]
        return out

    def write_results(self, found: Found) -> int:
        """All finished runs as one table in order of their tasks, a part at a time; the rows written."""
        metrics = sorted({name for path in found.shards for name in column_kinds(path)} - set(OUTCOME))
        return write_parts(self._parts(found, metrics), {"code": self.design.code}, self.directory / RESULTS)

    def _parts(self, found: Found, metrics: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
        tasks = found.tasks
        for start in range(0, len(tasks), PART_ROWS):
            part = tasks[start : start + PART_ROWS]
            outcome = self.read(found, part, [*OUTCOME, *metrics])
            yield {**describe(self.design, part), **outcome}


def describe(design: Design, tasks: np.ndarray) -> dict[str, np.ndarray]:
    """What tells the runs `tasks`: their place in the design, the axes' values, the inputs' values.

    role: "tornado", or "sample A", "sample B", "sample AB" for the parts of a base sample.  factor: what is alone
    away from the medians (tornado) or taken from B (AB).  seed: of the simulation, as text (it may have 63 bits).
    """
    row, setting, replication = design.places(tasks)
    tornado = row < design.tornado_rows
    part = design.part_of[row]
    factor = np.where(tornado, design.factor_of[row], np.where(part >= FACTOR, part, -1))
    names = np.array([*(f.name for f in design.factors), ""], object)
    roles = np.where(
        tornado, "tornado", np.where(part == A, "sample A", np.where(part == B, "sample B", "sample AB"))
    )
    return {
        "role": roles.astype(object),
        "factor": names[factor],
        "sample": np.where(tornado, np.nan, (row - design.tornado_rows) // design.block),
        "setting": setting,
        "replication": replication,
        "seed": np.array([str(design.seed(int(number))) for number in tasks], object),
        **{f"axis.{key}": column[setting] for key, column in _axes(design).items()},
        **{f"input.{name}": design.values[row, i] for i, name in enumerate(design.names)},
    }


def _axes(design: Design) -> dict[str, np.ndarray]:
    """Value of each key of the axes by setting: float64, or text where one of them is no number."""
    found = {}
    for key in dict.fromkeys(key for setting in design.settings for key in setting.values):
        values = [setting.values.get(key) for setting in design.settings]
        if all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in values):
            found[key] = np.array([np.nan if v is None else v for v in values], float)
        else:
            told = ["" if v is None else v if isinstance(v, str) else toml_value(v) for v in values]
            found[key] = np.array(told, object)
    return found


def _columns(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """A batch's outcome: key, how it ended, and the metrics that any row has."""
    names = sorted({name for row in rows for name in row.metrics})
    given = {name: [row.metrics.get(name) for row in rows] for name in names}
    return {
        "key": np.array([row.task.key for row in rows], object),
        "status": np.array([FAILED if row.error else DONE for row in rows], object),
        "error": np.array([row.error for row in rows], object),
        **{
            name: np.array([np.nan if v is None else v for v in column], float)
            for name, column in given.items()
        },
    }
