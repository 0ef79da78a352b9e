"""Cost against offered load, on one replica and on a fleet, from near idle to saturation.

At a fixed fleet the cost of a token falls as 1 / load by arithmetic. What the arithmetic does not give is where it
ends: the saturation throughput, the knee (the load from which on a token costs at most 1.5 times its least), and the
latency on the way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sim.errors import Fault, UserError
from sim.run import run
from sim.scenario.arrivals import ClosedArrivals, PoissonArrivals
from sim.scenario.schema import Scenario
from sim.study.replications import side_by_side
from sim.study.sizing_demand import DAY_S, is_open, rate_per_s, scaled, settling_s, with_arrivals

KNEE = 1.5
SHARES = (
    0.005,
    0.01,
    0.02,
    0.04,
    0.07,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.85,
    0.9,
    0.95,
    0.98,
    1.05,
    1.2,
)
"""Of the saturation throughput."""
REQUESTS = 20_000
SATURATING = 2
"""Clients for each place in the batches: more than are ever served at once."""
LEAST_ANSWERS = 20
"""Answers of mean length that a point's run lasts at least, so that a nearly idle fleet is seen too."""


def load_curve(scenario: Scenario, *, shares: Sequence[float] = SHARES) -> dict[str, Any]:
    """The curve of one replica of each pool, and of the fleet as the scenario has it, as plain data.

    The demand's proportions are the scenario's, its arrivals Poisson. Raises UserError where demand has no rate.
    """
    begun_s = time.perf_counter()
    made = _steady(scenario)
    one = tuple(p.model_copy(update={"replicas": 1}) for p in made.pools)
    fleets = {"replica": made.model_copy(update={"pools": one, "cells": 1}), "fleet": made}
    if all(p.replicas == 1 for p in made.pools):
        del fleets["fleet"]
    curves = {name: _curve(fleet, shares) for name, fleet in fleets.items()}
    return {"scenario": scenario.name, "curves": curves, "wall_s": time.perf_counter() - begun_s}


def _steady(scenario: Scenario) -> Scenario:
    """The scenario at the rate of its busiest hour."""
    if not is_open(scenario):
        raise UserError(
            Fault("workload.arrivals", "a load curve needs demand at a rate", "for example poisson")
        )
    change = {}
    for i, w in enumerate(scenario.workloads):
        if w.session is not None:
            text = "a load curve needs requests that clients send without a pause, not sessions"
            raise UserError(Fault(f"workload[{i}].session", text, "leave it out"))
        rate = rate_per_s(scenario.model_copy(update={"workloads": (w,)}))
        change[i] = PoissonArrivals.model_validate({"process": "poisson", "rate_per_s": rate})
    return with_arrivals(scenario, change)


def saturation_rps(fleet: Scenario) -> float:
    """Requests per second [1/s] that a fleet completes when places in its batches are never empty."""
    total = sum(p.replicas * p.scheduler.max_batch for p in fleet.pools) * SATURATING
    clients = max(fleet.cells, total // len(fleet.workloads) // fleet.cells * fleet.cells)
    settle_s = settling_s(fleet)
    closed = ClosedArrivals.model_validate({"process": "closed", "clients": clients})
    busy = with_arrivals(fleet, {i: closed for i in range(len(fleet.workloads))})
    while True:
        s = run(busy.model_copy(update={"warmup_s": settle_s, "duration_s": 3 * settle_s}), threads=1).summary
        served = s["requests"]["completed"]
        if served >= clients or settle_s > DAY_S:
            return _mid_run_rate(busy, settle_s)
        settle_s *= 2


def _mid_run_rate(busy: Scenario, settle_s: float) -> float:
    """Completions per second after the start and before the drain: of a longer run less those of a shorter one."""
    done = [
        run(busy.model_copy(update={"warmup_s": 0.0, "duration_s": n * settle_s}), threads=1).summary[
            "requests"
        ]
        for n in (2, 4)
    ]
    return (done[1]["completed"] - done[0]["completed"]) / (2 * settle_s)


def _curve(fleet: Scenario, shares: Sequence[float]) -> dict[str, Any]:
    most = saturation_rps(fleet)
    rate = rate_per_s(fleet)
    assert rate is not None
    points = side_by_side(lambda share: _point(scaled(fleet, share * most / rate), share), shares)
    held = [p for p in points if not p["overloaded"]]
    least = min(p["usd_per_mtok_output"] for p in held)
    return {
        "replicas": sum(p.replicas for p in fleet.pools),
        "accelerators": sum(p.replicas * p.accelerators_per_replica for p in fleet.pools),
        "saturation_rps": most,
        "saturation_tokens_per_s": most * held[-1]["mean_output_tokens"],
        "least_usd_per_mtok_output": least,
        "knee": _knee(held, most, least),
        "slo_edge_share": max((p["share"] for p in held if (p["attainment"] or 0) >= 0.99), default=None),
        "points": points,
    }


def _knee(held: Sequence[dict[str, Any]], most: float, least: float) -> dict[str, Any] | None:
    """Where cost is `KNEE` times its least, between points by ln cost against ln load; and the latency there."""
    for a, b in pairwise(held):
        high, low = a["usd_per_mtok_output"], b["usd_per_mtok_output"]
        if high >= KNEE * least > low:
            part = math.log(high / (KNEE * least)) / math.log(high / low)
            share = math.exp((1 - part) * math.log(a["share"]) + part * math.log(b["share"]))
            between = {
                key: a[key] + part * (b[key] - a[key])
                for key in ("ttft_p50_s", "ttft_p99_s", "tpot_p50_s", "tpot_p99_s", "mean_batch")
                if a[key] is not None and b[key] is not None
            }
            return {"share": share, "rps": share * most, "usd_per_mtok_output": KNEE * least, **between}
    return None


def _point(fleet: Scenario, share: float) -> dict[str, Any]:
    """One load, after batches have settled."""
    rate = rate_per_s(fleet) or 1.0
    settle_s = settling_s(fleet)
    counted_s = max(min(REQUESTS / rate, 10 * DAY_S), LEAST_ANSWERS / 3 * settle_s)
    timed = fleet.model_copy(update={"warmup_s": settle_s, "duration_s": settle_s + counted_s})
    s = run(timed, threads=1).summary
    ttft, tpot = s["latency"]["ttft_s"], s["latency"]["tpot_s"]
    completed = max(1, s["requests"]["completed"])
    return {
        "share": share,
        "offered_rps": rate,
        "usd_per_mtok_output": s["cost"]["usd_per_mtok_output"],
        "usd_per_request": s["cost"]["usd_per_request"],
        "j_per_output_token": s["energy"]["j_per_output_token"],
        "mean_batch": s["pools"][0]["mean_batch"],
        "utilization": s["utilization"],
        "mean_output_tokens": s["tokens"]["output"] / completed,
        "ttft_p50_s": ttft["p50"],
        "ttft_p99_s": ttft["p99"],
        "tpot_p50_s": tpot["p50"],
        "tpot_p99_s": tpot["p99"],
        "attainment": s["slo"]["attainment"],
        "overloaded": bool(s["overload"]["growing"]) or share > 1,
    }
