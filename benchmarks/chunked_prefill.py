"""Chunked prefill against prefill first: p99 of TPOT at equal load, and the load held under tight targets.

python -m benchmarks.chunked_prefill        writes results/week/chunked-prefill/

The question of Sarathi-Serve (Agrawal et al., OSDI 2024, arXiv 2403.02310), whose models and chips are taken where the
catalog has them, under one serving stack: only the scheduler differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.week import COLOURS, pyplot, save, write_rows
from sim.run import run
from sim.scenario.schema import Scenario
from sim.study.replications import side_by_side
from sim.study.sizing_demand import lone, shortened
from sim.study.sizing_load import largest_load
from sim.study.sizing_verdict import Unreachable

TOPIC = "chunked-prefill"
SERVED = {
    "Mistral-7B, 1 A100": ("Mistral-7B", "A100-SXM-80GB", 1),
    "Yi-34B, 2 A100": ("Yi-34B", "A100-SXM-80GB", 2),
    "Llama-3.1-70B, 4 H100": ("Llama-3.1-70B", "H100-SXM-80GB", 4),
}
LENGTHS = {"kind": "lognormal", "input": {"mean": 2000, "cv": 0.7}, "output": {"mean": 400, "cv": 0.6}}
"""About the paper's openchat_sharegpt4: median prompt 1,730, median output 415 tokens (recalled, unverified)."""
SCHEDULERS: dict[str, dict[str, Any]] = {
    "prefill first": {"kind": "prefill-first", "max_batch": 128, "token_budget": 8192},
    "chunks of 2,048": {"kind": "chunked-prefill", "max_batch": 128, "token_budget": 2048},
    "chunks of 512": {"kind": "chunked-prefill", "max_batch": 128, "token_budget": 512},
    "chunks of 256": {"kind": "chunked-prefill", "max_batch": 128, "token_budget": 256},
}
TARGETS = (1.5, 2.0, 3.0, 5.0, 10.0)
"""TPOT targets, as multiples of what a request alone gets."""
TTFT_S = 5.0
SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of the load that saturates prefill-first scheduling."""


def scenario(served: str, scheduler: str, rate: float, tpot_s: float | None = None) -> Scenario:
    """One replica."""
    model, chip, ways = SERVED[served]
    return Scenario.model_validate(
        {
            "name": served,
            "seed": 7,
            "duration": "24 h",
            "workload": [
                {
                    "model": model,
                    "arrivals": {"process": "poisson", "rate_per_s": rate},
                    "lengths": LENGTHS,
                    "slo": {"ttft": TTFT_S, **({} if tpot_s is None else {"tpot": tpot_s})},
                }
            ],
            "pool": [
                {
                    "model": model,
                    "accelerator": chip,
                    "tensor_parallel": ways,
                    "precision": "fp8" if chip.startswith("H100") else "bf16",
                    "scheduler": SCHEDULERS[scheduler],
                }
            ],
        }
    )


def alone_s(served: str) -> float:
    """Median TPOT of a request alone [s]."""
    return run(lone(scenario(served, "prefill first", 1.0)), threads=1).summary["latency"]["tpot_s"]["p50"]


def latency_rows(served: str) -> Iterator[Mapping[str, Any]]:
    """Latencies of every scheduler at the same loads and the same requests."""
    first = run(shortened(scenario(served, "prefill first", 1.0), 2000), threads=1).summary
    most = first["overload"]["groups"][0]["capacity_rps"]
    for name in SCHEDULERS:
        for share in SHARES:
            made = shortened(scenario(served, name, share * most), 24_000)
            summary = run(made, threads=1).summary
            ttft, tpot = summary["latency"]["ttft_s"], summary["latency"]["tpot_s"]
            yield {
                "served": served,
                "scheduler": name,
                "share": share,
                "rps": share * most,
                "tpot_p50_s": tpot["p50"],
                "tpot_p99_s": tpot["p99"],
                "ttft_p50_s": ttft["p50"],
                "ttft_p99_s": ttft["p99"],
                "growing": bool(summary["overload"]["growing"]),
            }


def capacity_rows(served: str) -> Iterator[Mapping[str, Any]]:
    """The load that 99 % of the requests hold their targets at."""
    each = alone_s(served)
    for factor in TARGETS:
        held = {}
        for name in SCHEDULERS:
            try:
                found = largest_load(scenario(served, name, 1.0, factor * each), tolerance=0.02)
                held[name] = found.factor
            except Unreachable:
                held[name] = 0.0
        for name, rps in held.items():
            base = held["prefill first"]
            yield {
                "served": served,
                "scheduler": name,
                "target_over_alone": factor,
                "tpot_target_s": factor * each,
                "rps": rps,
                "over_prefill_first": rps / base if base else None,
            }


def draw(latencies: list[Mapping[str, Any]], capacities: list[Mapping[str, Any]]) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(2, len(SERVED), figsize=(12, 7))
    for column, served in enumerate(SERVED):
        for name, colour in zip(SCHEDULERS, COLOURS, strict=False):
            rows = [
                r for r in latencies if (r["served"], r["scheduler"]) == (served, name) and not r["growing"]
            ]
            axes[0, column].plot(
                [r["rps"] for r in rows],
                [1e3 * r["tpot_p99_s"] for r in rows],
                "o-",
                ms=3,
                color=colour,
                label=name,
            )
            rows = [r for r in capacities if (r["served"], r["scheduler"]) == (served, name)]
            axes[1, column].plot(
                [r["target_over_alone"] for r in rows],
                [r["rps"] for r in rows],
                "o-",
                ms=3,
                color=colour,
                label=name,
            )
        axes[0, column].set(title=served, xlabel="requests/s", ylabel="TPOT p99 [ms]", yscale="log")
        axes[1, column].set(
            xlabel="TPOT target / TPOT of a request alone", ylabel="requests/s held", xscale="log"
        )
        axes[1, column].set_xticks(TARGETS, [f"{t:g}" for t in TARGETS], minor=False)
        axes[1, column].minorticks_off()
    axes[0, 0].legend(frameon=False)
    figure.tight_layout()
    save(figure, TOPIC, "chunked_prefill")


def main() -> None:
    latencies = [row for rows in side_by_side(lambda s: list(latency_rows(s)), SERVED) for row in rows]
    capacities = [row for rows in side_by_side(lambda s: list(capacity_rows(s)), SERVED) for row in rows]
    write_rows(TOPIC, "latency", latencies)
    write_rows(TOPIC, "capacity", capacities)
    draw(latencies, capacities)


if __name__ == "__main__":
    main()
