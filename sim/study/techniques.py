"""The same users and prompts under several techniques: what each multiplies, and whether it is what its tokens say.

Three views of each technique, each with and without prefix cache, and each over that of plain requests:
- light: the scenario's fleet with so little demand that even the heaviest technique leaves half of its capacity unused;
- saturated: the same fleet with always more to do than it can, so that its throughput is what counts;
- resized: the smallest fleet for the scenario's own demand. It is provisioned to what an operator promises of each pass
  (`attainment` of a workload's passes within its TTFT and TPOT targets, and no growing backlog), not to the time until
  the user's answer, which no fleet makes shorter than the passes in series: that is reported.
Draws are keyed by request: all see the same prompts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from sim.errors import Fault, UserError
from sim.metrics.moments import length_moments
from sim.run import Result, run
from sim.scenario.arrivals import ClosedArrivals
from sim.scenario.mitigation import NONE
from sim.scenario.schema import Scenario
from sim.study.replications import side_by_side
from sim.study.sizing import size_fleet
from sim.study.sizing_demand import (
    FALLBACK_TPOT_S,
    HOUR_S,
    peak_rate_per_s,
    rate_per_s,
    scaled,
    serial,
    shortened,
    with_arrivals,
)
from sim.study.sizing_guess import guess_replicas
from sim.study.sizing_verdict import ATTAINMENT, Rule, judge_passes
from sim.study.technique_effects import avoided_errors
from sim.study.technique_ratios import LATENCY, by_family, ratios
from sim.study.technique_setup import JUDGE, Trial, read_trials, under
from sim.workload.demand import read_traces
from sim.workload.expected import Expected, expected
from sim.workload.programs import program_of

LIGHT = 0.5
"""Of the fleet's own capacity, by estimate, that the heaviest technique uses under light demand."""
PASSES = 60_000
"""Of a run, so that heavy techniques take no longer to study."""
FEWEST_REQUESTS, MOST_REQUESTS = 1_000, 12_000
CELL_REPLICAS = 48
CROWD = 1.5
"""Passes in flight, over the places of all batches, that keep a fleet saturated."""
FILLING, STEADY = 3.0, 6.0
"""Requests one after another in which a saturated fleet settles, and in which it is observed."""


def compare_techniques(
    scenario: Scenario, techniques: Sequence[str], *, attainment: float = ATTAINMENT
) -> dict[str, Any]:
    """The study as plain data: `rows`, one per technique and cache setting, with figures per request and
    `ratio_to_base`, over "none" with the same cache setting.

    techniques: `name` or `name:parameter=value:role=model`.  attainment: share of passes within their targets.
    Raises UserError for unknown names, and for demand that has no rate of its own.
    """
    begun_s = time.perf_counter()
    rate = rate_per_s(scenario)
    if rate is None:
        process = next(
            w.arrivals.process for w in scenario.workloads if peak_rate_per_s(w, scenario.duration_s) is None
        )
        raise UserError(
            Fault("--techniques", f'needs demand with a rate; "{process}" has none', "use poisson or users")
        )
    trials = read_trials(techniques, scenario.techniques)
    light = LIGHT / max(_load(under(scenario, t, prefix_cache=False)[0]) for t in trials)
    cases = [(t, cache) for cache in (False, True) for t in trials]
    rows = side_by_side(lambda case: _row(scenario, case[0], case[1], light, attainment), cases)
    for row in rows:
        base = next(r for r in rows if r["technique"] == NONE and r["prefix_cache"] == row["prefix_cache"])
        row["ratio_to_base"] = ratios(row, base)
        row["effects"] = avoided_errors(row.pop("trial"), row, base)
    return {
        "mode": "techniques",
        "scenario": scenario.name,
        "seed": scenario.seed,
        "attainment": attainment,
        "demand_rps": rate,
        "light_rps": rate * light,
        "judge": JUDGE,
        "base": NONE,
        "rows": rows,
        "families": by_family(rows),
        "wall_s": time.perf_counter() - begun_s,
    }


def _load(scenario: Scenario) -> float:
    """The scenario's demand over what its fleet may hold, in the model where it is greatest, by estimate."""
    needed = guess_replicas(scenario)
    have = {m: sum(p.replicas for p in scenario.pools if p.model == m) for m in needed}
    return max(needed[m] / have[m] for m in needed)


def _row(scenario: Scenario, trial: Trial, cache: bool, light: float, attainment: float) -> dict[str, Any]:
    made, added = under(scenario, trial, prefix_cache=cache)
    means = _means(made)
    requests = round(min(MOST_REQUESTS, max(FEWEST_REQUESTS, PASSES / means[0].passes)))
    lightly = run(shortened(scaled(made, light), requests), threads=1)
    return {
        "technique": trial.text,
        "family": trial.family,
        "parameters": trial.mitigation.parameters,
        "models": dict(trial.mitigation.models),
        "prefix_cache": cache,
        "added_pools": list(added),
        "mean_tokens": _mean_tokens(made, means),
        "light": _figures(lightly),
        "saturated": _saturated(made, means),
        **_resized(made, requests, attainment),
        "trial": trial,
    }


