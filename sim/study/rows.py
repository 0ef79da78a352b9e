"""Rows of the tidy measurement schema, and the configurations that several of them describe together.

The schema has one measured figure per row: source, url_or_repo_path, commit_or_version, accelerator, num_gpus,
tp, pp, model, precision, framework, scenario, batch_or_concurrency, input_len, output_len, metric, value, notes.
A blank means that the source does not say. Notes hold free text and ``key=value`` parts divided by semicolons.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.errors import Fault, UserError

COLUMNS = (
    "source",
    "url_or_repo_path",
    "commit_or_version",
    "accelerator",
    "num_gpus",
    "tp",
    "pp",
    "model",
    "precision",
    "framework",
    "scenario",
    "batch_or_concurrency",
    "input_len",
    "output_len",
    "metric",
    "value",
    "notes",
)
_NEEDED = ("source", "accelerator", "model", "metric", "value")
_SHARED = tuple(c for c in COLUMNS if c not in ("metric", "value", "notes", "commit_or_version"))
_PARALLEL_NOTES = (
    "attention_dp_size",
    "moe_tp_size",
    "moe_ep_size",
    "EP",
    "DP",
    "parallelism",
    "measured avg batch",
    "avg batch",
    "task",
    "request_rate",
)
_NOTE = re.compile(r"\s*([\w /()-]+?)\s*[=:]\s*(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Row:
    """One measured figure. `file` and `line` say where it stands; text columns are as in the file."""

    file: str
    line: int
    text: Mapping[str, str]
    metric: str
    value: float
    notes: Mapping[str, str]

    def number(self, column: str) -> float | None:
        """The first number in a column ("qps=25" gives 25), or None where it is blank or has none."""
        return first_number(self.text[column])


@dataclass(frozen=True)
class Case:
    """One measured configuration: the rows that share everything but metric and value."""

    rows: tuple[Row, ...]

    @property
    def text(self) -> Mapping[str, str]:
        return self.rows[0].text

    @property
    def notes(self) -> Mapping[str, str]:
        return self.rows[0].notes

    def number(self, column: str) -> float | None:
        return self.rows[0].number(column)


def read_rows(paths: Iterable[str | Path]) -> list[Row]:
    """All rows of the files, in order; results of load generators (.json) count with the rows that they hold
    (`sim.study.imported`).

    Raises UserError naming the file, and the line, for a missing file or column or a value that is no number.
    """
    return [
        row for path in paths for row in (_read_result(path) if _is_result(path) else _read_file(Path(path)))
    ]


def cases(rows: Iterable[Row]) -> list[Case]:
    """Rows grouped by configuration, in order of first appearance."""
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        key = (row.file, *(row.text[c] for c in _SHARED), *(row.notes.get(n, "") for n in _PARALLEL_NOTES))
        found.setdefault(key, []).append(row)
    return [Case(tuple(group)) for group in found.values()]


def first_number(text: str) -> float | None:
    """The first number in a text, or None."""
    hit = _NUMBER.search(text)
    return float(hit[0]) if hit else None


def parse_notes(notes: str) -> dict[str, str]:
    """The ``key=value`` (or ``key: value``) parts of a note; the whole note stands under ""."""
    found = {"": notes}
    for part in notes.split(";"):
        hit = _NOTE.fullmatch(part)
        if hit:
            found.setdefault(hit[1], hit[2].strip())
    return found


def _is_result(path: str | Path) -> bool:
    return Path(path).suffix == ".json"


def _read_result(path: str | Path) -> list[Row]:
    from sim.study.imported import rows

    found = rows(path, getattr(path, "facts", {}))
    return [_row(Path(path), line, record) for line, record in enumerate(found, 1)]


def _read_file(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [c for c in _NEEDED if c not in (reader.fieldnames or ())]
            if missing:
                hint = f"the schema has the columns {', '.join(COLUMNS)}"
                raise UserError(Fault(missing[0], "column is missing", hint), source=str(path))
            return [_row(path, reader.line_num, record) for record in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _row(path: Path, line: int, record: Mapping[str, str | None]) -> Row:
    text = {c: (record.get(c) or "").strip() for c in COLUMNS}
    try:
        value = float(text["value"])
    except ValueError:
        fault = Fault(f"line {line}, value", f'"{text["value"]}" is not a number')
        raise UserError(fault, source=str(path)) from None
    return Row(str(path), line, text, text["metric"], value, parse_notes(text["notes"]))
