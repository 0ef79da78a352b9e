"""A flash crowd and a rack's failure, minute by minute: results/week/flash-crowd and results/week/rack-failure.

python -m benchmarks.setbacks
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sim.run import Result, run
from sim.scenario.load import build, read_data

SCENARIOS, OUT = Path("scenarios"), Path("results/week")
LOGGED = 1_000_000
MINUTE_S = 60.0
ONSET_MIN = 60
"""When the crowd comes, or the rack goes down."""
CALM_MIN = 10
TTFT_S, TPOT_S = 2.0, 0.06
"""Targets of both scenarios."""
COLOURS = ("#888888", "#1f77b4", "#d62728", "#2ca02c", "#9467bd")

Data = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A run of a scenario with its pool's table changed; None takes a key away."""

    name: str
    pool: Mapping[str, Any]


@dataclass(frozen=True)
class Setback:
    """A scenario and its cases. back_s: when what went wrong is over [s]."""

    scenario: str
    back_s: float
    cases: tuple[Case, ...]


QUICK = {"node": "0 s", "image": "0 s", "weights": "20 s", "warmup": "40 s"}
SLOW = {"node": "2 min", "image": "1 min", "weights": "1 min", "warmup": "1 min"}
SPARE = {"policy": "utilization", "min_replicas": 12, "load": 0.95}
SCALER = {"policy": "utilization", "min_replicas": 4}
SETBACKS = (
    Setback(
        "flash-crowd",
        91 * MINUTE_S,
        (
            Case("5 replicas, all on", {"replicas": 5, "scaler": None}),
            Case("scaler on calls, start in 5 min", {}),
            Case("scaler on queues, start in 5 min", {"scaler": {**SCALER, "policy": "queue"}}),
            Case("scaler on calls, start in 1 min", {"startup": QUICK}),
            Case("12 replicas, all on", {"replicas": 12, "scaler": None}),
        ),
    ),
    Setback(
        "rack-failure",
        120 * MINUTE_S,
        (
            Case("3 racks, all on", {}),
            Case(
                "3 racks, 100 running and 4 waiting at most",
                {"scheduler": {"queue_limit": 4, "max_batch": 100}},
            ),
            Case("4 racks, the last switched on", {"replicas": 16, "startup": SLOW, "scaler": SPARE}),
            Case("4 racks, all on", {"replicas": 16}),
        ),
    ),
)


@dataclass(frozen=True)
class Minutes:
    """Figures by minute of arrival, float64[N]: TTFT p99 [s], requests within targets per second; and by window:
    requests waiting, and replicas that are open."""

    minute: np.ndarray
    ttft_p99_s: np.ndarray
    good_rps: np.ndarray
    window_minute: np.ndarray
    waiting: np.ndarray
    open: np.ndarray


def simulate(setback: Setback, case: Case) -> Result:
    """The run of a case, its requests logged."""
    path = SCENARIOS / f"{setback.scenario}.toml"
    data = read_data(path)
    table = data["pool"][0]
    table |= case.pool
    for key in [k for k, v in table.items() if v is None]:
        del table[key]
    return run(build(data, folder=path.parent, source=str(path)), log_requests=LOGGED)


