"""From a JSON result to tidy rows: which tool wrote it, what it says, and what must be added."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.errors import Fault, UserError
from sim.study.imported import describe as D

SCENARIOS = {
    "poisson": "open-loop poisson",
    "constant": "constant gaps",
    "gamma": "gamma gaps",
    "capped": "a rate with a cap on clients",
    "concurrent": "closed-loop",
    "burst": "burst",
    "serial": "serial",
}
"""The scenario column by the load; rows of constant or gamma gaps and of a capped rate are kept, not yet predicted."""
TOOLS = "guidellm, inference-perf (stage_N_lifecycle_metrics.json), vllm bench serve (--save-result)"


@dataclass(frozen=True)
class Measurement:
    """What one entry of a result file says: facts by key (see `describe`), metrics by their tidy name, notes."""

    tool: str
    facts: Mapping[str, str]
    metrics: Mapping[str, float]
    notes: Mapping[str, object] = field(default_factory=dict)


def rows(path: str | Path, facts: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Tidy rows of every measurement in a result file.

    facts: what the file does not say; they win over what it says, and over a TOML file beside it. Raises UserError for
    a file of another kind, and for one that leaves open what a prediction needs, naming it.
    """
    path = Path(path)
    known = {**D.beside(path), **(facts or {})}
    measurements = [m for entry in _entries(path) for m in _measurements(entry, path)]
    if not measurements:
        raise UserError(Fault("", "holds no finished measurement"), str(path))
    return [row for m in measurements for row in _tidy(m, known, path)]


def _entries(path: Path) -> Iterator[Any]:
    """The JSON values in a file: one, or several in a row, as tools that append leave them."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    decoder, at = json.JSONDecoder(), 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            raise UserError(Fault("", f"is not JSON: {error}"), str(path)) from None
        yield value


def _measurements(entry: Any, path: Path) -> list[Measurement]:
    from sim.study.imported import guidellm, inference_perf, vllm_bench

    if isinstance(entry, dict):
        for reader in (guidellm, inference_perf, vllm_bench):
            if reader.wrote(entry):
                return reader.read(entry, path)
    keys = (
        f"its keys are {', '.join(list(entry)[:12])}"
        if isinstance(entry, dict) and entry
        else "it is no table"
    )
    raise UserError(Fault("", f"is not a result of a known tool; {keys}", f"known: {TOOLS}"), str(path))


def _tidy(m: Measurement, known: Mapping[str, str], path: Path) -> list[dict[str, str]]:
    facts = {**{k: v for k, v in m.facts.items() if v}, **known}
    D.demand(facts, path, m.tool)
    notes = {D.NOTES[k]: facts[k] for k in D.NOTES if facts.get(k)} | {
        k: v for k, v in m.notes.items() if v is not None
    }
    base = {column: facts.get(column, "") for column in D.COLUMNS}
    base["source"] = facts.get("source", m.tool)
    base["url_or_repo_path"] = facts.get("url_or_repo_path", path.name)
    base["scenario"] = SCENARIOS[facts[D.LOAD]]
    base["num_gpus"] = facts.get("num_gpus") or _accelerators(facts, path)
    base["notes"] = "; ".join(f"{k}={_text(v)}" for k, v in notes.items())
    return [
        {**base, "metric": name, "value": repr(float(value))}
        for name, value in m.metrics.items()
        if math.isfinite(value) and value > 0
    ]


def _accelerators(facts: Mapping[str, str], path: Path) -> str:
    try:
        return str(math.prod(int(facts.get(key) or 1) for key in ("tp", "pp", "dp")))
    except ValueError:
        raise UserError(Fault("tp, pp, dp", "must be whole numbers"), str(path)) from None


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def number(value: object) -> float:
    """A number as JSON has it, nan where there is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def lengths(mean_input: float, mean_output: float) -> dict[str, str]:
    """Facts of mean lengths [tokens], where they are known."""
    pairs = {"input_len": mean_input, "output_len": mean_output}
    return {k: f"{v:g}" for k, v in pairs.items() if math.isfinite(v) and v > 0}
