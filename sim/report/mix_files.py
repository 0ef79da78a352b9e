"""A capacity mix as files: mix.json, tables, and the load-duration curve with what each band of it is had as."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.report.files import pyplot, save, write_csv, write_json
from sim.report.words import fine

Report = Mapping[str, Any]
COLOURS = {"fixed": "#4c72b0", "spot": "#55a868", "on demand": "#dd8452", "spill": "#c44e52"}
LABELS = {"fixed": "all the time", "spot": "spot", "on demand": "on demand", "spill": "API"}
PARTS = {
    "fixed": "fixed_usd_per_h",
    "spot": "spot_usd_per_h",
    "on demand": "on_demand_usd_per_h",
    "spill": "spill_usd_per_h",
}


def write_mix(report: Report, place: Path) -> None:
    """Write the report into the folder `place`. The picture needs matplotlib."""
    place.mkdir(parents=True, exist_ok=True)
    write_json(report, place / "mix.json")
    write_csv(report["levels"], place / "levels.csv")
    ways = {"the mix": report["mix"], **report["strategies"]}
    write_csv([{"way": name, **m} for name, m in ways.items()], place / "ways.csv")
    write_csv(report["sensitivity"], place / "sensitivity.csv")
    plot(report, place / "mix.png")


def plot(report: Report, path: Path) -> None:
    """Left: replicas needed by share of hours, coloured by how they are had. Right: what each way costs an hour."""
    from matplotlib.patches import Patch

    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.6), width_ratios=(1.25, 1))
    _duration(left, report)
    _ways(right, report)
    handles = [Patch(color=COLOURS[k], label=LABELS[k]) for k in COLOURS]
    left.legend(handles=handles, loc="upper right", fontsize=9, frameon=False, ncols=2)
    figure.suptitle(
        f"{report['scenario']}: {report['hours']} hours on {report['accelerator']}, "
        f"{report['accelerators_per_replica']} a replica",
        fontsize=11,
    )
    figure.tight_layout()
    save(figure, path)


def _duration(axis: Any, report: Report) -> None:
    """Of a load that is uncertain: of its median."""
    needed = sorted(report["needed"], reverse=True)
    share = [100 * i / len(needed) for i in range(len(needed) + 1)]
    for level in report["levels"]:
        low, high = level["from"] - 1, level["to"]
        tops = [min(max(n, low), high) for n in needed]
        axis.fill_between(
            share, low, [*tops, tops[-1]], step="post", color=COLOURS[level["had"]], alpha=0.85, lw=0
        )
        if level["had"] == "fixed":  # paid for also where it is not needed
            axis.fill_between(
                share, [*tops, tops[-1]], high, step="post", color=COLOURS["fixed"], alpha=0.25, lw=0
            )
    axis.step(share, [*needed, needed[-1]], where="post", color="black", lw=1)
    axis.set_xlabel("share of the hours [%]")
    axis.set_ylabel("replicas needed")
    axis.set_xlim(0, 100)
    axis.set_ylim(0, max(max(needed), report["levels"][-1]["to"]) * 1.18)
    axis.set_title("load-duration curve and how each level is had (pale: paid for, not needed)", fontsize=9)


def _ways(axis: Any, report: Report) -> None:
    ways = {"the mix": report["mix"], **report["strategies"]}
    places = range(len(ways))
    before = [0.0] * len(ways)
    for kind, key in PARTS.items():
        values = [m[key] for m in ways.values()]
        axis.barh(places, values, left=before, color=COLOURS[kind])
        before = [b + v for b, v in zip(before, values, strict=True)]
    for i, total in enumerate(before):
        axis.text(total + 0.01 * max(before), i, f"${fine(total)}", va="center", fontsize=9)
    axis.set_yticks(list(places), list(ways), fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.18 * max(before))
    axis.set_xlabel("$ per hour, in the mean")
    axis.set_title("what the same demand costs in each way", fontsize=9)
