"""A thousand adapters on one fleet, against a fleet of its own for each variant of the model.

python -m benchmarks.adapters        writes results/week/adapters

Of its own: a variant whose adapter is merged into the weights has as many replicas as its requests need at the targets,
and one at the least. Shared: the fleet is sized for the whole demand, adapters loaded as they are asked for.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmarks.week_files import write
from sim.cost.adapters import popularity
from sim.run import run
from sim.scenario import Scenario, load
from sim.scenario.arrivals import PoissonArrivals
from sim.study.sizing import size_fleet
from sim.study.sizing_load import largest_load

SCENARIO = Path(__file__).parent.parent / "scenarios" / "adapters.toml"
RATES_PER_S = (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
"""Requests a second for all variants together."""
LOADS = (0.001, 0.01, 0.1, 0.3, 0.6, 1.0)
"""Of what a replica holds: where its cost for an hour is simulated."""
PLACES = (4, 8, 16, 24, 32, 64, 128, 256, 512)


def at_rate(made: Scenario, rate_per_s: float, requests: int = 20_000) -> Scenario:
    """The scenario at another rate, for as long as it takes for about so many requests, from an hour up."""
    workload = made.workloads[0]
    arrivals = workload.arrivals.model_copy(update={"rate_per_s": rate_per_s})
    duration_s = min(max(requests / rate_per_s, 3600.0), 86_400.0)
    return made.model_copy(
        update={"workloads": (workload.model_copy(update={"arrivals": arrivals}),), "duration_s": duration_s}
    )


def separate() -> tuple[float, np.ndarray, np.ndarray]:
    """What one replica of a variant with merged weights holds [requests/s]; and its cost for an hour [$] at loads."""
    lone = load(SCENARIO, ["pool.0.replicas=1"])
    arrivals = lone.workloads[0].arrivals
    assert isinstance(arrivals, PoissonArrivals)
    pool = lone.pools[0].model_copy(update={"adapters": None})
    lone = lone.model_copy(update={"pools": (pool,)})
    most = largest_load(lone).factor * arrivals.rate_per_s
    usd_per_h = []
    for share in LOADS:
        s = run(at_rate(lone, share * most), threads=1).summary
        usd_per_h.append(3600 * s["cost"]["usd_total"] / (s["span"]["end_s"] - s["span"]["start_s"]))
    return most, np.array(LOADS) * most, np.array(usd_per_h)


def on_its_own(rate_per_s: float, most: float, loads: np.ndarray, usd_per_h: np.ndarray) -> tuple[int, float]:
    """Replicas of a variant that is asked for at a rate, and what they cost for an hour [$]."""
    replicas = max(1, math.ceil(rate_per_s / most))
    return replicas, replicas * float(np.interp(rate_per_s / replicas, loads, usd_per_h))


def tail() -> list[dict[str, Any]]:
    """Both ways over the whole demand."""
    shared = load(SCENARIO)
    given = shared.pools[0].adapters
    assert given is not None
    p = popularity(given.count, given.zipf)
    most, loads, usd_per_h = separate()
    rows = []
    for rate in RATES_PER_S:
        own = [on_its_own(rate * q, most, loads, usd_per_h) for q in p]
        sized = size_fleet(at_rate(shared, rate), verify=3)
        s = run(sized.cell.model_copy(update={"duration_s": 3600.0}), threads=1).summary
        shared_usd_per_h = (
            3600 * sized.cells * s["cost"]["usd_total"] / (s["span"]["end_s"] - s["span"]["start_s"])
        )
        rows.append(
            {
                "requests_per_s": rate,
                "own_replicas": sum(n for n, _ in own),
                "own_usd_per_request": sum(usd for _, usd in own) / (3600 * rate),
                "shared_replicas": sized.replicas,
                "shared_usd_per_request": shared_usd_per_h / (3600 * rate),
                "ratio": sum(usd for _, usd in own) / shared_usd_per_h,
                "shared_hit_rate": s["pools"][0]["adapters"]["hit_rate"],
                "shared_ttft_p99_s": s["latency"]["ttft_s"]["p99"],
                "shared_attainment": s["slo"]["attainment"],
            }
        )
        print(rows[-1], flush=True)
    return rows


def places() -> list[dict[str, Any]]:
    """The scenario with more and fewer places, and what the fleet holds with them."""
    rows = []
    for n in PLACES:
        made = load(SCENARIO, [f"pool.0.adapters.resident={n}"])
        s = run(made, threads=1).summary
        pool = s["pools"][0]
        rows.append(
            {
                "places": n,
                "hit_rate": pool["adapters"]["hit_rate"],
                "ttft_p99_s": s["latency"]["ttft_s"]["p99"],
                "tpot_p99_s": s["latency"]["tpot_s"]["p99"],
                "attainment": s["slo"]["attainment"],
                "mean_batch": pool["mean_batch"],
                "kv_tokens": pool["kv"]["capacity_tokens"],
                "held_rps": largest_load(made).factor * 40.0,
            }
        )
        print(rows[-1], flush=True)
    return rows


def picture(tail_rows: list[dict[str, Any]], place_rows: list[dict[str, Any]], bare_rps: float) -> Figure:
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    x = [r["requests_per_s"] for r in tail_rows]
    axes[0].loglog(
        x, [r["own_usd_per_request"] for r in tail_rows], marker=".", label="replicas of their own"
    )
    axes[0].loglog(x, [r["shared_usd_per_request"] for r in tail_rows], marker=".", label="one shared fleet")
    axes[0].set_title("$ per request, 1,000 variants (Zipf 1)")
    axes[0].set_xlabel("requests/s of all variants together")
    axes[0].legend(frameon=False)
    n = [r["places"] for r in place_rows]
    axes[1].semilogx(n, [r["hit_rate"] for r in place_rows], marker=".", base=2)
    axes[1].set_title("share of adapters found, 40 requests/s")
    axes[2].semilogx(
        n, [r["held_rps"] for r in place_rows], marker=".", base=2, label="four replicas with adapters"
    )
    axes[2].axhline(bare_rps, color="0.5", linestyle="--", label="one model without adapters")
    axes[2].set_title("requests/s held at the targets")
    axes[2].set_ylim(bottom=0)
    axes[2].legend(frameon=False)
    for axis in axes[1:]:
        axis.set_xlabel("places for adapters on a replica")
        axis.xaxis.set_major_formatter("{x:g}")
    for axis in axes:
        axis.grid(alpha=0.3)
    return figure


def main() -> None:
    rows = tail()
    most = separate()[0]
    by_places = places()
    write("adapters", "places", by_places)
    write("adapters", "tail", rows, picture(rows, by_places, 4 * most))


if __name__ == "__main__":
    main()
