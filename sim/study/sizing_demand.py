"""The demand of a scenario made larger or smaller, cut to a cell, shortened to a stretch that settles.

Everything here gives a new scenario; the requests of one seed stay the same as far as the change allows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sim.scenario.arrivals import (
    Arrivals,
    BurstArrivals,
    ClosedArrivals,
    TraceArrivals,
    UserArrivals,
)
from sim.scenario.lengths import TraceLengths
from sim.scenario.rate import FLAT, Modulated, hourly
from sim.scenario.schema import Scenario
from sim.scenario.workload import FROM_TRACE, Workload
from sim.workload.rate import busiest_hour, mean_rate_per_s

DAY_S, HOUR_S = 86_400.0, 3600.0
FALLBACK_TPOT_S = 0.1
"""Time per output token to expect where no target says so, for the time that batches take to settle."""
SETTLING = 3.0
"""Answers of mean length that fit one after another into the time that batches take to settle."""
LONE_REQUESTS = 400


def with_arrivals(scenario: Scenario, change: Mapping[int, Arrivals]) -> Scenario:
    """The scenario with the arrivals of the workloads numbered in `change` replaced."""
    workloads = tuple(
        w.model_copy(update={"arrivals": change[i]}) if i in change else w
        for i, w in enumerate(scenario.workloads)
    )
    return scenario.model_copy(update={"workloads": workloads})


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """`factor` times the demand: rates and users grow, clients and bursts too (whole, at least one), and traces
    are played faster."""
    return with_arrivals(scenario, {i: _scaled(w.arrivals, factor) for i, w in enumerate(scenario.workloads)})


def _scaled(arrivals: Arrivals, factor: float) -> Arrivals:
    match arrivals:
        case UserArrivals():
            return arrivals.model_copy(update={"users": arrivals.users * factor})
        case ClosedArrivals():
            requests = arrivals.requests and max(1, round(arrivals.requests * factor))
            clients = max(1, round(arrivals.clients * factor))
            return arrivals.model_copy(update={"clients": clients, "requests": requests})
        case BurstArrivals():
            return arrivals.model_copy(update={"requests": max(1, round(arrivals.requests * factor))})
        case TraceArrivals():
            return arrivals.model_copy(update={"rate_scale": arrivals.rate_scale * factor})
        case _:
            return arrivals.model_copy(update={"rate_per_s": arrivals.rate_per_s * factor})


def divides(scenario: Scenario) -> bool:
    """Whether a share of the demand is a smaller demand of the same kind, so that one cell can stand for all."""
    return all(w.arrivals.process in ("poisson", "users") for w in scenario.workloads)


def is_open(scenario: Scenario) -> bool:
    """Whether every workload arrives at a rate that goes on, so that a shorter run shows the same."""
    return all(
        w.arrivals.process in ("poisson", "users", "gamma", "weibull", "deterministic")
        for w in scenario.workloads
    )


def peak_rate_per_s(workload: Workload, duration_s: float) -> float | None:
    """Mean rate [requests/s] in the busiest hour of the run; None where arrivals follow from answers or a file."""
    arrivals = workload.arrivals
    if not isinstance(arrivals, Modulated):
        return None
    if arrivals.changes_once:
        return busiest_hour(arrivals, duration_s)[1]
    return mean_rate_per_s(arrivals) * peak_hour(arrivals, duration_s)[1]


def rate_per_s(scenario: Scenario) -> float | None:
    """Requests per second of all workloads in their busiest hours; None where one has no rate of its own."""
    rates = [peak_rate_per_s(w, scenario.duration_s) for w in scenario.workloads]
    known = [r for r in rates if r is not None]
    return math.fsum(known) if len(known) == len(rates) else None


def peak_hour(arrivals: Modulated, duration_s: float) -> tuple[float, float]:
    """The hour of the shape [h] with the highest rate among those that the run covers, and that rate over the mean."""
    rates, start = hourly(arrivals.shape), arrivals.start_hour or 0.0
    if not rates:
        return start, 1.0
    mean = sum(rates) / len(rates)
    first = math.floor(start)
    hours = min(len(rates), max(1, math.ceil(start + duration_s / HOUR_S) - first))
    covered = [(first + i) % len(rates) for i in range(hours)]
    best = max(covered, key=lambda h: rates[h])
    return float(best), rates[best] / mean


def at_peak(arrivals: Arrivals, duration_s: float) -> Arrivals:
    """The arrivals as they are in the busiest hour: those of a shape begin with it, those that grow, ramp or surge
    come at its mean rate."""
    if not isinstance(arrivals, Modulated):
        return arrivals
    if not arrivals.changes_once:
        if not hourly(arrivals.shape):
            return arrivals
        return arrivals.model_copy(update={"start_hour": peak_hour(arrivals, duration_s)[0]})
    factor = busiest_hour(arrivals, duration_s)[1] / mean_rate_per_s(arrivals)
    steady = {"growth": None, "ramp": None, "surges": None, "start_hour": None}
    shape = FLAT if isinstance(arrivals, UserArrivals) else None
    return _scaled(arrivals.model_copy(update={**steady, "shape": shape}), factor)


def shortened(scenario: Scenario, requests: int) -> Scenario:
    """A run of about `requests` counted requests at the busiest hour's rate, after batches have settled.

    A demand that is not `is_open`, or a scenario no longer than that, stays as it is. Where the rate follows the
    hour, the run stays within the busiest one.
    """
    rate = rate_per_s(scenario) if is_open(scenario) else None
    if rate is None:
        return scenario
    settle_s = settling_s(scenario)
    counted_s = max(requests / rate, settle_s)
    varying = [w.arrivals for w in scenario.workloads if isinstance(w.arrivals, Modulated)]
    peaked = any(hourly(a.shape) or a.changes_once for a in varying)
    if peaked:
        counted_s = min(counted_s, HOUR_S - min(settle_s, HOUR_S / 2))
    if settle_s + counted_s >= scenario.duration_s:
        if not peaked or scenario.warmup_s:
            return scenario
        settle_s, counted_s = 0.1 * scenario.duration_s, 0.9 * scenario.duration_s
    busy = with_arrivals(
        scenario, {i: at_peak(w.arrivals, scenario.duration_s) for i, w in enumerate(scenario.workloads)}
    )
    return busy.model_copy(update={"duration_s": settle_s + counted_s, "warmup_s": settle_s})


def settling_s(scenario: Scenario) -> float:
    """Time [s] after which an empty fleet's batches have filled: a few answers of mean length, as slow as allowed."""
    return SETTLING * max(_answer_s(w, scenario) for w in scenario.workloads)