def minutes_of(result: Result) -> Minutes:
    """Group the logged requests by the minute in which they arrived."""
    requests = result.requests
    assert requests is not None and len(requests["arrival_s"]) == result.summary["requests"]["completed"]
    minute = (requests["arrival_s"] // MINUTE_S).astype(int)
    good = (requests["ttft_s"] <= TTFT_S) & ~(requests["tpot_s"] > TPOT_S)
    there = np.unique(minute)
    p99 = np.array([np.quantile(requests["ttft_s"][minute == m], 0.99) for m in there])
    windows, replicas = result.windows, result.scenario.pools[0].replicas
    return Minutes(
        there,
        p99,
        np.array([good[minute == m].sum() / MINUTE_S for m in there]),
        windows["start_s"] / MINUTE_S,
        windows["queue"],
        windows.get("replicas_open", np.full(len(windows["start_s"]), float(replicas))),
    )


def row_of(setback: Setback, case: Case, result: Result, found: Minutes) -> dict[str, Any]:
    """What a case comes to."""
    summary = result.summary
    late = found.minute[found.ttft_p99_s > TTFT_S]
    hours = summary["fleet"].get("accelerator_hours")
    span_h = (summary["span"]["end_s"] - summary["span"]["start_s"]) / 3600
    return {
        "case": case.name,
        "within_targets": round(summary["slo"]["attainment"], 4),
        "rejected": summary["requests"]["rejected"],
        "missed_or_rejected": round((1 - summary["slo"]["attainment"]) * summary["requests"]["arrived"]),
        "ttft_p99_s": round(summary["latency"]["ttft_s"]["p99"], 2),
        "worst_minute_ttft_p99_s": round(float(found.ttft_p99_s.max()), 1),
        "most_waiting": round(float(found.waiting.max())),
        "minutes_over_target": len(late),
        "recovered_after_min": recovered_min(found),
        "recomputed_tokens": summary["tokens"]["recomputed"],
        "accelerator_hours_on": round(
            hours["powered"] if hours else summary["fleet"]["accelerators"] * span_h, 1
        ),
    }


def recovered_min(found: Minutes) -> int | None:
    """Minutes from the onset to the first CALM_MIN in a row, after the worst minute, whose TTFT p99 is within its
    target; 0 where at most one minute missed it, None where that never comes."""
    late = found.ttft_p99_s > TTFT_S
    if late.sum() <= 1:
        return 0
    for i in range(int(found.ttft_p99_s.argmax()), len(late) - CALM_MIN + 1):
        if not late[i : i + CALM_MIN].any():
            return int(found.minute[i]) - ONSET_MIN
    return None


def draw(setback: Setback, found: Mapping[str, Minutes], to: Path) -> None:
    """Replicas, queue, TTFT p99 and goodput over time, a line for each case."""
    panels: Sequence[tuple[str, str, Callable[[Minutes], tuple[np.ndarray, np.ndarray]]]] = (
        ("replicas open", "linear", lambda m: (m.window_minute, m.open)),
        ("requests waiting", "symlog", lambda m: (m.window_minute, m.waiting)),
        ("TTFT p99 [s]", "log", lambda m: (m.minute, m.ttft_p99_s)),
        ("within targets [requests/s]", "linear", lambda m: (m.minute, m.good_rps)),
    )
    figure, axes = plt.subplots(len(panels), 1, figsize=(10, 10), sharex=True)
    for axis, (label, scale, values) in zip(axes, panels, strict=True):
        for (name, minutes), colour in zip(found.items(), COLOURS, strict=False):
            axis.plot(*values(minutes), color=colour, lw=1.3, label=name)
        axis.set_yscale(scale)
        if label == "requests waiting":
            axis.set_ylim(bottom=0)
        axis.set_title(label, loc="left", fontsize=10)
        axis.axvspan(ONSET_MIN, setback.back_s / MINUTE_S, color="#f3ead8", lw=0, zorder=0)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    axes[2].axhline(TTFT_S, color="#444444", lw=0.8, ls=":")
    axes[-1].set_xlabel("minutes")
    axes[-1].set_xlim(20, 182)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="upper center", ncols=3, fontsize=9, frameon=False
    )
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(to, dpi=120)
    plt.close(figure)


def main() -> None:
    """Run all cases of both; a table and a picture of each."""
    for setback in SETBACKS:
        folder = OUT / setback.scenario
        folder.mkdir(parents=True, exist_ok=True)
        rows, found = [], {}
        for case in setback.cases:
            result = simulate(setback, case)
            found[case.name] = minutes_of(result)
            rows.append(row_of(setback, case, result, found[case.name]))
            print(rows[-1], flush=True)
        with (folder / f"{setback.scenario}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        draw(setback, found, folder / f"{setback.scenario}.png")


if __name__ == "__main__":
    main()
