"""What is known of demand, and what burstiness costs: results/week/demand.

python -m benchmarks.demand TRACES     TRACES: a folder with servegen_aggregate_rate_10min.csv.gz and
                                       servegen_client_token_stats.csv.gz (figures of alibaba/ServeGen, Apache-2.0),
                                       burstgpt1_aggregates.json.gz (of BurstGPT) and
                                       AzureLLMInferenceTrace_code_2023.csv.gz (Azure/AzurePublicDataset, CC-BY)

Writes shapes.csv, clients.csv, dispersion.csv, burstiness.csv and the pictures shapes.png and burstiness.png.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.demand_pictures import picture_burstiness, picture_shapes
from sim.catalog import _fit_shapes as shapes
from sim.catalog._fit_lengths import MIXED, from_clients, read_clients, zipf_exponent
from sim.engine import state as S
from sim.engine.build import build_plans
from sim.engine.kernel import draw
from sim.run import run, step_costs
from sim.scenario.schema import Scenario
from sim.workload.demand import read_traces
from sim.workload.mixture import pairs
from sim.workload.programs import program_of
from sim.workload.trace import read_trace

OUT = Path("results/week/demand")
RATES, STATS = "servegen_aggregate_rate_10min.csv.gz", "servegen_client_token_stats.csv.gz"
BURST, AZURE = "burstgpt1_aggregates.json.gz", "AzureLLMInferenceTrace_code_2023.csv.gz"
WEEKLY = ("m-small", "m-large", "m-mid")
MIXTURES = {
    "language/m-large": "servegen-m-large-clients",
    "language/m-mid": "servegen-m-mid-clients",
    "language/m-small": "servegen-m-small-clients",
    "reason/deepseek-r1": "servegen-deepseek-r1-clients",
}
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
WINDOWS_S = (0.1, 1.0, 10.0, 60.0)
FLEETS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64)
SEEDS = (1, 2, 3)
SPAN_S = 3436.0
"""Length of the Azure trace, and so of every run [s]."""
TARGETS_S = (2.0, 3.0, 5.0)
"""TTFT at the 99th percentile that a fleet is asked for."""


def main(folder: Path) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    write_shapes(folder)
    write_clients(folder)
    processes = arrival_processes(folder / AZURE)
    write_dispersion(processes)
    write_burstiness(processes)


def write_shapes(folder: Path) -> None:
    """Errors of week two by guess, and the picture of rates and fits."""
    rates = {m: shapes.hourly_means(shapes.models(str(folder / RATES))[f"language/{m}"]) for m in WEEKLY}
    found = {m: shapes.two_weeks(r) for m, r in rates.items()}
    rows = []
    for m, fit in found.items():
        for guess, error in fit.error.items():
            rows.append(
                {
                    "model": m,
                    "guess": guess,
                    "day_harmonics": fit.day if guess == "harmonics" else "",
                    "week_harmonics": fit.week if guess == "harmonics" else "",
                    "error_with_week_one_level": f"{error:.4f}",
                    "error_with_own_level": f"{fit.error_of_shape[guess]:.4f}",
                    "week_two_over_week_one": f"{fit.second_over_first:.4f}",
                }
            )
    write("shapes.csv", rows)
    means, daily = shapes.hour_means(str(folder / BURST))
    logs = np.log(daily) - np.log(daily).mean()
    lag = float((logs[:-7] * logs[7:]).mean() / logs.var())
    print(
        f"BurstGPT: cv of daily totals {daily.std() / daily.mean():.2f}, correlation of logs a week apart {lag:.2f}"
    )
    best, smooth = shapes.smooth_day(means)
    waves = {m: fit.wave for m, fit in found.items()}
    picture_shapes(OUT / "shapes.png", rates, waves, means / means.mean(), smooth, best)


def write_clients(folder: Path) -> None:
    """Quantiles of every client together beside those of the catalog's classes, and how far lengths go together."""
    rows = []
    for model, name in MIXTURES.items():
        clients, client_rates = read_clients(str(folder / STATS), model)
        drawn = pairs(name)
        rank = float(np.asarray(spearmanr(*drawn))[0])
        for side, i in (("input", 0), ("output", 1)):
            whole = from_clients([c[i] for c in clients])
            for q in QUANTILES:
                rows.append(
                    {
                        "model": model,
                        "side": side,
                        "quantile": q,
                        "all_clients": f"{np.interp(q, MIXED, whole):.1f}",
                        "classes": f"{np.quantile(drawn[i], q):.1f}",
                        "rank_correlation": f"{rank:.3f}",
                        "zipf_exponent": f"{zipf_exponent(client_rates):.2f}",
                        "largest_client": f"{max(client_rates) / sum(client_rates):.3f}",
                    }
                )
    write("clients.csv", rows)
    apart = [
        abs(float(r["classes"]) / float(r["all_clients"]) - 1) for r in rows if float(r["all_clients"]) >= 10
    ]
    print(
        f"client classes: quantiles of 10 tokens and more off by {np.median(apart):.1%}, at most {max(apart):.1%}"
    )