def serial(workload: Workload, scenario: Scenario) -> tuple[float, float]:
    """Tokens that a request of `workload` emits one after another in the mean, calls side by side counting as one,
    and the time of its tools [s]; lengths that stand in a trace count as 256."""
    from sim.metrics.moments import length_moments
    from sim.workload.expected import expected
    from sim.workload.programs import program_of

    moments = length_moments(workload, {})
    prompt, answer = (moments.input, moments.output) if moments is not None else (256.0, 256.0)
    program = program_of(workload, scenario)
    if program.is_plain:
        return answer, 0.0
    stages = expected(program, prompt, answer).stages
    tokens = sum(s.executions * s.output_tokens / s.passes for s in stages if s.passes > 0)
    waits_s = sum(s.executions * p.tool.delay_s for s, p in zip(stages, program.stages, strict=True))
    return tokens, waits_s


def _widest(workload: Workload, scenario: Scenario) -> int:
    """The most calls of a stage of `workload` that a request of any length may have side by side."""
    from sim.workload.programs import program_of

    return max(stage.calls.most for stage in program_of(workload, scenario).stages)


def _answer_s(workload: Workload, scenario: Scenario) -> float:
    tokens, waits_s = serial(workload, scenario)
    slo = workload.slo
    each = slo.tpot_s if slo.tpot_s is not None else FALLBACK_TPOT_S
    one = workload.session is None  # a target is for a turn, not for the session
    longest = slo.e2e_s if slo.e2e_s is not None and one else math.inf
    return max(1.0, min(tokens * each + waits_s, longest) + (slo.ttft_s or 0.0))


def lone(scenario: Scenario) -> Scenario:
    """One client of each workload on replicas of their own: what a request sees that shares with nobody.

    Calls side by side have a replica each, unless the router keeps a request's passes on one.
    """
    wide = 1 if scenario.router == "session" else max(_widest(w, scenario) for w in scenario.workloads)
    workloads = tuple(
        w.model_copy(update={"arrivals": _ALONE, "lengths": _own_lengths(w)}) for w in scenario.workloads
    )
    pools = tuple(p.model_copy(update={"replicas": wide * len(workloads)}) for p in scenario.pools)
    return scenario.model_copy(
        update={
            "workloads": workloads,
            "pools": pools,
            "cells": 1,
            "warmup_s": 0.0,
            "duration_s": DAY_S,
            "router": "least-outstanding",
        }
    )


_ALONE = ClosedArrivals.model_validate({"process": "closed", "clients": 1, "requests": LONE_REQUESTS})


def _own_lengths(workload: Workload) -> Any:
    """The lengths apart from the arrivals: drawn from the trace's rows where they stand in a trace."""
    arrivals = workload.arrivals
    if workload.lengths != FROM_TRACE or not isinstance(arrivals, TraceArrivals):
        return workload.lengths
    return TraceLengths.model_validate({"kind": "trace", "path": arrivals.path, "format": arrivals.format})
