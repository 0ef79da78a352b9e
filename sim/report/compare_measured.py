"""Measured ratios of generations beside the simulated ones, where the same model was measured on both."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import Fault, UserError

NEEDED = ("newer", "older", "source", "model", "metric", "pairs", "measured_ratio", "predicted_ratio")
THROUGHPUT = ("tokens_per_s_output", "output_tokens_per_s_per_gpu", "tokens_per_s_total")


def measured_ratios(report: Mapping[str, Any], path: str | Path) -> list[dict[str, Any]]:
    """Rows of a table such as results/validation/generations.csv for the report's model and pairs of accelerators.

    predicted_ratio is of the same protocol as the measurement (equal batch, equal count); fleet_ratio is of this
    report's fleets, each in its own deployment at equal targets (output tokens/s for each accelerator, or median TPOT
    or TTFT): the two answer different questions.  Raises UserError for a file that is no such table.
    """
    fitting = {r["accelerator"]: r for r in report["rows"] if r["fits"]}
    models = {d["model"] for r in fitting.values() for d in r["deployment"]}
    found = []
    for row in _read(path):
        if row["model"] not in models:
            continue
        newer, older = (
            next((n for n in fitting if n.split("-")[0] == row[k]), None) for k in ("newer", "older")
        )
        if newer is None or older is None:
            continue
        found.append(
            {
                **{k: row[k] for k in ("newer", "older", "source", "model", "metric")},
                "pairs": int(row["pairs"]),
                "measured_ratio": float(row["measured_ratio"]),
                "predicted_ratio": float(row["predicted_ratio"]),
                "fleet_ratio": _fleet_ratio(fitting[newer], fitting[older], row["metric"]),
            }
        )
    return found


def _fleet_ratio(newer: Mapping[str, Any], older: Mapping[str, Any], metric: str) -> float | None:
    a, b = newer["equal_slo"], older["equal_slo"]
    if metric in THROUGHPUT:
        return a["tokens_per_s_per_accelerator"] / b["tokens_per_s_per_accelerator"]
    name = next((n for n in ("tpot_s", "ttft_s") if metric.startswith(n[:4])), None)
    if name is None:
        return None
    return a["latency"][name]["p50"] / b["latency"][name]["p50"]


def _read(path: str | Path) -> list[dict[str, str]]:
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UserError(Fault("--measured", f'cannot read "{path}": {error.strerror}')) from None
    if rows and not set(NEEDED) <= rows[0].keys():
        raise UserError(Fault("--measured", f'"{path}" needs the columns {", ".join(NEEDED)}'))
    return rows