def arrival_processes(azure: Path) -> dict[str, dict[str, Any]]:
    """Tables of arrivals of one mean rate."""
    trace = read_trace(azure)
    rate = len(trace.arrival_s) / trace.span_s
    gaps = np.diff(trace.arrival_s)
    cv = float(gaps.std() / gaps.mean())
    plain = {"rate_per_s": rate}
    return {
        "deterministic": {"process": "deterministic", **plain},
        "Poisson": {"process": "poisson", **plain},
        "gamma, cv 3": {"process": "gamma", "cv": 3.0, **plain},
        f"gamma, cv {cv:.1f}": {"process": "gamma", "cv": cv, **plain},
        "Azure code trace": {"process": "trace", "path": str(azure)},
    }


def scenario(arrivals: Mapping[str, Any], replicas: int, seed: int) -> Scenario:
    """The trace's 57 minutes on replicas of four A100; lengths from the same table whatever the arrivals."""
    return Scenario.model_validate(
        {
            "name": "burstiness",
            "seed": seed,
            "duration": SPAN_S,
            "workload": [
                {
                    "model": "Llama-3.1-70B",
                    "arrivals": dict(arrivals),
                    "lengths": "azure-2023-code",
                    "slo": {"ttft": 2.0},
                }
            ],
            "pool": [
                {
                    "accelerator": "A100-SXM-80GB",
                    "model": "Llama-3.1-70B",
                    "tensor_parallel": 4,
                    "replicas": replicas,
                }
            ],
        }
    )


def write_dispersion(processes: Mapping[str, Mapping[str, Any]]) -> None:
    """Variance over mean of the arrivals in windows: 1 for Poisson, at every width."""
    rows = []
    for name, arrivals in processes.items():
        times = arrival_times(scenario(arrivals, 1, SEEDS[0]))
        row: dict[str, object] = {"arrivals": name, "requests": len(times)}
        for width in WINDOWS_S:
            counts = np.histogram(times, np.arange(0.0, SPAN_S, width))[0]
            row[f"variance_over_mean_{width:g}s"] = f"{counts.var() / counts.mean():.3g}"
        rows.append(row)
    write("dispersion.csv", rows)


def arrival_times(made: Scenario) -> np.ndarray:
    """Times of the arrivals as the engines draw them [s]."""
    traces = read_traces(made)
    plan = build_plans(made, step_costs(made, traces), traces, [program_of(w, made) for w in made.workloads])[
        0
    ]
    most = 200_000
    streams = np.zeros(1, S.STREAM)
    ticks, numbers = np.zeros(most, np.int64), np.zeros(most, np.int64)
    draw.next_chunk(plan, 0, streams, ticks, numbers, np.zeros(most, np.int32), np.zeros(most, np.int32))
    return ticks[: int(streams[0]["count"])] / 2.0**30


def write_burstiness(processes: Mapping[str, Mapping[str, Any]]) -> None:
    """Times to first token by fleet, and the fleet that each target needs."""
    rows = []
    for name, arrivals in processes.items():
        for replicas in FLEETS:
            seen = [run(scenario(arrivals, replicas, seed)).summary for seed in SEEDS]
            ttft = [s["latency"]["ttft_s"] for s in seen]
            row = {
                "arrivals": name,
                "replicas": replicas,
                "utilization": f"{np.mean([s['utilization'] for s in seen]):.4f}",
                "ttft_p50_s": f"{np.mean([t['p50'] for t in ttft]):.4f}",
                "ttft_p99_s": f"{np.mean([t['p99'] for t in ttft]):.4f}",
                "ttft_p99_least_s": f"{min(t['p99'] for t in ttft):.4f}",
                "ttft_p99_most_s": f"{max(t['p99'] for t in ttft):.4f}",
            }
            rows.append(row)
    write("burstiness.csv", rows)
    needed = []
    for name in processes:
        row: dict[str, object] = {"arrivals": name}
        for target in TARGETS_S:
            good = [r["replicas"] for r in rows if r["arrivals"] == name and float(r["ttft_p99_s"]) <= target]
            row[f"replicas_for_p99_{target:g}s"] = min(good) if good else f"over {max(FLEETS)}"
        needed.append(row)
        print(row)
    write("fleets.csv", needed)
    picture_burstiness(OUT / "burstiness.png", rows, TARGETS_S)


def write(name: str, rows: Iterable[Mapping[str, object]]) -> None:
    """A CSV of the rows in the results' folder."""
    rows = list(rows)
    with (OUT / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
