"""Routers that look into prefix caches and routers that do not, on a recorded trace and on sessions.

python -m benchmarks.routing TRACE        TRACE: Mooncake's synthetic_trace.jsonl, plain or gzipped (see
                                          scenarios/mooncake.toml); writes results/week/routing

The scenarios are prefix-routing.toml and sessions.toml.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.week_files import write
from sim.run import run
from sim.scenario import load

SCENARIOS = Path(__file__).parent.parent / "scenarios"
PLAIN = ("round-robin", "least-outstanding", "least-kv")
WEIGHTS = (1, 4, 16, 64)
ROUTERS = (*((r, 1) for r in (*PLAIN, "session")), *(("prefix-aware", w) for w in WEIGHTS))
"""Router, and overlap weight where it has one."""
TRACE_SCALES = (1, 2, 4, 8)
SESSION_RATES = (2, 4, 6, 8, 10, 12, 13)
"""Sessions begun a second."""


def point(scenario: str, router: str, weight: int, changes: Sequence[str]) -> dict[str, Any]:
    """One run."""
    settings = [f"router={router}", f"overlap_weight={weight}", *changes]
    s = run(load(SCENARIOS / scenario, settings), threads=1).summary
    ttft = s["latency"]["ttft_s"]
    return {
        "router": router,
        "overlap_weight": weight if router == "prefix-aware" else "",
        "requests_per_s": s["requests"]["arrived"] / (s["span"]["duration_s"] - s["span"]["start_s"]),
        "hit_rate": s["prefix_cache"]["hit_rate"],
        "ttft_mean_s": ttft["mean"],
        "ttft_p50_s": ttft["p50"],
        "ttft_p99_s": ttft["p99"],
        "tpot_p99_s": s["latency"]["tpot_s"]["p99"],
        "attainment": s["slo"]["attainment"],
        "goodput_rps": s["slo"]["goodput_rps"],
        "prefill_tokens": s["tokens"]["prefill_computed"],
        "wh_per_request": s["energy"]["wh_per_request"],
        "usd_per_request": s["cost"]["usd_per_request"],
    }


def on_trace(path: str) -> list[dict[str, Any]]:
    """The trace as recorded and faster. A session router has no sessions to see there."""
    rows = []
    for scale in TRACE_SCALES:
        changes = [f"workload.0.arrivals.path={path}", f"workload.0.arrivals.rate_scale={scale}"]
        changes.append(f"duration={1023 / scale}")
        rows += [
            {"rate_scale": scale, **point("prefix-routing.toml", r, w, changes)}
            for r, w in ROUTERS
            if r != "session"
        ]
    return rows


def on_sessions() -> list[dict[str, Any]]:
    return [
        {"sessions_per_s": rate, **point("sessions.toml", r, w, [f"workload.0.arrivals.rate_per_s={rate}"])}
        for rate in SESSION_RATES
        for r, w in ROUTERS
    ]


def label(row: dict[str, Any]) -> str:
    weight = row["overlap_weight"]
    return row["router"] if weight == "" else f"{row['router']}, weight {weight}"


def picture(rows: Sequence[dict[str, Any]], title: str) -> Figure:
    """Hit rate, TTFT and share of requests within their targets against load, a line for each router."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    shown = ("hit_rate", "ttft_p99_s", "attainment")
    for axis, key in zip(axes, shown, strict=True):
        for name in dict.fromkeys(map(label, rows)):
            own = [r for r in rows if label(r) == name]
            style = "-" if name.startswith("prefix") else "--"
            axis.plot(
                [r["requests_per_s"] for r in own], [r[key] for r in own], style, marker=".", label=name
            )
        axis.set_xlabel("requests/s")
        axis.grid(alpha=0.3)
    axes[0].set_title("prompt tokens found in a cache")
    axes[1].set_title("TTFT, p99 [s]")
    axes[1].set_yscale("log")
    axes[1].yaxis.set_major_formatter("{x:g}")
    axes[1].yaxis.set_minor_formatter(NullFormatter())
    axes[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[2].set_title("share of requests within their targets")
    figure.suptitle(title)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    return figure


def main(path: str) -> None:
    rows = on_trace(str(Path(path).resolve()))
    title = "Mooncake's trace on eight replicas of one B300 each, Llama-3.1-8B"
    write("routing", "trace", rows, picture(rows, title))
    rows = on_sessions()
    write(
        "routing", "sessions", rows, picture(rows, "Sessions on four replicas of one H100 each, Llama-3.1-8B")
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
