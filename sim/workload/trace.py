"""Recorded demand: arrival times and token lengths read from a file."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import numpy as np

from sim.errors import ScenarioError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Layout:
    """How a format lays out its rows.

    arrival, input, output: columns.  marks: further columns that tell it from formats with the same ones.
    unit_s: seconds in a unit of the arrival column; 0: it holds dates.  block_tokens: tokens of a block of `hash_ids`.
    """

    arrival: str
    input: str
    output: str
    marks: tuple[str, ...] = ()
    unit_s: float = 1.0
    lines: bool = False
    """Whether rows are lines of JSON; else the file is CSV."""
    block_tokens: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.arrival, self.input, self.output, *self.marks)


LAYOUTS = {
    "azure": Layout("TIMESTAMP", "ContextTokens", "GeneratedTokens", unit_s=0.0),
    "burstgpt": Layout("Timestamp", "Request tokens", "Response tokens"),
    "bailian": Layout(
        "timestamp", "input_length", "output_length", ("chat_id",), lines=True, block_tokens=16
    ),
    "mooncake": Layout(
        "timestamp", "input_length", "output_length", unit_s=1e-3, lines=True, block_tokens=512
    ),
    "vidur": Layout("arrived_at", "num_prefill_tokens", "num_decode_tokens"),
    "splitwise": Layout("arrival_timestamp", "prompt_size", "token_size", ("request_type", "batch_size")),
    "servegen": Layout("timestamp", "input_tokens", "output_tokens"),
    "csv": Layout("arrival_s", "input_tokens", "output_tokens"),
}
"""Formats by name; of those that a file has all columns of, the first is meant.

azure: Azure/AzurePublicDataset, AzureLLMInferenceTrace_*.csv of 2023 and of 2024 (dates with a zone).  burstgpt:
HPMLL/BurstGPT, both versions (seconds).  bailian: alibaba-edu/qwen-bailian-usagetraces-anon (seconds, blocks of 16).
mooncake: kvcache-ai/Mooncake (milliseconds, blocks of 512).  vidur: microsoft/vidur, data/processed_traces
(splitwise_code.csv @4f9167b).  splitwise: Mutinifni/splitwise-sim, generate_trace.py @3780880.  servegen: what
alibaba/ServeGen's save_requests_to_csv writes.  csv: this project's own.
"""
HASHES = "hash_ids"
"""Column of a hash of each block of the prompt and all before it, equal where prefixes are equal."""
LLM_REQUEST = 2
"""request_type of a language model's request in splitwise-sim."""


@dataclass(frozen=True)
class Trace:
    """Requests in order of arrival.

    arrival_s: float64[n], seconds from the first.  input_tokens, output_tokens: int32[n].
    block_first: int64[n + 1], where each request's prompt begins in `blocks`, the hashes (uint64) of its blocks of
    `block_tokens` tokens from the front; block_tokens = 0 where the trace has none.
    """

    arrival_s: np.ndarray
    input_tokens: np.ndarray
    output_tokens: np.ndarray
    block_first: np.ndarray
    blocks: np.ndarray
    block_tokens: int = 0

    @property
    def span_s(self) -> float:
        """Time of one lap of a repeated trace: its length and one mean gap."""
        count = len(self.arrival_s)
        last_s = float(self.arrival_s[-1])
        return last_s * count / (count - 1) if count > 1 and last_s > 0 else max(last_s, 1.0)


def unhashed(arrival_s: np.ndarray, input_tokens: np.ndarray, output_tokens: np.ndarray) -> Trace:
    """A trace that names no blocks of its prompts."""
    none = np.zeros(len(arrival_s) + 1, np.int64)
    return Trace(arrival_s, input_tokens, output_tokens, none, np.zeros(0, np.uint64))


def read_trace(path: str | Path, form: str = "auto") -> Trace:
    """Read a trace, plain or gzipped; "auto" tells the format by the names of its columns.

    Rows of no prompt are raised to one token. Raises ScenarioError if the file is not such a trace, naming the columns
    that it has and the formats that are known.
    """
    path = Path(path)
    form = _format(path, form)
    layout = LAYOUTS[form]
    frame = _frame(path, form)
    arrival, given_input, given_output = (cast("pd.Series", frame[c]) for c in layout.columns[:3])
    if len(arrival) == 0:
        raise ScenarioError(f"{path}: the trace has no requests")
    if form == "splitwise":
        _only_plain_requests(path, frame)
    arrival_s = _seconds(path, arrival, layout)
    order = np.argsort(arrival_s, kind="stable")
    inputs, outputs = (_tokens(path, np.asarray(c))[order] for c in (given_input, given_output))
    first, blocks, block_tokens = _blocks(path, frame, inputs, order, layout.block_tokens)
    return Trace(
        arrival_s[order] - arrival_s[order[0]], np.maximum(inputs, 1), outputs, first, blocks, block_tokens
    )


