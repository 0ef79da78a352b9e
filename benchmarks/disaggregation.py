"""Prefill and decoding apart against together: goodput per accelerator, over mixes of lengths and pairs of targets.

python -m benchmarks.disaggregation        writes results/week/disaggregation/

The question of DistServe (Zhong et al., OSDI 2024, arXiv 2401.09670): at 90 % of the requests within both targets, how
many requests a second do the same accelerators serve? 32 H100 as 8 replicas of Llama-3.1-70B in fp8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.week import COLOURS, pyplot, save, write_rows
from sim.scenario.schema import Scenario
from sim.study.disaggregate import Halves, disaggregate, held_by
from sim.study.replications import side_by_side

TOPIC = "disaggregation"
ATTAINMENT = 0.9
MODEL = "Llama-3.1-70B"
MIXES: dict[str, Any] = {
    "chat (1,155 / 211)": "azure-2023-conversation",
    "code (2,048 / 28)": "azure-2023-code",
    "documents (4,000 / 250)": {
        "kind": "lognormal",
        "input": {"mean": 4000, "cv": 0.6},
        "output": {"mean": 250, "cv": 0.8},
    },
    "summaries (12,000 / 300)": {
        "kind": "lognormal",
        "input": {"mean": 12_000, "cv": 0.5},
        "output": {"mean": 300, "cv": 0.5},
    },
    "reasoning (500 / 3,000)": {
        "kind": "lognormal",
        "input": {"mean": 500, "cv": 1.0},
        "output": {"mean": 3000, "cv": 0.8},
    },
}
"""Mean tokens in and out."""
TPOT_MS = (14, 16, 20, 30, 60, 120)
TTFT_S = (0.5, 4.0)
TOGETHER: dict[str, dict[str, Any]] = {
    "prefill first": {"kind": "prefill-first", "token_budget": 8192},
    "chunks of 512": {"kind": "chunked-prefill", "token_budget": 512},
    "chunks of 2,048": {"kind": "chunked-prefill", "token_budget": 2048},
    "chunks of 8,192": {"kind": "chunked-prefill", "token_budget": 8192},
}
APART = {"kind": "chunked-prefill", "token_budget": 8192}


def scenario(mix: str, ttft_s: float, tpot_s: float, scheduler: Mapping[str, Any]) -> Scenario:
    """All accelerators in one pool."""
    return Scenario.model_validate(
        {
            "name": mix,
            "seed": 7,
            "duration": "24 h",
            "workload": [
                {
                    "model": MODEL,
                    "arrivals": {"process": "poisson", "rate_per_s": 10},
                    "lengths": MIXES[mix],
                    "slo": {"ttft": ttft_s, "tpot": tpot_s},
                }
            ],
            "pool": [
                {
                    "model": MODEL,
                    "accelerator": "H100-SXM-80GB",
                    "precision": "fp8",
                    "tensor_parallel": 4,
                    "replicas": 8,
                    "scheduler": dict(scheduler),
                }
            ],
        }
    )


def cell(of: tuple[str, float, int]) -> Iterator[dict[str, Any]]:
    """One mix and pair of targets: the best split, and each way of doing both."""
    mix, ttft_s, tpot_ms = of
    whole = {}
    for name, scheduler in TOGETHER.items():
        made = scenario(mix, ttft_s, tpot_ms / 1e3, scheduler)
        whole[name] = held_by(made, Halves.of(made).together(), ATTAINMENT)["rps"]
    found = disaggregate(scenario(mix, ttft_s, tpot_ms / 1e3, APART), attainment=ATTAINMENT)
    best = found["best"]
    apart = best["rps"] if best else 0.0
    most = max(whole.values())
    yield {
        "mix": mix,
        "ttft_s": ttft_s,
        "tpot_ms": tpot_ms,
        "apart_rps_per_accelerator": apart / found["accelerators"],
        "prefill": best["prefill"] if best else None,
        "decode": best["decode"] if best else None,
        **{f"{name} rps_per_accelerator": rps / found["accelerators"] for name, rps in whole.items()},
        "together_by": max(whole, key=lambda n: whole[n]) if most else None,
        "over_best_together": apart / most if most else None,
        "over_prefill_first": apart / whole["prefill first"] if whole["prefill first"] else None,
    }


def draw(rows: list[Mapping[str, Any]]) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(len(TTFT_S), len(MIXES), figsize=(15, 6), sharex=True)
    for i, ttft_s in enumerate(TTFT_S):
        for j, mix in enumerate(MIXES):
            axis = axes[i, j]
            of = [r for r in rows if (r["mix"], r["ttft_s"]) == (mix, ttft_s)]
            x = [r["tpot_ms"] for r in of]
            series = {"apart": "apart_rps_per_accelerator"} | {
                n: f"{n} rps_per_accelerator" for n in TOGETHER
            }
            for (name, key), colour in zip(series.items(), COLOURS, strict=False):
                style = {"lw": 2.2} if name == "apart" else {"lw": 1.1}
                axis.plot(x, [r[key] for r in of], "o-", ms=3, color=colour, label=name, **style)
            axis.set(xscale="log", ylim=(0, None))
            shown = [t for t in TPOT_MS if t != 16]
            axis.set_xticks(shown, [f"{t}" for t in shown], minor=False)
            axis.minorticks_off()
            if i == 0:
                axis.set_title(mix)
            else:
                axis.set_xlabel("TPOT target [ms]")
            if j == 0:
                axis.set_ylabel(f"requests/s and accelerator\nTTFT target {ttft_s:g} s")
    axes[0, 0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    save(figure, TOPIC, "disaggregation")


def main() -> None:
    cells = [(mix, ttft_s, tpot) for mix in MIXES for ttft_s in TTFT_S for tpot in TPOT_MS]
    rows = [row for part in side_by_side(lambda c: list(cell(c)), cells) for row in part]
    write_rows(TOPIC, "goodput", rows)
    draw(rows)


if __name__ == "__main__":
    main()
