"""Tables and a picture of how well measured images and videos are predicted: in sample, and left out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.cost.calibration import default_catalog
from sim.report.files import pyplot, save
from sim.study.held_out import metric_kind
from sim.study.jobs import JobReading
from sim.study.jobs_fit import LeftOut
from sim.study.validate import Answer, Readings, answers, read_files
from sim.study.validation_results import write_rows


def write_job_results(
    paths: Sequence[str | Path], tables: Mapping[str, Any], left_out: Sequence[LeftOut], folder: Path
) -> None:
    """errors.csv (by model, chip and metric), left_out.csv, predicted_against_measured.png in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = default_catalog().overlaid({"diffusion": tables["diffusion"]})
    found = answers(Readings((), (), read_files(paths).jobs), catalog)
    write_rows(error_rows(found), folder / "errors.csv")
    write_rows(left_out_rows(left_out), folder / "left_out.csv")
    plot_jobs(found, left_out, folder / "predicted_against_measured.png")


def error_rows(found: Iterable[Answer]) -> list[dict[str, Any]]:
    """Median and 90th percentile of the error by chip, model and kind of figure; all of a kind last."""
    parts: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for a in found:
        if a.why or not isinstance(a.reading, JobReading):
            continue
        kind = _kind(a.row.metric)
        fitted = "no" if a.reading.unfit else "yes"
        parts[a.reading.chip.name, a.reading.model.name, kind, fitted].append(
            math.log(a.predicted / a.row.value)
        )
        parts["all", "all", kind, fitted].append(math.log(a.predicted / a.row.value))
    order = sorted(parts, key=lambda k: (k[0] == "all", *k))
    return [
        {
            "accelerator": chip,
            "model": model,
            "figure": kind,
            "fitted_to": fitted,
            "rows": len(parts[chip, model, kind, fitted]),
            **_quantiles(parts[chip, model, kind, fitted]),
        }
        for chip, model, kind, fitted in order
    ]


def left_out_rows(left_out: Sequence[LeftOut]) -> list[dict[str, Any]]:
    """Errors of duration and energy of each group that was left out, and of all of a kind."""
    rows = []
    for kind in dict.fromkeys(o.kind for o in left_out):
        part = [o for o in left_out if o.kind == kind]
        for group in [*dict.fromkeys(o.group for o in part), "all"]:
            some = [o for o in part if group in (o.group, "all")]
            for figure in ("time", "energy"):
                logs = [math.log(getattr(o, f"{figure}_ratio")) for o in some]
                rows.append(
                    {
                        "left_out": kind,
                        "group": group,
                        "figure": figure,
                        "batches": len(some),
                        **_quantiles(logs),
                    }
                )
    return rows


def plot_jobs(found: Sequence[Answer], left_out: Sequence[LeftOut], path: Path) -> None:
    """Durations predicted against measured in sample; errors of time in sample and left out, by model."""
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6), width_ratios=(1, 1.15))
    good = [
        a for a in found if not a.why and a.row.metric == "latency_ms" and isinstance(a.reading, JobReading)
    ]
    chips = sorted({a.reading.chip.name for a in good if a.reading})
    for i, chip in enumerate(chips):
        some = [a for a in good if a.reading and a.reading.chip.name == chip]
        x, y = [a.row.value / 1e3 for a in some], [a.predicted / 1e3 for a in some]
        left.loglog(x, y, ".", ms=5, alpha=0.6, color=f"C{i}", label=f"{chip} ({len(some)} batches)")
    ends = np.array([min(a.row.value for a in good), max(a.row.value for a in good)]) / 1e3
    left.plot(ends, ends, "k-", lw=0.8)
    left.fill_between(ends, ends / 1.25, ends * 1.25, color="0.85", zorder=0, label="within 25 %")
    left.set_xlabel("measured time of a batch [s]")
    left.set_ylabel("predicted [s]")
    left.legend(fontsize=8)
    left.set_title("Batches of images and videos, in sample")
    _plot_groups(right, good, left_out)
    figure.tight_layout()
    save(figure, path)


def _plot_groups(axis: Any, good: Sequence[Answer], left_out: Sequence[LeftOut]) -> None:
    """Median error of time of each model, in sample and with the model left out."""
    inside: dict[str, list[float]] = defaultdict(list)
    outside: dict[str, list[float]] = defaultdict(list)
    for a in good:
        if isinstance(a.reading, JobReading) and not a.reading.unfit:
            inside[a.reading.model.name].append(a.ape)
    for o in left_out:
        if o.kind == "model":
            outside[o.group].append(abs(o.time_ratio - 1))
    names = sorted(inside, key=lambda n: np.median(inside[n]))
    place = np.arange(len(names))
    axis.barh(place + 0.2, [100 * np.median(inside[n]) for n in names], 0.38, label="in sample")
    if outside:
        axis.barh(
            place - 0.2, [100 * np.median(outside[n]) for n in names], 0.38, label="model left out of the fit"
        )
    axis.set_yticks(place, names, fontsize=8)
    axis.set_xlabel("median error of a batch's time [%]")
    axis.legend(fontsize=8, loc="lower right")
    axis.set_title("By model")


def _kind(metric: str) -> str:
    kind = metric_kind(metric)
    return "power" if metric.startswith("power") else {"latency": "time"}.get(kind, kind)


def _quantiles(logs: Sequence[float]) -> dict[str, float]:
    ape = np.abs(np.expm1(np.array(logs)))
    return {
        "median_ape": round(float(np.nanmedian(ape)), 4),
        "p90_ape": round(float(np.nanquantile(ape, 0.9)), 4),
        "median_ratio": round(float(np.exp(np.nanmedian(logs))), 4),
    }
