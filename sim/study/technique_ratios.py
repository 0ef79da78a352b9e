"""What a technique multiplies: its figures over those of plain requests, and what a family comes to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from sim.scenario.mitigation import NONE

EACH = ("busy_accelerator_s", "joules", "usd")
LATENCY = ("mean", "p50", "p99")


def ratios(row: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Multipliers of everything that `row` has a figure for; FLOPs and tokens are those of the light run."""
    of, over = row["light"], base["light"]

    def tokens(figures: Mapping[str, Any], weight: float) -> float:
        return figures["input_tokens"] + weight * figures["output_tokens"]

    found: dict[str, Any] = {
        "tokens": tokens(of, 1) / tokens(over, 1),
        "tokens_output_4": tokens(of, 4) / tokens(over, 4),
        "tokens_at_mean_lengths": row["mean_tokens"]["output_1"] / base["mean_tokens"]["output_1"],
        "tokens_output_4_at_mean_lengths": row["mean_tokens"]["output_4"] / base["mean_tokens"]["output_4"],
        "passes": of["passes"] / over["passes"],
        "prefill_flops": of["prefill_flops"] / over["prefill_flops"],
        "decode_flops": of["decode_flops"] / over["decode_flops"],
        "flops": (of["prefill_flops"] + of["decode_flops"]) / (over["prefill_flops"] + over["decode_flops"]),
    }
    for view in ("light", "saturated", "resized"):
        mine, its = row[view], base[view]
        if mine is None or its is None:
            found[view] = None
            continue
        each: dict[str, Any] = {k: mine[k] / its[k] for k in EACH}
        if view == "resized":
            each["accelerators"] = mine["accelerators"] / its["accelerators"]
        if "e2e_s" in mine:
            each["e2e_s"] = {k: mine["e2e_s"][k] / its["e2e_s"][k] for k in LATENCY}
        found[view] = each
    return found


def by_family(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Least, median and greatest multiplier of the techniques of each family, and how many of them are nearer to ten
    than to one on the logarithmic scale: tokens, and dollars of the resized fleet without and with prefix cache."""
    found = []
    for family in dict.fromkeys(r["family"] for r in rows if r["technique"] != NONE):
        of = [r for r in rows if r["family"] == family]
        usd = [(r["prefix_cache"], r["ratio_to_base"]["resized"]) for r in of]
        found.append(
            {
                "family": family,
                "tokens": _spread([r["ratio_to_base"]["tokens"] for r in of if not r["prefix_cache"]]),
                "usd_without_cache": _spread([q["usd"] for cache, q in usd if q and not cache]),
                "usd_with_cache": _spread([q["usd"] for cache, q in usd if q and cache]),
            }
        )
    return found


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {
        "techniques": len(values),
        "least": min(values),
        "median": median(values),
        "greatest": max(values),
        "nearer_to_ten": sum(v > math.sqrt(10) for v in values),
    }
