"""A comparison as files: compare.json, compare.csv and compare.png."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.report.files import flat, pyplot, save, write_csv, write_json

Report = Mapping[str, Any]


def write_compare(report: Report, place: Path) -> None:
    """Write the report of either mode into the folder `place`. The picture needs matplotlib."""
    place.mkdir(parents=True, exist_ok=True)
    write_json(report, place / "compare.json")
    rows = [flat(r) for r in report["rows"]]
    write_csv(rows, place / "compare.csv")
    if report.get("measured"):
        write_csv(report["measured"], place / "measured_ratios.csv")
    if report["mode"] == "accelerators":
        plot(report, place / "compare.png")


def plot(report: Report, path: Path) -> None:
    """Four bars for each accelerator that meets the targets: how many, $/Mtok, J/token, tokens/s each."""
    plt = pyplot()
    rows = [r for r in report["rows"] if r["fits"]]
    panels = (
        ("accelerators", "accelerators in the fleet"),
        ("usd_per_mtok_output", "$ per million output tokens"),
        ("j_per_output_token", "J per output token (site)"),
        ("tokens_per_s_per_accelerator", "output tokens/s per accelerator"),
    )
    figure, axes = plt.subplots(2, 2, figsize=(11, 0.5 * len(rows) + 4), sharey=True)
    places = range(len(rows))
    for axis, (key, title) in zip(axes.flat, panels, strict=True):
        values = [r["equal_slo"][key] for r in rows]
        axis.barh(places, values, color=["C1" if r["accelerator"] == report["base"] else "C0" for r in rows])
        for i, v in enumerate(values):
            axis.text(v * 1.05, i, f"{v:.3g}" if v < 1e3 else f"{v:,.0f}", va="center", fontsize=8)
        axis.set_xscale("log")
        axis.set_xlim(min(values) / 2, max(values) * 4)
        axis.set_title(title, fontsize=10)
        axis.set_yticks(list(places), [r["accelerator"] for r in rows], fontsize=8)
        axis.tick_params(axis="x", labelsize=8)
    axes[0, 0].invert_yaxis()
    figure.suptitle(f"{report['scenario']}: the smallest fleet of each that meets the targets", fontsize=11)
    figure.tight_layout()
    save(figure, path)