def _resized(made: Scenario, requests: int, attainment: float) -> dict[str, Any]:
    """The smallest fleet, or why there is none."""
    rule = Rule(judge_passes, (requests // 2, 2 * requests), 2 * requests)
    try:
        sized = size_fleet(made, attainment=attainment, verify=1, cell_replicas=CELL_REPLICAS, rule=rule)
    except UserError as error:
        return {"resized": None, "why_not": error.faults[0].message}
    fleet = {
        "accelerators": sized.accelerators,
        "replicas": {p.name: p.replicas for p in sized.scenario.pools},
        "cells": sized.cells,
        "pass_attainment": sized.verdicts[0].attainment,
        "runs": sized.evaluations,
    }
    return {"resized": {**_figures(sized.result), **fleet}, "why_not": ""}


def _figures(found: Result) -> dict[str, Any]:
    """Per request: passes, tokens and FLOPs, accelerator-seconds (busy, and held by the fleet), site energy, dollars;
    and the user's latency [s]. Time, energy and money are those of the windows in which requests arrive, over the
    requests that do: the emptying of the fleet at the end is no part of them."""
    summary = found.summary
    n = max(1, summary["requests"]["completed"])
    arriving_s = summary["overload"]["arrivals_s"]
    return {
        "requests": n,
        "passes": summary["passes"] / n,
        "input_tokens": summary["tokens"]["input"] / n,
        "output_tokens": summary["tokens"]["output"] / n,
        "prefill_flops": summary["flops"]["prefill"] / n,
        "decode_flops": summary["flops"]["decode"] / n,
        **_steady(found, lambda _: summary["requests"]["arrived"] / arriving_s),
        "e2e_s": {k: summary["latency"]["e2e_s"][k] for k in LATENCY},
        "overloaded": bool(summary["overload"]["growing"]),
    }


def _steady(found: Result, rps_of: Callable[[Callable[[str], float]], float]) -> dict[str, Any]:
    """Per request, over the windows between warm-up and the last arrival: accelerator-seconds, joules, dollars.

    rps_of: requests per second, from a function that gives the mean of a column, all pools together.
    """
    summary, windows, scenario = found.summary, found.windows, found.scenario
    ends_s = windows["start_s"] + windows["width_s"]
    steady = (windows["start_s"] >= scenario.warmup_s - 1e-9) & (ends_s <= scenario.duration_s + 1e-9)
    width_s = windows["width_s"] * steady
    length_s = float(width_s[windows["pool"] == scenario.pools[0].name].sum())
    rps = rps_of(lambda column: float((windows[column] * width_s).sum()) / length_s)
    held = {p["name"]: p["accelerators"] for p in summary["pools"]}
    busy = math.fsum(
        count * float((windows["utilization"] * width_s)[windows["pool"] == name].sum()) / length_s
        for name, count in held.items()
    )
    return {
        "rps": rps,
        "busy_accelerator_s": busy / rps,
        "held_accelerator_s": sum(held.values()) / rps,
        "joules": float((windows["site_w"] * width_s).sum()) / length_s / rps,
        "usd": summary["cost"]["usd_per_hour"] / HOUR_S / rps,
        "cache_hit_rate": summary["prefix_cache"]["hit_rate"],
        "utilization": busy / sum(held.values()),
        "mean_batch": summary["pools"][0]["mean_batch"],
    }


def _saturated(made: Scenario, means: Sequence[Expected]) -> dict[str, Any]:
    """The fleet with always a crowd waiting. Throughput is the decode rate over the decoded tokens of a request (the
    first of an output comes with its prefill). A pool that no pass waits for rests, and is paid for: so is an added
    judge's."""
    waits = [serial(w, made) for w in made.workloads]
    each_s = max(
        tokens * (w.slo.tpot_s or FALLBACK_TPOT_S) + tools_s
        for (tokens, tools_s), w in zip(waits, made.workloads, strict=True)
    )
    crowd = with_arrivals(made, dict(enumerate(_clients(made, means, waits))))
    span = {"warmup_s": FILLING * each_s, "duration_s": (FILLING + STEADY) * each_s}
    found = run(crowd.model_copy(update=span), threads=1)
    summary = found.summary
    decoded = (summary["tokens"]["output"] - summary["passes"]) / summary["requests"]["completed"]
    return _steady(found, lambda mean: mean("decode_tokens_per_s") / decoded)


def _clients(
    made: Scenario, means: Sequence[Expected], waits: Sequence[tuple[float, float]]
) -> list[ClosedArrivals]:
    """Clients of each workload, in proportion to its rate, whose passes in flight fill all batches `CROWD` times."""
    rates = [peak_rate_per_s(w, made.duration_s) or 0.0 for w in made.workloads]
    total = math.fsum(rates)
    found = []
    for w, rate, mean, (tokens, tools_s) in zip(made.workloads, rates, means, waits, strict=True):
        places = sum(p.scheduler.max_batch * p.replicas for p in made.pools if p.model == w.model)
        own = sum(s.output_tokens for s in mean.stages if s.model == w.model)
        at_once = max(own / (tokens + tools_s / (w.slo.tpot_s or FALLBACK_TPOT_S)), 1e-3)
        clients = math.ceil(CROWD * places * rate / total / at_once)
        found.append(ClosedArrivals.model_validate({"process": "closed", "clients": max(1, clients)}))
    return found


def _means(made: Scenario) -> list[Expected]:
    """Passes and tokens of a request of each workload, in the mean."""
    found = []
    traces = read_traces(made)
    for w in made.workloads:
        lengths = length_moments(w, traces)
        assert lengths is not None, "traces were read"
        found.append(expected(program_of(w, made), lengths.input, lengths.output))
    return found


def _mean_tokens(made: Scenario, means: Sequence[Expected]) -> dict[str, float]:
    """Tokens of a request of the mix whose prompt and answer have mean length, an output token counting 1 and 4 times:
    closed form, as multipliers are usually reckoned. Drawn lengths give more where calls grow with the answer."""
    rates = [peak_rate_per_s(w, made.duration_s) or 0.0 for w in made.workloads]
    once, four = (
        sum(r * (m.input_tokens + weight * m.output_tokens) for r, m in zip(rates, means, strict=True))
        for weight in (1, 4)
    )
    return {"output_1": once / math.fsum(rates), "output_4": four / math.fsum(rates)}
