"""Errors of rows that were left out, by how they were left out; and what they say to expect of an answer."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from sim.study.crossval import HeldOut

_NOTES = {
    "measured": "stack, generation and precision measured, with other models or sizes",
    "same family": "generation measured, this stack or precision not",
    "datasheet only": "generation never measured: datasheet figures and the efficiencies of its relatives",
}
_LEFT_OUT = {
    "measured": "accelerator x model",
    "same family": "stack",
    "datasheet only": "generation",
}


def metric_kind(metric: str) -> str:
    """ "ttft", "tpot", "latency", "throughput" or "energy"."""
    if metric.startswith("ttft"):
        return "ttft"
    if metric.startswith(("tpot", "itl")):
        return "tpot"
    if "tokens_per_s" in metric or metric == "requests_per_s" or metric.startswith("throughput"):
        return "throughput"
    return "energy" if "joules" in metric or metric.startswith("power") else "latency"


def summary(held: Sequence[HeldOut]) -> list[dict[str, Any]]:
    """Median and 90th percentile of the error: of each way of leaving out, all, by source, and by group left
    out; rows count as often as they were measured."""
    found = []
    for kind in dict.fromkeys(h.kind for h in held):
        part = [h for h in held if h.kind == kind]
        found += _table(kind, "all", part, lambda _: "")
        found += _table(kind, "source", part, _source)
        found += _table(kind, "left out", part, lambda h: h.group)
        if kind == "accelerator x model":
            found += _table(kind, "stack seen", part, lambda h: str(h.seen_stack).lower())
    return found


def expected_errors(held: Sequence[HeldOut]) -> dict[str, dict[str, Any]]:
    """Errors to expect of TPOT, TTFT and tokens/s by how well an answer is known, for the catalog."""
    found = {}
    for basis, kind in _LEFT_OUT.items():
        part = [h for h in held if h.kind == kind and (kind != _LEFT_OUT["measured"] or h.seen_stack)]
        medians = {name: _median(part, name) for name in ("tpot", "ttft", "throughput")}
        found[basis] = {**medians, "note": _NOTES[basis]}
    # a chip that nobody has measured comes with a stack that was not measured on it: both errors
    both = [found["same family"], found["datasheet only"]]
    joint = {n: round(math.hypot(*(b[n] for b in both)), 3) for n in ("tpot", "ttft", "throughput")}
    return {**found, "datasheet only": {**found["datasheet only"], **joint}}


def _source(h: HeldOut) -> str:
    return h.observation.reading.case.text["source"]


def _table(
    kind: str, by: str, part: Sequence[HeldOut], key: Callable[[HeldOut], str]
) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for h in part:
        for name, error, rows in _errors(h):
            groups[key(h), metric_kind(name)].append((error, rows))
    return [
        {
            "left_out": kind,
            "by": by,
            "group": group,
            "metric": metric,
            "rows": round(sum(r for _, r in pairs)),
            "median_ape": _quantile(pairs, 0.5),
            "p90_ape": _quantile(pairs, 0.9),
        }
        for (group, metric), pairs in sorted(groups.items())
    ]


def _errors(h: HeldOut) -> Iterable[tuple[str, float, float]]:
    o = h.observation
    for name, predicted, measured, rows in zip(o.metrics, h.predicted, o.measured, o.rows, strict=True):
        if math.isfinite(predicted):
            yield name, abs(math.exp(predicted - measured) - 1.0), rows


def _median(part: Sequence[HeldOut], kind: str) -> float:
    pairs = [(e, r) for h in part for name, e, r in _errors(h) if metric_kind(name) == kind]
    return round(_quantile(pairs, 0.5), 3)


def _quantile(pairs: Sequence[tuple[float, float]], q: float) -> float:
    """Quantile of values that count as often as their weight says; nan for none."""
    if not pairs:
        return math.nan
    values, weights = np.array(pairs, np.float64).T
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, q * cumulative[-1])])
