"""Tables and plots of a validation: CSV files, and PNG plots where matplotlib is installed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.report.files import pyplot, save
from sim.study.held_out import metric_kind
from sim.study.jobs import JobReading
from sim.study.setup import Reading
from sim.study.validate import Answer, by, errors

PAIRS = (("B200", "H100"), ("H200", "H100"), ("H100", "A100"), ("A100", "V100"))
"""Newer and older chip, by the beginning of their names, whose ratio is shown on the same work."""


def write_tables(found: Sequence[Answer], folder: Path) -> None:
    """by_source.csv, by_generation.csv, by_stack.csv, worst.csv, unanswered.csv, generations.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    read = [a for a in found if a.reading is not None]
    _write(folder / "by_source.csv", _errors_by(found, lambda a: a.row.text["source"], "source"))
    _write(
        folder / "by_generation.csv", _errors_by(read, lambda a: _reading(a).chip.generation, "generation")
    )
    _write(folder / "by_stack.csv", _errors_by(read, lambda a: _reading(a).setup.deployment.stack, "stack"))
    _write(folder / "worst.csv", worst_rows(found))
    _write(folder / "unanswered.csv", _unanswered(found))
    _write(folder / "generations.csv", generation_ratios(found))


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Any table of equal rows as CSV."""
    _write(path, rows)


def worst_rows(found: Sequence[Answer], count: int = 10) -> list[dict[str, Any]]:
    """The rows with the largest errors, one of each configuration."""
    worst, seen = [], set()
    for a in sorted((a for a in found if not a.why), key=lambda a: -a.ape):
        if _reading(a).setup in seen:
            continue
        seen.add(_reading(a).setup)
        text = a.row.text
        names = ("source", "accelerator", "model", "framework", "tp", "batch_or_concurrency")
        worst.append(
            {
                **{n: text[n] for n in (*names, "input_len", "output_len")},
                "metric": a.row.metric,
                "measured": a.row.value,
                "predicted": _short(a.predicted),
                "fitted_to": "no" if _reading(a).unfit else "yes",
            }
        )
        if len(worst) == count:
            break
    return worst


def generation_ratios(found: Sequence[Answer]) -> list[dict[str, Any]]:
    """Newer over older chip on the same model, load, source and metric: measured and predicted medians."""
    cells: dict[tuple, dict[str, Answer]] = {}
    for a in found:
        if a.why or metric_kind(a.row.metric) == "energy":
            continue
        text = a.row.text
        same = (text["source"], _reading(a).model.name, a.row.metric, text["precision"])
        load = (text["batch_or_concurrency"], text["input_len"], text["tp"], text["num_gpus"])
        task = a.row.notes.get("task", "")
        cells.setdefault((*same, *load, task, _output(a)), {})[_reading(a).chip.name] = a
    rows = []
    for newer, older in PAIRS:
        groups: dict[tuple, list[tuple[float, float]]] = {}
        for key, chips in cells.items():
            new = next((x for n, x in chips.items() if n.startswith(newer)), None)
            old = next((x for n, x in chips.items() if n.startswith(older)), None)
            if new and old:
                pair = (new.row.value / old.row.value, new.predicted / old.predicted)
                groups.setdefault(key[:3], []).append(pair)
        rows += [_ratio_row(newer, older, key, pairs) for key, pairs in sorted(groups.items())]
    return rows


def _reading(a: Answer) -> Reading | JobReading:
    assert a.reading is not None, "only rows with a setup are asked for one"
    return a.reading


def _output(a: Answer) -> str:
    """Output length, which differs slightly between chips where answers end by themselves."""
    text = a.row.text["output_len"]
    return text if text.isdigit() else ""


def _ratio_row(newer: str, older: str, key: tuple, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    measured, predicted = (sorted(p[i] for p in pairs)[len(pairs) // 2] for i in (0, 1))
    return {
        "newer": newer,
        "older": older,
        "source": key[0],
        "model": key[1],
        "metric": key[2],
        "pairs": len(pairs),
        "measured_ratio": _short(measured),
        "predicted_ratio": _short(predicted),
    }


def plot(found: Sequence[Answer], path: Path) -> None:
    """Predicted against measured by generation, one panel per kind of metric. Needs matplotlib."""
    plt = pyplot()
    kinds = ("tpot", "ttft", "latency", "throughput")
    figure, axes = plt.subplots(2, 2, figsize=(10, 10))
    good = [a for a in found if not a.why]
    generations = sorted({_reading(a).chip.generation for a in good})
    colors = {name: f"C{i}" for i, name in enumerate(generations)}
    for axis, kind in zip(axes.flat, kinds, strict=True):
        part = [a for a in good if metric_kind(a.row.metric) == kind]
        for generation, some in sorted(by(part, lambda a: _reading(a).chip.generation).items()):
            axis.loglog(
                [a.row.value for a in some],
                [a.predicted for a in some],
                ".",
                ms=3,
                alpha=0.5,
                color=colors[generation],
                label=generation,
            )
        ends = [min(a.row.value for a in part), max(a.row.value for a in part)] if part else [1, 10]
        axis.plot(ends, ends, "k-", lw=0.8)
        axis.set_title(kind)
        unit = "tokens/s, images/s" if kind == "throughput" else "ms"
        axis.set_xlabel(f"measured [{unit}]")
        axis.set_ylabel(f"predicted [{unit}]")
        if part:
            axis.legend(fontsize=7)
    figure.tight_layout()
    save(figure, path)


def plot_held_out(rows: Sequence[Mapping[str, Any]], in_sample: Mapping[str, float], path: Path) -> None:
    """Median errors in sample and left out, by kind of metric. Needs matplotlib."""
    plt = pyplot()
    kinds = ("tpot", "ttft", "latency", "throughput")
    ways = ("accelerator x model", "stack", "generation")
    medians = {(r["left_out"], r["metric"]): r["median_ape"] for r in rows if r["by"] == "all"}
    figure, axis = plt.subplots(figsize=(8, 4))
    for i, way in enumerate(("in sample", *ways)):
        heights = [in_sample.get(k, 0.0) if i == 0 else medians.get((way, k), 0.0) for k in kinds]
        axis.bar([j + 0.2 * i for j in range(len(kinds))], heights, 0.18, label=way)
    axis.set_xticks([j + 0.3 for j in range(len(kinds))], kinds)
    axis.set_ylabel("median |predicted / measured - 1|")
    axis.legend()
    figure.tight_layout()
    save(figure, path)


def in_sample_medians(found: Sequence[Answer]) -> dict[str, float]:
    """Median error by kind of metric."""
    parts = by((a for a in found if not a.why), lambda a: metric_kind(a.row.metric))
    return {kind: errors(part)["median_ape"] for kind, part in parts.items()}


def _errors_by(found: Iterable[Answer], key: Callable[[Answer], str], name: str) -> list[dict[str, Any]]:
    parts = by(found, lambda a: (key(a), a.row.metric))
    return [
        {name: group, "metric": metric, **{k: _short(v) for k, v in errors(part).items()}}
        for (group, metric), part in sorted(parts.items())
    ]


def _unanswered(found: Iterable[Answer]) -> list[dict[str, Any]]:
    parts = by((a for a in found if a.why), lambda a: (a.row.text["source"], a.row.metric, a.why))
    return [
        {"source": s, "metric": m, "why": w, "rows": len(part)} for (s, m, w), part in sorted(parts.items())
    ]


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["empty"])
        writer.writeheader()
        writer.writerows({k: _short(v) for k, v in row.items()} for row in rows)
