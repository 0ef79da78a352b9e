"""A comparison of techniques as files: compare.json, compare.csv and compare.png."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.report.files import flat, pyplot, save, write_csv, write_json

Report = Mapping[str, Any]
_COLOURS = {"tokens": "0.55", "light": "C2", "saturated": "C1", "resized": "C0"}


def write_techniques(report: Report, place: Path) -> None:
    """Write the report into the folder `place`. The picture needs matplotlib."""
    place.mkdir(parents=True, exist_ok=True)
    write_json(report, place / "compare.json")
    write_csv(
        [flat({k: v for k, v in r.items() if k != "effects"}) for r in report["rows"]], place / "compare.csv"
    )
    effects = [
        {"technique": r["technique"], "prefix_cache": r["prefix_cache"], **e}
        for r in report["rows"]
        for e in r["effects"]
    ]
    if effects:
        write_csv(effects, place / "errors.csv")
    plot(report, place / "compare.png")


def plot(report: Report, path: Path) -> None:
    """Multipliers of tokens beside those of joules (both views of load) and dollars, without and with prefix cache."""
    plt = pyplot()
    shown = [r for r in report["rows"] if r["technique"] != report["base"]]
    first = [r for r in shown if not r["prefix_cache"]]
    figure, axes = plt.subplots(1, 2, figsize=(13, 0.52 * len(first) + 2.2), sharey=True, sharex=True)
    for axis, cache in zip(axes, (False, True), strict=True):
        _bars(axis, [r for r in shown if r["prefix_cache"] == cache])
        axis.set_title(f"{'with' if cache else 'without'} prefix cache", fontsize=11)
        axis.set_yticks(range(len(first)), [r["technique"] for r in first], fontsize=9)
        axis.set_xlabel("times plain requests", fontsize=9)
        axis.axvline(10, color="k", lw=0.8, ls="--", zorder=0)
        axis.axvline(1.1, color="k", lw=0.8, ls=":", zorder=0)
        axis.set_ylim(-0.6, len(first) - 0.4)
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=4, fontsize=9, frameon=False)
    figure.suptitle(
        f"{report['scenario']}: what techniques multiply (dotted: 10 % more; dashed: an order of magnitude)",
        fontsize=12,
    )
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    save(figure, path)


def _bars(axis: Any, rows: list[Report]) -> None:
    """Four bars a technique: tokens; joules with little demand and saturated; dollars of the resized fleet."""
    series = (
        ("tokens", "tokens", lambda q: q["tokens"]),
        ("light", "joules, little demand", lambda q: q["light"]["joules"]),
        ("saturated", "joules, saturated", lambda q: q["saturated"]["joules"]),
        ("resized", "dollars, fleet resized", lambda q: q["resized"] and q["resized"]["usd"]),
    )
    for i, (key, label, value) in enumerate(series):
        values = [value(r["ratio_to_base"]) for r in rows]
        places = [n + 0.2 * (i - 1.5) for n in range(len(rows))]
        axis.barh(places, [v or 0 for v in values], 0.18, color=_COLOURS[key], label=label)
        for place, v in zip(places, values, strict=True):
            text = "none meets the targets" if v is None else f"{v:.3g}"
            box = {"facecolor": "w", "edgecolor": "none", "pad": 0.4, "alpha": 0.9}
            axis.text((v or 1) * 1.04, place, text, va="center", fontsize=6.5, bbox=box)
    axis.set_xscale("log")
    most = max((v for _, _, value in series for r in rows if (v := value(r["ratio_to_base"]))), default=10.0)
    axis.set_xticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
    axis.minorticks_off()
    axis.set_xlim(0.9, max(30.0, 2.2 * most))
    axis.tick_params(axis="x", labelsize=8)
