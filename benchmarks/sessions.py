"""What conversations do to a fleet: turn by turn, and how many of them it holds with and without a prefix cache.

python -m benchmarks.sessions        writes results/week/sessions
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmarks.week_files import write
from sim.run import Result, run
from sim.scenario import load

SCENARIO = Path(__file__).parent.parent / "scenarios" / "sessions.toml"
SETTINGS = {
    "no cache": ("pool.0.prefix_cache=false", "router=least-outstanding"),
    "cache, round robin": ("router=round-robin",),
    "cache, session": ("router=session",),
    "cache, prefix-aware (weight 16)": ("router=prefix-aware", "overlap_weight=16"),
}
RATE_PER_S = 4.0
"""Sessions begun a second, for the figures turn by turn."""
TURNS = 15
ATTAINMENT = 0.99
PRECISION = 1.01
LOGGED = 1 << 20


def at(setting: str, rate_per_s: float, log: int = 0) -> Result:
    changes = [*SETTINGS[setting], f"workload.0.arrivals.rate_per_s={rate_per_s}"]
    return run(load(SCENARIO, changes), threads=1, log_requests=log)


def turn_by_turn(setting: str) -> list[dict[str, Any]]:
    """Context and latency of each turn of a session, over all sessions that came so far."""
    table = at(setting, RATE_PER_S, LOGGED).requests
    assert table is not None
    rows = []
    for turn in range(1, TURNS + 1):
        own = table["turn"] == turn
        p50, p99 = np.quantile(table["ttft_s"][own], (0.5, 0.99))
        rows.append(
            {
                "setting": setting,
                "turn": turn,
                "turns": int(own.sum()),
                "input_tokens_mean": float(table["input_tokens"][own].mean()),
                "ttft_p50_s": float(p50),
                "ttft_p99_s": float(p99),
            }
        )
    return rows


def held(setting: str) -> dict[str, Any]:
    """The most sessions a second of whose turns `ATTAINMENT` meet their targets, by bisection to `PRECISION`."""
    low, high, best = 1.0, 64.0, at(setting, 1.0)
    while high / low > PRECISION:
        middle = math.sqrt(low * high)
        tried = at(setting, middle)
        if (tried.summary["slo"]["attainment"] or 0.0) >= ATTAINMENT:
            low, best = middle, tried
        else:
            high = middle
    s = best.summary
    return {
        "setting": setting,
        "sessions_per_s": low,
        "turns_per_s": s["slo"]["goodput_rps"],
        "attainment": s["slo"]["attainment"],
        "hit_rate": s["prefix_cache"]["hit_rate"] or 0.0,
        "ttft_p99_s": s["latency"]["ttft_s"]["p99"],
        "tpot_p99_s": s["latency"]["tpot_s"]["p99"],
        "usd_per_turn": s["cost"]["usd_per_request"],
        "wh_per_turn": s["energy"]["wh_per_request"],
    }


def picture(turns: list[dict[str, Any]], most: list[dict[str, Any]]) -> Figure:
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for setting in SETTINGS:
        own = [r for r in turns if r["setting"] == setting]
        x = [r["turn"] for r in own]
        line = axes[1].plot(x, [1000 * r["ttft_p50_s"] for r in own], marker=".", label=setting)[0]
        axes[1].plot(x, [1000 * r["ttft_p99_s"] for r in own], "--", color=line.get_color())
    own = [r for r in turns if r["setting"] == "cache, session"]
    axes[0].plot([r["turn"] for r in own], [r["input_tokens_mean"] for r in own], color="0.3", marker=".")
    axes[0].set_title("tokens that a turn reads, mean")
    axes[1].set_title(f"TTFT [ms], p50 and p99 (dashed), {RATE_PER_S:g} sessions/s")
    axes[1].legend(frameon=False, fontsize=8)
    for axis in axes[:2]:
        axis.set_xlabel("turn")
        axis.set_ylim(bottom=0)
    names = [r["setting"].replace(", ", "\n").replace(" (", "\n(") for r in most]
    axes[2].bar(names, [r["turns_per_s"] for r in most], color=[f"C{i}" for i in range(len(most))])
    axes[2].bar_label(axes[2].containers[0], fmt="%.1f")
    axes[2].tick_params(axis="x", labelsize=8)
    axes[2].margins(y=0.1)
    axes[2].set_title(f"turns/s held with {ATTAINMENT:.0%} within their targets")
    for axis in axes:
        axis.grid(alpha=0.3, axis="y")
    return figure


def main() -> None:
    turns = [row for setting in SETTINGS for row in turn_by_turn(setting)]
    most = [held(setting) for setting in SETTINGS]
    write("sessions", "turns", turns)
    write("sessions", "held", most, picture(turns, most))


if __name__ == "__main__":
    main()
