"""A result as a directory: result.json, windows.parquet, requests.parquet if any were logged, scenario.toml.

It appears whole or not at all. Two runs of one scenario write the same bytes, but for `wall_s` in result.json.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.errors import Fault, UserError
from sim.run import Result
from sim.scenario import dump_toml

SUMMARY, WINDOWS, REQUESTS, SCENARIO = "result.json", "windows.parquet", "requests.parquet", "scenario.toml"
FILES = (SUMMARY, WINDOWS, REQUESTS, SCENARIO)
_VERSIONED = ("datacenter-sim", "numba", "numpy")


@dataclass(frozen=True)
class Stored:
    """A result read back. scenario_toml: the resolved scenario, as text."""

    summary: Mapping[str, Any]
    windows: Mapping[str, np.ndarray]
    requests: Mapping[str, np.ndarray] | None
    scenario_toml: str


def to_json(summary: Mapping[str, Any]) -> str:
    """The summary as JSON text; raises ValueError where a number is not finite."""
    return json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def default_directory(summary_name: str, scenario_sha256: str) -> Path:
    """Where a result goes unless said otherwise: runs/<name>-<first 8 of the scenario's hash>."""
    return Path("runs") / f"{slug(summary_name)}-{scenario_sha256[:8]}"


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return (re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run")[:60]


def check_target(directory: str | Path) -> None:
    """Raises UserError unless a result may be written to `directory`: it is new, empty, or an earlier result."""
    target = Path(directory)
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(Fault("--out", f'"{target}" is a file', "name a directory"))
    found = sorted(p.name for p in target.iterdir())
    if found and not _is_result(target):
        some = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise UserError(
            Fault("--out", f'"{target}" is not a result of this program: it holds {some}', "name another")
        )
    if foreign := [name for name in found if name not in FILES]:
        raise UserError(
            Fault("--out", f'"{target}" also holds {", ".join(foreign)}, which would be lost', "name another")
        )


def write(result: Result, directory: str | Path) -> Path:
    """Write `result` as `directory`, which replaces an earlier result there once it is complete.

    Raises UserError if the directory is anything else, or cannot be written.
    """
    target = Path(directory).absolute()
    check_target(target)
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        fresh.mkdir(parents=True)
        _write_files(result, fresh)
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    except OSError as error:
        raise UserError(Fault("--out", f'cannot write "{target}": {error.strerror}')) from None
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
    return Path(directory)


def read(directory: str | Path) -> Stored:
    """The result in `directory`. Raises UserError if it is none."""
    place = Path(directory)
    if not _is_result(place):
        raise UserError(Fault("", f'"{place}" is not a result: it has no {SUMMARY} of this program'))
    try:
        return Stored(
            summary=json.loads((place / SUMMARY).read_text(encoding="utf-8")),
            windows=_read_table(place / WINDOWS),
            requests=_read_table(place / REQUESTS) if (place / REQUESTS).exists() else None,
            scenario_toml=(place / SCENARIO).read_text(encoding="utf-8"),
        )
    except (OSError, pa.ArrowException) as error:
        raise UserError(Fault("", f'the result in "{place}" is damaged: {error}')) from None


def _is_result(place: Path) -> bool:
    try:
        summary = json.loads((place / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(summary, dict) and {"scenario_sha256", "engine", "requests"} <= summary.keys()


def _write_files(result: Result, place: Path) -> None:
    seen = {k: str(result.summary[k]) for k in ("name", "seed", "scenario_sha256", "engine")}
    metadata = {**seen, **{f"version.{name}": _version(name) for name in _VERSIONED}}
    (place / SUMMARY).write_text(to_json(result.summary), encoding="utf-8")
    (place / SCENARIO).write_text(dump_toml(result.scenario), encoding="utf-8")
    _write_table(result.windows, metadata, place / WINDOWS)
    if result.requests is not None:
        _write_table(result.requests, metadata, place / REQUESTS)


def _write_table(columns: Mapping[str, np.ndarray], metadata: Mapping[str, str], path: Path) -> None:
    table = pa.Table.from_arrays([_arrow(c) for c in columns.values()], names=list(columns))
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")


def _arrow(column: np.ndarray) -> pa.Array:
    """A numpy column as Arrow, nan as null; by its buffers, since pyarrow's converters would import pandas."""
    if column.dtype == object:
        return _labels(column)
    values = np.ascontiguousarray(column)
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(0, bool)
    valid = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [valid, pa.py_buffer(values)]
    )


def _labels(column: Iterable[str]) -> pa.Array:
    """Text that repeats, as a dictionary of what there is and the number of each."""
    number: dict[str, int] = {}
    codes = np.fromiter((number.setdefault(text, len(number)) for text in column), np.int32)
    texts = [text.encode() for text in number]
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    return pa.DictionaryArray.from_arrays(
        _arrow(codes), pa.Array.from_buffers(pa.string(), len(texts), buffers)
    )


def _read_table(path: Path) -> dict[str, np.ndarray]:
    table = pq.read_table(path)
    return {name: _numpy(table.column(name)) for name in table.column_names}


def _numpy(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        return np.array(column.to_pylist(), dtype=object)
    return column.to_numpy()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree
        return "not installed"


def write_columns(columns: Mapping[str, np.ndarray], metadata: Mapping[str, str], path: Path) -> None:
    """Columns of equal length as a Parquet file that appears whole or not at all, whatever happens meanwhile."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        _write_table(columns, metadata, fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def read_columns(path: Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Columns of a Parquet file, all or those of `names` that it has. Raises UserError if it is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            known = set(file.schema_arrow.names)
            wanted = None if names is None else [n for n in names if n in known]
            table = file.read(wanted)
    except (OSError, pa.ArrowException) as error:
        raise UserError(Fault("", f'"{path}" is damaged: {error}')) from None
    return {name: _numpy(table.column(name)) for name in table.column_names}


def column_kinds(path: Path) -> dict[str, str]:
    """Columns of a Parquet file, "text" or "number" each. Raises UserError if it is damaged."""
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(Fault("", f'"{path}" is damaged: {error}')) from None
    return {field.name: "text" if pa.types.is_dictionary(field.type) else "number" for field in schema}


def write_parts(parts: Iterable[Mapping[str, np.ndarray]], metadata: Mapping[str, str], path: Path) -> int:
    """Tables of the same columns as one Parquet file, of which one part at a time is in memory; the rows written."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    writer, rows = None, 0
    try:
        for columns in parts:
            table = pa.Table.from_arrays([_arrow(c) for c in columns.values()], names=list(columns))
            if writer is None:
                schema = table.schema.with_metadata(dict(metadata))
                writer = pq.ParquetWriter(fresh, schema, compression="zstd")
            writer.write_table(table)
            rows += table.num_rows
        if writer is not None:
            writer.close()
            fresh.replace(path)
    finally:
        if writer is not None:
            writer.close()
        fresh.unlink(missing_ok=True)
    return rows
