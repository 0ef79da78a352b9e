"""Speculative decoding against batch: time per token, tokens a second and joules per token of one replica.

python -m benchmarks.speculation        writes results/week/speculation/

N clients ask one after another, so that N sequences decode at once. Acceptances are given, not predicted: those of the
sources named beside each draft, and a range around them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.week import COLOURS, pyplot, save, write_rows
from sim.run import run
from sim.scenario.schema import Scenario
from sim.study.replications import side_by_side

TOPIC = "speculation"
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LENGTHS = {"kind": "fixed", "input": 512, "output": 400}


@dataclass(frozen=True)
class Drafted:
    """A way of drafting. source: where the acceptance is from."""

    name: str
    speculation: Mapping[str, Any] | None
    source: str = ""


def small(length: int, acceptance: float) -> dict[str, Any]:
    return {"draft": "Llama-3.2-1B", "length": length, "acceptance": acceptance}


def layer(method: str, length: int, acceptance: float) -> dict[str, Any]:
    return {"method": method, "length": length, "acceptance": acceptance}


ASSUMED = "assumed; small drafts are reported between 0.5 and 0.8 (arXiv 2211.17192, unverified)"
EAGLE = "assumed; chains of EAGLE are reported between 0.7 and 0.8 (arXiv 2401.15077, unverified)"
DEEPSEEK = "85 to 90 % of second tokens (DeepSeek-V3, arXiv 2412.19437, section 5.4.3)"
SERVED: dict[str, dict[str, Any]] = {
    "Llama-3.1-70B fp8, 4 H100": {
        "pool": {
            "model": "Llama-3.1-70B",
            "accelerator": "H100-SXM-80GB",
            "precision": "fp8",
            "tensor_parallel": 4,
        },
        "drafts": (
            Drafted("none", None),
            Drafted("1B draft, k 3, a 0.7", small(3, 0.7), ASSUMED),
            Drafted("1B draft, k 3, a 0.5", small(3, 0.5), ASSUMED),
            Drafted("1B draft, k 5, a 0.8", small(5, 0.8), ASSUMED),
            Drafted("EAGLE, k 3, a 0.75", layer("eagle", 3, 0.75), EAGLE),
        ),
    },
    "DeepSeek-V3 fp8, 8 H200": {
        "pool": {
            "model": "DeepSeek-V3",
            "accelerator": "H200-SXM-141GB",
            "precision": "fp8",
            "tensor_parallel": 8,
        },
        "drafts": (
            Drafted("none", None),
            Drafted("MTP, k 1, a 0.85", layer("mtp", 1, 0.85), DEEPSEEK),
            Drafted("MTP, k 1, a 0.9", layer("mtp", 1, 0.9), DEEPSEEK),
            Drafted("MTP, k 3, a 0.8", layer("mtp", 3, 0.8), "assumed: later tokens are harder"),
        ),
    },
}


def scenario(served: str, drafted: Drafted, batch: int) -> Scenario:
    """`batch` clients on one replica."""
    pool = {**SERVED[served]["pool"], "scheduler": {"max_batch": 256, "token_budget": 4096}}
    if drafted.speculation is not None:
        pool["speculation"] = drafted.speculation
    arrivals = {"process": "closed", "clients": batch, "requests": 12 * batch}
    workload = {"model": pool["model"], "arrivals": arrivals, "lengths": LENGTHS}
    return Scenario.model_validate(
        {"name": served, "seed": 7, "duration": "24 h", "workload": [workload], "pool": [pool]}
    )


def rows_of(served: str) -> Iterator[dict[str, Any]]:
    plain: dict[int, Mapping[str, Any]] = {}
    for drafted in SERVED[served]["drafts"]:
        for batch in BATCHES:
            summary = run(scenario(served, drafted, batch), threads=1).summary
            busy_s = summary["requests"]["completed"] * LENGTHS["output"]
            energy_j = sum(
                p["energy"]["accelerator_j"] - p["energy"]["accelerators_idle_j"] for p in summary["pools"]
            )
            found = {
                "tpot_s": summary["latency"]["tpot_s"]["mean"],
                "tokens_per_s": busy_s / summary["latency"]["e2e_s"]["mean"] / 12,
                "j_per_output_token": energy_j / busy_s,
            }
            if drafted.speculation is None:
                plain[batch] = found
            base = plain[batch]
            given = drafted.speculation or {}
            yield {
                "served": served,
                "draft": drafted.name,
                "length": given.get("length", 0),
                "acceptance": given.get("acceptance"),
                "tokens_per_step": summary["pools"][0].get("speculation", {}).get("tokens_per_step", 1.0),
                "clients": batch,
                **found,
                "tpot_speedup": base["tpot_s"] / found["tpot_s"],
                "throughput_ratio": found["tokens_per_s"] / base["tokens_per_s"],
                "energy_ratio": found["j_per_output_token"] / base["j_per_output_token"],
                "acceptance_from": drafted.source,
            }


def draw(rows: list[Mapping[str, Any]]) -> None:
    plt = pyplot()
    columns = (
        ("tpot_speedup", "times as fast (TPOT)"),
        ("throughput_ratio", "output tokens/s, ratio"),
        ("energy_ratio", "accelerator J per output token, ratio"),
    )
    figure, axes = plt.subplots(len(SERVED), len(columns), figsize=(13, 7), sharex=True)
    for i, served in enumerate(SERVED):
        for j, (key, label) in enumerate(columns):
            axis = axes[i, j]
            axis.axhline(1.0, color="0.6", lw=0.8)
            for drafted, colour in zip(SERVED[served]["drafts"][1:], COLOURS, strict=False):
                of = [r for r in rows if (r["served"], r["draft"]) == (served, drafted.name)]
                axis.plot(
                    [r["clients"] for r in of],
                    [r[key] for r in of],
                    "o-",
                    ms=3,
                    color=colour,
                    label=drafted.name,
                )
            axis.set(xscale="log", ylabel=label)
            axis.set_xticks(BATCHES, [str(b) for b in BATCHES], minor=False)
            axis.minorticks_off()
            if i == len(SERVED) - 1:
                axis.set_xlabel("sequences at once")
        axes[i, 0].legend(frameon=False, fontsize=8, title=served, title_fontsize=8)
    figure.tight_layout()
    save(figure, TOPIC, "speculation")


def main() -> None:
    rows = [row for part in side_by_side(lambda s: list(rows_of(s)), SERVED) for row in part]
    write_rows(TOPIC, "speculation", rows)
    draw(rows)


if __name__ == "__main__":
    main()
