"""Predict every measured row as it was measured, and report the error by group and by metric."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.cost.calibration import Catalog
from sim.cost.step import fitted_for
from sim.errors import UserError
from sim.study import setup as S
from sim.study.jobs import JobReading, JobSetup, predict_job, read_job
from sim.study.protocols import predict
from sim.study.rows import Case, Row, cases, read_rows
from sim.study.setup import Reading, Setup, Unanswered

_SAME_METRIC = {
    "ttft_ms_median": "ttft_ms_p50",
    "tpot_ms_median": "tpot_ms_p50",
    "itl_ms": "tpot_ms",
    "itl_ms_mean": "tpot_ms_mean",
    "itl_ms_median": "tpot_ms_p50",
    "itl_ms_p50": "tpot_ms_p50",
    "itl_ms_p90": "tpot_ms_p90",
    "itl_ms_p99": "tpot_ms_p99",
    "e2e_ms": "latency_ms",
    "e2e_latency_ms": "latency_ms",
    "elapsed_seconds_median": "elapsed_seconds",
    "output_tokens_per_s": "tokens_per_s_output",
    "total_tokens_per_s": "tokens_per_s_total",
    "gpu_joules_per_batch": "joules_per_batch",
    "samples_per_s": "requests_per_s",
    "queries_per_s": "requests_per_s",
}
WORST = 10
"""Rows in the report's list of the worst."""


@dataclass(frozen=True)
class Answer:
    """One row with its prediction; `why` says why there is none (predicted is nan then)."""

    row: Row
    reading: Reading | JobReading | None
    predicted: float
    why: str

    @property
    def ape(self) -> float:
        """|predicted / measured - 1|."""
        return abs(self.predicted / self.row.value - 1.0)


@dataclass(frozen=True)
class Readings:
    """Cases read from files: text, images and videos (`jobs`) that have a setup, and the others."""

    answered: tuple[Reading, ...]
    unanswered: tuple[Unanswered, ...]
    jobs: tuple[JobReading, ...] = ()


def read_files(paths: Iterable[str | Path]) -> Readings:
    """Every configuration of the files, in order. Raises UserError for files that are not of the schema."""
    found = [read_job(case) or S.read(case) for case in cases(read_rows(paths))]
    return Readings(
        tuple(r for r in found if isinstance(r, Reading)),
        tuple(r for r in found if isinstance(r, Unanswered)),
        tuple(r for r in found if isinstance(r, JobReading)),
    )


def answers(readings: Readings, catalog: Catalog | None = None) -> list[Answer]:
    """Every row with its prediction by `catalog` (default: the one in force), equal setups predicted once."""
    known: dict[Setup | JobSetup, Mapping[str, float] | str] = {}
    found = [Answer(row, None, math.nan, u.why) for u in readings.unanswered for row in u.case.rows]
    for reading in (*readings.answered, *readings.jobs):
        if reading.setup not in known:
            known[reading.setup] = _metrics(reading, catalog)
        found += [_answer(row, reading, known[reading.setup]) for row in reading.case.rows]
    return found


def metric_name(metric: str) -> str:
    """The name that a metric has among the predicted ones."""
    return _SAME_METRIC.get(metric, metric)


def validate(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Predict every row of the files.

    Returns {"groups": [...], "overall": {metric: {"rows", "answered", "median_ape", "p90_ape"}},
    "unanswered": [...], "worst": [...], "assumptions": [...]}; errors are |predicted / measured - 1|, and None
    where nothing was answered. A group is one source, accelerator, model, stack and metric.
    Raises UserError for files that are not of the schema.
    """
    return report(answers(read_files(paths)))


def report(found: Sequence[Answer]) -> dict[str, Any]:
    """The report of `validate` for answers at hand."""
    good = [a for a in found if not a.why]
    worst = sorted(good, key=lambda a: -a.ape)[:WORST]
    return {
        "groups": _groups(found),
        "overall": {name: errors(part) for name, part in sorted(by(found, lambda a: a.row.metric).items())},
        "unanswered": _unanswered(found),
        "worst": [_row(a) for a in worst],
        "assumptions": _assumptions(good),
    }


def errors(found: Sequence[Answer]) -> dict[str, Any]:
    """Rows, answered rows, median and 90th percentile of the error, and median of log(predicted/measured)."""
    apes = np.array([a.ape for a in found if not a.why])
    ratios = np.array([a.predicted / a.row.value for a in found if not a.why])
    some = len(apes) > 0
    return {
        "rows": len(found),
        "answered": len(apes),
        "median_ape": float(np.median(apes)) if some else None,
        "p90_ape": float(np.quantile(apes, 0.9)) if some else None,
        "median_ratio": float(np.median(ratios)) if some else None,
    }


def by(found: Iterable[Answer], key) -> dict[Any, list[Answer]]:
    """Answers grouped by `key`, in order of first appearance."""
    groups: dict[Any, list[Answer]] = defaultdict(list)
    for answer in found:
        groups[key(answer)].append(answer)
    return groups


def _metrics(reading: Reading | JobReading, catalog: Catalog | None) -> Mapping[str, float] | str:
    try:
        if isinstance(reading, JobReading):
            return predict_job(reading, catalog)
        fitted = fitted_for(reading.chip, reading.setup.deployment, catalog)
        found = predict(reading.setup, reading.model, reading.chip, fitted).metrics
    except UserError as error:
        return str(error.faults[0].message)
    return found or "no request fits the KV room"


def _answer(row: Row, reading: Reading | JobReading, known: Mapping[str, float] | str) -> Answer:
    if isinstance(known, str):
        return Answer(row, reading, math.nan, known)
    value = known.get(metric_name(row.metric), math.nan)
    why = ""
    if math.isnan(value):
        why = f'metric "{row.metric}" is not one that this way of measuring predicts'
    elif not 0 < row.value < math.inf:
        why = "the measured value is zero or no number: nothing was measured"
    return Answer(row, reading, value, why)


def _groups(found: Sequence[Answer]) -> list[dict[str, Any]]:
    names = ("source", "accelerator", "model", "stack", "metric")
    parts = by(found, _group_of)
    return [{**dict(zip(names, key, strict=True)), **errors(part)} for key, part in parts.items()]


def _group_of(answer: Answer) -> tuple[str, ...]:
    text, reading = answer.row.text, answer.reading
    if reading is None:
        return text["source"], text["accelerator"], text["model"], text["framework"], answer.row.metric
    stack = reading.setup.deployment.stack
    return text["source"], reading.chip.name, reading.model.name, stack, answer.row.metric


def _unanswered(found: Sequence[Answer]) -> list[dict[str, Any]]:
    count = Counter((a.row.text["source"], a.row.metric, a.why) for a in found if a.why)
    return [{"source": s, "metric": m, "why": w, "rows": n} for (s, m, w), n in count.most_common()]


def _assumptions(found: Sequence[Answer]) -> list[dict[str, Any]]:
    count = Counter(
        (a.row.text["source"], text) for a in found if a.reading for text in a.reading.assumptions
    )
    return [{"source": s, "assumption": t, "rows": n} for (s, t), n in count.most_common()]


def _row(answer: Answer) -> dict[str, Any]:
    case: Case | None = answer.reading.case if answer.reading else None
    text = case.text if case else answer.row.text
    columns = ("source", "accelerator", "model", "framework", "tp", "batch_or_concurrency", "input_len")
    return {
        **{c: text[c] for c in (*columns, "output_len")},
        "metric": answer.row.metric,
        "measured": answer.row.value,
        "predicted": answer.predicted,
        "file": answer.row.file,
        "line": answer.row.line,
    }
