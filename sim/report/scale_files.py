"""A scale study or a load curve as files: the report (JSON), tables (CSV) and a picture (PNG)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.report.compare_files import flat, write_csv

Report = Mapping[str, Any]


def write_scale(report: Report, place: Path) -> None:
    """Write the report of either mode into the folder `place`. The pictures need matplotlib."""
    place.mkdir(parents=True, exist_ok=True)
    stem = "load_curve" if report["mode"] == "load curve" else "scale"
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    (place / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    if stem == "load_curve":
        points = [{"fleet": n, **flat(p)} for n, c in report["curves"].items() for p in c["points"]]
        write_csv(points, place / "load_curve.csv")
        plot_curves(report, place / "load_curve.png")
        return
    write_csv([flat(r) for r in report["rows"]], place / "scale.csv")
    write_csv(_slopes(report["elasticity"]), place / "elasticity.csv")
    write_csv(report["history"], place / "history.csv")
    plot_scale(report, place / "scale.png")
    if "mitigated" in report:
        write_csv([flat(r) for r in report["mitigated"]["rows"]], place / "scale_mitigated.csv")


def _slopes(found: Report) -> list[dict[str, Any]]:
    kinds = {k: v for k, v in found.items() if isinstance(v, Mapping) and k != "planned_without"}
    kinds |= {f"planned_without_{k}": v for k, v in found["planned_without"].items()}
    return [
        {"kind": kind, "where": where, **slope}
        for kind, parts in kinds.items()
        for where, slope in parts.items()
        if slope is not None
    ]


def plot_scale(report: Report, path: Path) -> None:
    """Cost per request against users, and the parts of the planned cost."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = report["rows"]
    users = [r["users"] for r in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2))

    def per_request(value: Any) -> list[float]:
        return [100 * value(r) / r["requests_per_day"] for r in rows]

    lines = (
        ("(i) fixed fleet of the largest size", "C7", "--", lambda r: r["fixed_fleet"]["usd_per_day"]),
        ("(ii) re-planned, serving alone", "C0", "o-", lambda r: r["planned"]["core_usd_per_day"]),
        ("(ii) re-planned, with training, spare, ...", "C1", "s-", lambda r: r["planned"]["usd_per_day"]),
        ("conventional, with its code", "C2", "^-", lambda r: r["conventional"]["usd_per_day"]),
        ("conventional, running alone", "C2", "v--", lambda r: r["conventional"]["running_usd_per_day"]),
    )
    for label, color, style, value in lines:
        left.loglog(users, per_request(value), style, color=color, label=label)
    if "mitigated" in report:
        other = report["mitigated"]
        values = [100 * r["planned"]["core_usd_per_day"] / r["requests_per_day"] for r in other["rows"]]
        left.loglog(users, values, "D-", color="C3", label=f"(ii) serving alone, with {other['technique']}")
    start = report["elasticity"]["saturated_from_users"]
    if start is not None:
        left.axvline(start, color="k", lw=0.8, ls=":")
        left.text(start * 1.1, left.get_ylim()[1] / 3, "past saturation", fontsize=8, va="top")
    left.set_xlabel("users")
    left.set_ylabel("US cents per request")
    left.set_title("Cost of a request: simulated, technology and work fixed", fontsize=10)
    left.legend(fontsize=8)
    left.grid(alpha=0.3)
    names = ("serving", "headroom", "spare", "training", "cache", "discount")
    for i, name in enumerate(names):
        values = per_request(lambda r, name=name: r["planned"]["parts_usd_per_day"][name])
        right.plot(users, values, "o-", ms=4, color=f"C{i}", label=name)
    right.set_xscale("log")
    right.set_yscale("symlog", linthresh=0.001)
    right.axhline(0, color="k", lw=0.6)
    right.set_xlabel("users")
    right.set_ylabel("US cents per request (symmetric log)")
    right.set_title("Parts of the re-planned cost (negative: saved)", fontsize=10)
    right.legend(fontsize=8)
    right.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_curves(report: Report, path: Path) -> None:
    """Cost, TTFT and TPOT against load."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(14, 4.6))
    plain = "{x:g}"
    for i, (name, curve) in enumerate(report["curves"].items()):
        points = [p for p in curve["points"] if not p["overloaded"]]
        load = [100 * p["share"] for p in points]
        label = f"{curve['replicas']} {'replica' if curve['replicas'] == 1 else 'replicas'}"
        axes[0].loglog(
            load, [p["usd_per_mtok_output"] for p in points], "o-", ms=4, color=f"C{i}", label=label
        )
        if curve["knee"] is not None:
            knee = curve["knee"]
            axes[0].plot(
                100 * knee["share"],
                knee["usd_per_mtok_output"],
                "*",
                ms=14,
                color=f"C{i}",
                label=f"knee, {name}",
            )
        for axis, key in ((axes[1], "ttft"), (axes[2], "tpot")):
            for q, style in (("p50", "-"), ("p99", "--")):
                values = [1e3 * p[f"{key}_{q}_s"] for p in points]
                axis.semilogy(load, values, style, color=f"C{i}", label=f"{label}, {q}")
    for axis, title in zip(axes, ("$ per million output tokens", "TTFT [ms]", "TPOT [ms]"), strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("offered load [% of saturation]")
        axis.yaxis.set_major_formatter(plain)
        axis.yaxis.set_minor_formatter(plain if title != "$ per million output tokens" else "")
        axis.tick_params(which="both", labelsize=7)
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
