"""Recorded demand: arrival times and token lengths read from a file."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import numpy as np

from sim.errors import ScenarioError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "azure": ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    "burstgpt": ("Timestamp", "Request tokens", "Response tokens"),
    "csv": ("arrival_s", "input_tokens", "output_tokens"),
    "mooncake": ("timestamp", "input_length", "output_length"),
}
"""Arrival, input and output columns of each format."""
HASHES = "hash_ids"
"""Column of a Mooncake trace: a hash of each block of the prompt and all before it, equal where prefixes are equal."""
MOONCAKE_BLOCK_TOKENS = 512


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


def read_trace(path: str | Path, form: str = "auto") -> Trace:
    """Read a trace, plain or gzipped; "auto" tells the format by the names of its columns.

    Rows of no prompt are raised to one token. Raises ScenarioError if the file is not such a trace.
    """
    path = Path(path)
    if form == "auto":
        form = _detect(path)
    frame = _frame(path, form)
    arrival, given_input, given_output = (cast("pd.Series", frame[c]) for c in COLUMNS[form])
    if len(arrival) == 0:
        raise ScenarioError(f"{path}: the trace has no requests")
    arrival_s = _seconds(path, arrival, form)
    order = np.argsort(arrival_s, kind="stable")
    inputs, outputs = (_tokens(path, np.asarray(c))[order] for c in (given_input, given_output))
    first, blocks, block_tokens = _blocks(path, frame, inputs, order)
    return Trace(
        arrival_s[order] - arrival_s[order[0]], np.maximum(inputs, 1), outputs, first, blocks, block_tokens
    )


def _blocks(
    path: Path, frame: pd.DataFrame, inputs: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """The hashes of the prompts' blocks, in the order of arrival, if the trace has them."""
    if HASHES not in frame:
        return np.zeros(len(inputs) + 1, np.int64), np.zeros(0, np.uint64), 0
    lists = [frame[HASHES].iloc[int(i)] for i in order]
    counts = np.array([len(ids) for ids in lists], np.int64)
    expected = -(-inputs // MOONCAKE_BLOCK_TOKENS)
    if (counts != expected).any():
        row = int(order[np.flatnonzero(counts != expected)[0]])
        raise ScenarioError(
            f"{path}: request {row + 1} has not one of its {HASHES} for each {MOONCAKE_BLOCK_TOKENS} tokens of prompt"
        )
    blocks = np.fromiter((h for ids in lists for h in ids), np.int64, int(counts.sum()))
    return np.concatenate([[0], np.cumsum(counts)]), blocks.astype(np.uint64), MOONCAKE_BLOCK_TOKENS


def file_sha256(path: str | Path) -> str:
    """Hash of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _detect(path: Path) -> str:
    if path.suffix == ".parquet":
        return "csv"
    try:
        with _open(path) as file:
            line = file.readline(4096)
    except (OSError, UnicodeDecodeError):
        line = ""
    for form, columns in COLUMNS.items():
        if all(c in line for c in columns):
            return form
    known = "; ".join(f"{form}: {', '.join(columns)}" for form, columns in COLUMNS.items())
    raise ScenarioError(f"{path}: not a trace of a known format; its first line has none of ({known})")


def _open(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")


def _frame(path: Path, form: str) -> pd.DataFrame:
    import pandas as pd  # slow to import, and only traces need it

    columns = list(COLUMNS[form])
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path, columns=columns)
        elif form == "mooncake":
            frame = pd.read_json(path, lines=True)
            frame = frame[[*columns, *([HASHES] if HASHES in frame else [])]]
        else:
            frame = pd.read_csv(path, usecols=columns)
    except (ValueError, KeyError, OSError) as error:
        raise ScenarioError(f"{path}: cannot be read as a {form} trace ({error})") from None
    missing = np.asarray(frame.isna()).any(axis=1)
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise ScenarioError(f"{path}: request {row + 1} lacks a value")
    return cast("pd.DataFrame", frame)


def _seconds(path: Path, column: pd.Series, form: str) -> np.ndarray:
    import pandas as pd

    try:
        if form == "azure":
            times = pd.to_datetime(column).to_numpy("datetime64[ns]")
            return (times - times.min()) / np.timedelta64(1, "s")
        values = column.to_numpy(np.float64)
    except ValueError as error:
        raise ScenarioError(f"{path}: arrival times cannot be read ({error})") from None
    return values / 1e3 if form == "mooncake" else values


def _tokens(path: Path, values: np.ndarray) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.number) or (values < 0).any() or (values > 2**30).any():
        raise ScenarioError(f"{path}: token counts must be numbers from 0 to 2^30")
    return values.astype(np.int32)
