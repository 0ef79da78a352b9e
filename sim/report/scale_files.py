"""A scale study or a load curve as files: the report (JSON), tables (CSV) and a picture (PNG)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.report.files import flat, pyplot, save, write_csv, write_json

Report = Mapping[str, Any]


def write_scale(report: Report, place: Path) -> None:
    """Write the report of either mode into the folder `place`. The pictures need matplotlib."""
    place.mkdir(parents=True, exist_ok=True)
    stem = "load_curve" if report["mode"] == "load curve" else "scale"
    write_json(report, place / f"{stem}.json")
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
        write_csv(_slopes(report["mitigated"]["elasticity"]), place / "elasticity_mitigated.csv")


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
    """Cost per request against users, and the parts of the planned cost: what adds to it above, what saves below."""
    plt = pyplot()
    figure = plt.figure(figsize=(13.5, 6.2), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.05, 1))
    left, right = halves
    _plot_costs(left.subplots(), report)
    added, saved = right.subplots(2, 1, sharex=True, height_ratios=(1.5, 1))
    _plot_parts(added, saved, report)
    save(figure, path)


def _cents(rows: Any, value: Any) -> list[float]:
    return [100 * value(r) / r["requests_per_day"] for r in rows]


def _part(name: str) -> Any:
    return lambda r: r["planned"]["parts_usd_per_day"][name]


def _plot_costs(axis: Any, report: Report) -> None:
    rows = report["rows"]
    lines = [
        ("(i) fixed fleet of the largest size", "C7", "--", lambda r: r["fixed_fleet"]["usd_per_day"]),
        ("(ii) re-planned, serving alone", "C0", "o-", lambda r: r["planned"]["core_usd_per_day"]),
        ("(ii) re-planned, with all its parts", "C1", "s-", lambda r: r["planned"]["usd_per_day"]),
        ("conventional, with its code", "C2", "^-", lambda r: r["conventional"]["usd_per_day"]),
        ("conventional, running alone", "C2", "v--", lambda r: r["conventional"]["running_usd_per_day"]),
    ]
    for label, color, style, value in lines:
        axis.loglog([r["users"] for r in rows], _cents(rows, value), style, color=color, label=label)
    if "mitigated" in report:
        more = report["mitigated"]["rows"]
        label = f"(ii) serving alone, with {report['mitigated']['technique']}"
        values = _cents(more, lambda r: r["planned"]["core_usd_per_day"])
        axis.loglog([r["users"] for r in more], values, "D-", color="C3", label=label)
    start = report["elasticity"]["saturated_from_users"]
    if start is not None:
        axis.axvline(start, color="k", lw=0.8, ls=":")
        where = axis.get_xaxis_transform()
        axis.text(start * 1.15, 0.97, "past saturation", fontsize=8, va="top", transform=where)
    axis.set_xlabel("users")
    axis.set_ylabel("US cents per request")
    axis.set_title("Cost of a request: simulated, technology and work fixed", fontsize=10)
    figure = axis.get_figure()
    figure.legend(*axis.get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=2)
    axis.grid(alpha=0.3)


def _plot_parts(added: Any, saved: Any, report: Report) -> None:
    """Parts above nought and below it, each on a logarithmic scale; a part of no size is not drawn."""
    rows = report["rows"]
    for i, name in enumerate(("serving", "headroom", "spare", "training", "cache", "discount")):
        values = _cents(rows, _part(name))
        for axis, sign in ((added, 1), (saved, -1)):
            shown = [(r["users"], sign * v) for r, v in zip(rows, values, strict=True) if sign * v > 1e-9]
            if shown:
                style = "o:" if name == "cache" else "o-"
                axis.loglog(*zip(*shown, strict=True), style, ms=4, color=f"C{i}", label=name)
    largest = max(_cents(rows, _part("serving")))
    saved.set_ylim(largest * 1e-4, largest * 4)
    saved.invert_yaxis()
    saved.margins(x=0.08)
    _tell_replicas(saved, rows)
    added.set_title("What the re-planned cost is made of", fontsize=10)
    saved.set_title("What is saved of it (replicas without and with the cache)", fontsize=10)
    saved.set_xlabel("users")
    for axis in (added, saved):
        axis.set_ylabel("US cents per request")
        axis.legend(fontsize=8, loc="best")
        axis.grid(alpha=0.3)


def _tell_replicas(axis: Any, rows: Any) -> None:
    """Beside what a cache saves, the fleets that it is the difference of: with few replicas it jumps by one."""
    for r, value in zip(rows, _cents(rows, _part("cache")), strict=True):
        if r["fleet"]["cached_replicas"] is None:
            continue
        text = f"{r['fleet']['replicas']:,} / {r['fleet']['cached_replicas']:,}"
        low, high = sorted(axis.get_ylim())
        place = (r["users"], min(max(-value, low * 1.5), high / 1.5))
        axis.annotate(text, place, (0, -6), textcoords="offset points", fontsize=7, ha="center", va="top")


def plot_curves(report: Report, path: Path) -> None:
    """Cost, TTFT and TPOT against load."""
    from matplotlib.ticker import LogLocator

    plt = pyplot()
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
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_minor_formatter("")
        axis.tick_params(which="both", labelsize=7)
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    save(figure, path)
