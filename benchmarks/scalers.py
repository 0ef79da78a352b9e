"""Two weeks of an irregular demand under scalers of every policy and a static fleet: results/week/scalers.

python -m benchmarks.scalers
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sim.catalog.workloads import shape
from sim.economics.ledger import money
from sim.economics.prices import prices_of
from sim.economics.usage import usage_of
from sim.run import Result, run
from sim.scenario.load import build, read_data
from sim.scenario.schema import Scenario

SCENARIO = Path("scenarios/scalers.toml")
OUT = Path("results/week/scalers")
DURATION = "14 d"
EACH_RPS = 0.7 * 3.426
"""What a replica is meant to serve [requests/s]: `load` times what its mean step holds within the TPOT target."""
DAY_S = 86_400.0


def policies(rate_per_s: float, most: int) -> dict[str, dict[str, Any] | None]:
    """The scaler's table of each row; None: all replicas are always on."""
    hours = [min(most, math.ceil(rate_per_s * r / EACH_RPS)) for r in shape("weekly-m-large")]
    return {
        "static, all on": None,
        "queue": {"policy": "queue", "min_replicas": 1},
        "utilization": {"policy": "utilization", "min_replicas": 1},
        "forecast from yesterday": {"policy": "forecast", "min_replicas": 1},
        "forecast from last week": {"policy": "forecast", "min_replicas": 1, "season": "7 d"},
        "schedule of the true rate": {"policy": "scheduled", "min_replicas": 1, "schedule": hours},
    }


def scenario_of(scaler: dict[str, Any] | None, **pool: Any) -> Scenario:
    """The scenario over DURATION with this scaler, or with none, and these keys of its pool."""
    data = read_data(SCENARIO)
    data["duration"] = DURATION
    table = data["pool"][0]
    table |= pool
    table.pop("scaler")
    if scaler is not None:
        table["scaler"] = scaler
    return build(data, folder=SCENARIO.parent, source=str(SCENARIO))


def row_of(name: str, result: Result, owned: Scenario, rented: Scenario) -> dict[str, Any]:
    """Hours, targets and cost of one run; the same usage priced as owned and as rented on demand."""
    summary = result.summary
    fleet, hours = summary["fleet"], summary["fleet"].get("accelerator_hours", {})
    static = fleet["accelerators"] * (summary["span"]["end_s"] - summary["span"]["start_s"]) / 3600
    usage = usage_of(summary)
    return {
        "policy": name,
        "accelerator_hours_on": round(hours.get("powered", static)),
        "of_static": round(hours.get("powered", static) / static, 4),
        "accelerator_hours_perfect": round(hours["perfect"]) if hours else None,
        "starts": sum(p["starts"] for p in fleet.get("pools", ())),
        "within_targets": round(summary["slo"]["attainment"], 5),
        "ttft_p99_s": round(summary["latency"]["ttft_s"]["p99"], 3),
        "tpot_p99_s": round(summary["latency"]["tpot_s"]["p99"], 4),
        "energy_mwh": round(summary["energy"]["site_j"] / 3.6e9, 2),
        "usd_owned": round(money(usage, prices_of(owned))["cost"]["usd_total"]),
        "usd_on_demand": round(money(usage, prices_of(rented))["cost"]["usd_total"]),
        "requests": summary["requests"]["arrived"],
        "rejected": summary["requests"]["rejected"],
        "wall_s": round(summary["wall_s"], 1),
    }


def main() -> None:
    """Run all, write the table and the picture."""
    OUT.mkdir(parents=True, exist_ok=True)
    base = scenario_of(None)
    rate, most = base.workloads[0].arrivals.rate_per_s, base.pools[0].replicas  # type: ignore[union-attr]
    rows, windows = [], {}
    for name, scaler in policies(rate, most).items():
        made = scenario_of(scaler)
        result = run(made)
        rows.append(row_of(name, result, made, scenario_of(scaler, purchase="on-demand")))
        windows[name] = result.windows
        print(rows[-1], flush=True)
    with (OUT / "scalers.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    draw(rate, most, windows)


def draw(rate_per_s: float, most: int, windows: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Replicas that are on, by policy, against what the rate would need at `EACH_RPS`."""
    figure, axes = plt.subplots(len(windows) - 1, 1, figsize=(10, 9), sharex=True, sharey=True)
    hourly = np.tile(np.asarray(shape("weekly-m-large"), float), 2)
    needed = rate_per_s * hourly / hourly.mean() / EACH_RPS
    for axis, (name, columns) in zip(axes, list(windows.items())[1:], strict=True):
        days = columns["start_s"] / DAY_S
        axis.fill_between(
            np.arange(len(needed)) / 24,
            needed,
            step="post",
            color="#d9d9d9",
            lw=0,
            label="rate / (70 % of a replica)",
        )
        axis.step(
            days, columns["replicas_powered"], where="post", color="#1f77b4", lw=0.9, label="replicas on"
        )
        axis.axhline(most, color="#888888", lw=0.8, ls=":")
        axis.set_title(name, loc="left", fontsize=10)
        axis.set_ylim(0, most + 0.6)
        axis.set_ylabel("replicas")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    axes[0].legend(loc="upper right", ncols=2, fontsize=8, frameon=False, bbox_to_anchor=(1, 1.35))
    axes[-1].set_xlabel("day")
    axes[-1].set_xlim(0, 14)
    figure.tight_layout()
    figure.savefig(OUT / "scalers.png", dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    main()
