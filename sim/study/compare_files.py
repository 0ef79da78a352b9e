"""Scenarios side by side as they stand: each run with the same seeds, ratios to the first of paired runs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sim.run import run
from sim.scenario.schema import Scenario
from sim.study.replications import fresh_seeds, interval, paired_ratio, side_by_side

REPLICATIONS = 5


def compare_scenarios(
    scenarios: Sequence[Scenario], names: Sequence[str], *, replications: int = REPLICATIONS
) -> dict[str, Any]:
    """Each scenario's figures over `replications` runs, and their ratios to the first scenario's, run by run.

    All scenarios run with the same seeds, derived from the first's, so that where their workloads are alike they
    see the same requests.  names: what to call them.  `binding` is of the first run.
    """
    begun_s = time.perf_counter()
    seeds = fresh_seeds(scenarios[0].seed, replications)
    jobs = [(s, seed) for s in scenarios for seed in seeds]

    def figures_of(job: tuple[Scenario, int]) -> tuple[dict[str, float | None], dict[str, Any]]:
        summary = run(job[0].model_copy(update={"seed": job[1]}), threads=1).summary
        return figures(summary), summary["binding"]

    done = side_by_side(figures_of, jobs)
    each = [done[i * replications : (i + 1) * replications] for i in range(len(scenarios))]
    parts = [[found for found, _ in part] for part in each]
    rows = [
        {
            "name": name,
            "scenario": scenario.name,
            "figures": {key: _mean(part, key) for key in part[0]},
            "ratio_to_base": {
                key: paired_ratio(_values(part, key), _values(parts[0], key)).as_dict()
                for key in part[0]
                if _positive(part, key) and _positive(parts[0], key)
            },
            "binding": runs[0][1],
        }
        for name, scenario, part, runs in zip(names, scenarios, parts, each, strict=True)
    ]
    return {
        "base": names[0],
        "replications": replications,
        "seeds": list(seeds),
        "rows": rows,
        "wall_s": time.perf_counter() - begun_s,
    }


def figures(s: Mapping[str, Any]) -> dict[str, float | None]:
    """What a run is compared by, from its summary."""
    latency = {
        f"{name[:-2]}_{q}_s": s["latency"][name][q]
        for name in ("ttft_s", "tpot_s", "e2e_s")
        for q in ("p50", "p99")
    }
    return {
        "accelerators": float(s["fleet"]["accelerators"]),
        "completed": float(s["requests"]["completed"]),
        "attainment": s["slo"]["attainment"],
        "goodput_rps": s["slo"]["goodput_rps"],
        "usd_per_hour": s["cost"]["usd_per_hour"],
        "usd_per_request": s["cost"]["usd_per_request"],
        "usd_per_mtok_output": s["cost"]["usd_per_mtok_output"],
        "wh_per_request": s["energy"]["wh_per_request"],
        "j_per_output_token": s["energy"]["j_per_output_token"],
        "site_w_mean": s["power"]["site_w_mean"],
        "utilization": s["utilization"],
        **latency,
    }


def _values(part: Sequence[Mapping[str, float | None]], key: str) -> list[float]:
    return [math.nan if (v := f[key]) is None else float(v) for f in part]


def _positive(part: Sequence[Mapping[str, float | None]], key: str) -> bool:
    return all(v > 0 for v in _values(part, key))


def _mean(part: Sequence[Mapping[str, float | None]], key: str) -> dict[str, float | None]:
    values = _values(part, key)
    if any(math.isnan(v) for v in values):
        return {"mean": None, "low": None, "high": None}
    return interval(values).as_dict()