def _only_plain_requests(path: Path, frame: pd.DataFrame) -> None:
    for column, only in (("batch_size", 1), ("request_type", LLM_REQUEST)):
        others = np.flatnonzero(np.asarray(frame[column]) != only)
        if len(others):
            row = int(others[0])
            given = frame[column].iloc[row]
            raise ScenarioError(
                f"{path}: request {row + 1} has {column} {given}; only {only} can be replayed"
            )


def _blocks(
    path: Path, frame: pd.DataFrame, inputs: np.ndarray, order: np.ndarray, tokens: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """The hashes of the prompts' blocks of `tokens`, in the order of arrival, if the trace has them."""
    if HASHES not in frame:
        return np.zeros(len(inputs) + 1, np.int64), np.zeros(0, np.uint64), 0
    lists = [frame[HASHES].iloc[int(i)] for i in order]
    counts = np.array([len(ids) for ids in lists], np.int64)
    expected = -(-inputs // tokens)
    if (counts != expected).any():
        row = int(order[np.flatnonzero(counts != expected)[0]])
        raise ScenarioError(
            f"{path}: request {row + 1} has not one of its {HASHES} for each {tokens} tokens of prompt"
        )
    blocks = np.fromiter((h for ids in lists for h in ids), np.int64, int(counts.sum()))
    return np.concatenate([[0], np.cumsum(counts)]), blocks.astype(np.uint64), tokens


def file_sha256(path: str | Path) -> str:
    """Hash of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _format(path: Path, form: str) -> str:
    """The name of the file's format: the one asked for, if it has its columns, or the first that it has all of."""
    if path.suffix == ".parquet":
        return "csv" if form == "auto" else form
    found = _columns(path)
    if form != "auto":
        lacking = [c for c in LAYOUTS[form].columns if c not in found]
        if lacking:
            raise ScenarioError(
                f"{path}: not a trace of format {form}: it lacks {_list(lacking)}; {_have(found)}"
            )
        return form
    for name, layout in LAYOUTS.items():
        if all(c in found for c in layout.columns):
            return name
    known = "; ".join(f"{name}: {', '.join(layout.columns)}" for name, layout in LAYOUTS.items())
    name = max(LAYOUTS, key=lambda n: sum(c in found for c in LAYOUTS[n].columns[:3]))
    lacking = [c for c in LAYOUTS[name].columns if c not in found]
    near = f"; for {name} it lacks {_list(lacking)}" if len(lacking) < len(LAYOUTS[name].columns) else ""
    raise ScenarioError(
        f"{path}: not a trace of a known format; {_have(found)}{near}; the known formats are {known}"
    )


def _have(found: list[str]) -> str:
    return f"its columns are {', '.join(found[:20])}" if found else "its first line names no columns"


def _list(columns: list[str]) -> str:
    return " and ".join(f'"{c}"' for c in columns)


def _columns(path: Path) -> list[str]:
    """Names in the first line, of CSV or of JSON; none where there are no names."""
    try:
        with _open(path) as file:
            line = file.readline(1 << 20).strip().lstrip("\ufeff")
    except (OSError, UnicodeDecodeError):
        return []
    if line.startswith("{"):
        try:
            return list(json.loads(line))
        except ValueError:
            return []
    return [c.strip() for c in next(csv.reader([line]), []) if c.strip().isprintable() and c.strip()]


def _open(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")


def _frame(path: Path, form: str) -> pd.DataFrame:
    import pandas as pd  # slow to import, and only traces need it

    layout = LAYOUTS[form]
    columns = list(layout.columns)
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path, columns=columns)
        elif layout.lines:
            # without dtype=False large times become dates
            frame = pd.read_json(path, lines=True, dtype=False)  # pyright: ignore[reportArgumentType]
            frame = frame[[*columns, *([HASHES] if HASHES in frame else [])]]
        else:
            frame = pd.read_csv(path, usecols=columns, skipinitialspace=True)
    except (ValueError, KeyError, OSError) as error:
        raise ScenarioError(f"{path}: cannot be read as a {form} trace ({error})") from None
    missing = np.asarray(frame.isna()).any(axis=1)
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise ScenarioError(f"{path}: request {row + 1} lacks a value")
    return cast("pd.DataFrame", frame)


def _seconds(path: Path, column: pd.Series, layout: Layout) -> np.ndarray:
    import pandas as pd

    try:
        if layout.unit_s == 0:
            times = pd.to_datetime(column, format="ISO8601", utc=True).to_numpy("datetime64[ns]")
            return (times - times.min()) / np.timedelta64(1, "s")
        return column.to_numpy(np.float64) * layout.unit_s
    except ValueError as error:
        raise ScenarioError(f"{path}: arrival times cannot be read ({error})") from None


def _tokens(path: Path, values: np.ndarray) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.number) or (values < 0).any() or (values > 2**30).any():
        raise ScenarioError(f"{path}: token counts must be numbers from 0 to 2^30")
    return values.astype(np.int32)
