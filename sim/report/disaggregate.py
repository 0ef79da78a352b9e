"""Splits of a fleet into prefilling and decoding replicas, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from sim.report.study_text import as_text, table
from sim.report.words import duration, figure, fine, percent

Report = Mapping[str, Any]


def render(report: Report) -> str:
    """The report of `simulate plan --disaggregate` as text."""
    return as_text(_parts(report))


def _parts(report: Report) -> Iterator[RenderableType | str]:
    yield (
        f"{report['scenario']}: {report['accelerators']:,} accelerators, {percent(report['attainment'])} of requests "
        "within their targets"
    )
    yield ""
    whole = report["together"]
    rows = [_row(f"{whole['replicas']} together", whole, 0.0)]
    most = max(r["rps"] for r in report["splits"])
    rows += [_row(f"{r['prefill']} prefill, {r['decode']} decode", r, most) for r in report["splits"]]
    headers = ("replicas", "requests/s", "per accelerator", "TTFT p90", "p99", "TPOT p90", "p99", "busy", "")
    yield table(headers, rows)
    for row in (whole, *report["splits"]):
        if row["why"]:
            yield f"\nnothing held: {row['why']}"
            break
    yield ""
    yield _verdict(report)
    yield f"\n{report['evaluations']} runs, {report['wall_s']:.1f} s"


def _row(name: str, found: Report, most: float) -> tuple[str, ...]:
    times = (found[f"{m}_{q}_s"] for m in ("ttft", "tpot") for q in ("p90", "p99"))
    busy = ", ".join(percent(u) for u in found["utilization"] or ())
    best = "best" if found["rps"] == most > 0 else ""
    return (
        name,
        fine(found["rps"]),
        figure(found["rps_per_accelerator"]),
        *map(duration, times),
        busy,
        best,
    )


def _verdict(report: Report) -> str:
    best, gain = report["best"], report["gain"]
    if best is None:
        return "No split holds any load at the targets."
    split = f"{best['prefill']} replicas that prefill and {best['decode']} that decode"
    if gain is None:
        return f"Only apart: {split} hold {fine(best['rps'])} requests/s, together nothing is held."
    if gain < 1:
        return f"Together holds more: the best split, {split}, holds {gain:.2f} times as much."
    return f"Apart holds more: {split} hold {gain:.2f} times what the same accelerators do together."
