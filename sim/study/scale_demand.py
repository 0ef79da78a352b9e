"""A scenario for so many users: demand by users, its prompts with a share found in a prefix cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.catalog.types import ClientLengths
from sim.catalog.workloads import length_table
from sim.errors import Fault, ScenarioError
from sim.scenario.arrivals import UserArrivals
from sim.scenario.lengths import (
    FixedLengths,
    LognormalLengths,
    MeanCv,
    MixLengths,
    QuantileLengths,
    UniformLengths,
)
from sim.scenario.schema import Scenario
from sim.study.sizing_demand import DAY_S, at_peak, rate_per_s, scaled, with_arrivals

REQUESTS_PER_USER_PER_DAY = 3.7
"""Of a scenario that does not speak of users: ChatGPT, messages per weekly user and day, mid-2025 (2.6 billion a day
for 700 million users; NBER working paper 34255, via press)."""


def by_users(scenario: Scenario) -> Scenario:
    """The scenario with its demand as users: as it is, or for plain rates (poisson) as users who ask at that rate.

    Raises ScenarioError for other arrivals, which do not grow with users.
    """
    change, faults = {}, []
    for i, w in enumerate(scenario.workloads):
        if isinstance(w.arrivals, UserArrivals):
            continue
        if w.arrivals.process != "poisson":
            text = f'"{w.arrivals.process}" arrivals do not grow with users'
            hint = 'use { process = "users", users = ..., requests_per_user_per_day = ... }'
            faults.append(Fault(f"workload[{i}].arrivals.process", text, hint))
            continue
        users = w.arrivals.rate_per_s * DAY_S / REQUESTS_PER_USER_PER_DAY
        own = w.arrivals.model_dump(by_alias=True, exclude={"process", "rate_per_s"}, exclude_none=True)
        table = {
            **own,
            "process": "users",
            "users": users,
            "requests_per_user_per_day": REQUESTS_PER_USER_PER_DAY,
        }
        change[i] = UserArrivals.model_validate(table)
    if faults:
        raise ScenarioError(faults)
    return with_arrivals(scenario, change)


def users_of(scenario: Scenario) -> float:
    """Users of the largest workload: of several, each has a share of the same people."""
    return max(w.arrivals.users for w in scenario.workloads if isinstance(w.arrivals, UserArrivals))


def for_users(scenario: Scenario, users: float) -> Scenario:
    """The scenario, of demand by users, with so many of them, over a day."""
    grown = scaled(scenario, users / users_of(scenario))
    return grown.model_copy(update={"duration_s": DAY_S, "warmup_s": 0.0, "cells": 1})


def requests_per_day(scenario: Scenario) -> float:
    """Mean requests of a day."""
    return sum(
        w.arrivals.users * w.arrivals.requests_per_user_per_day
        for w in scenario.workloads
        if isinstance(w.arrivals, UserArrivals)
    )


def peak_over_mean(scenario: Scenario) -> float:
    """Rate of the busiest hour of the day over the mean rate."""
    rate = rate_per_s(scenario)
    return 1.0 if rate is None else rate * DAY_S / requests_per_day(scenario)


def at_peak_hour(scenario: Scenario) -> Scenario:
    """One hour, the busiest."""
    change = {i: at_peak(w.arrivals, DAY_S) for i, w in enumerate(scenario.workloads)}
    return with_arrivals(scenario, change).model_copy(update={"duration_s": 3600.0, "warmup_s": 0.0})


def with_cached_prompts(scenario: Scenario, cached: float) -> Scenario:
    """The scenario with `cached` of every prompt found in a prefix cache, so that the rest alone is computed.

    The cached part's room in the KV cache is not counted: it is shared. Raises ScenarioError for lengths from a trace.
    """
    workloads, faults = [], []
    for i, w in enumerate(scenario.workloads):
        try:
            shorter = _shorter(w.lengths, lambda tokens: max(1.0, tokens * (1 - cached)))
        except TypeError:
            faults.append(
                Fault(f"workload[{i}].lengths", "cannot be shortened for a cache", "leave cache out")
            )
            continue
        workloads.append(w.model_copy(update={"lengths": shorter}))
    if faults:
        raise ScenarioError(faults)
    return scenario.model_copy(update={"workloads": tuple(workloads)})


def _shorter(lengths: Any, cut: Callable[[float], float]) -> Any:
    if isinstance(lengths, str):
        table = length_table(lengths)
        if table.clients:
            parts = [{"share": c.share, "lengths": _client(c, cut)} for c in table.clients]
            return MixLengths.model_validate({"kind": "mix", "parts": parts})
        return QuantileLengths(
            kind="quantiles",
            input=tuple((p, cut(t)) for p, t in zip(table.input_p, table.input_tokens, strict=True)),
            output=tuple(zip(table.output_p, table.output_tokens, strict=True)),
        )
    match lengths:
        case MixLengths():
            parts = (p.model_copy(update={"lengths": _shorter(p.lengths, cut)}) for p in lengths.parts)
            return lengths.model_copy(update={"parts": tuple(parts)})
        case FixedLengths():
            return lengths.model_copy(update={"input": round(cut(lengths.input))})
        case UniformLengths():
            return lengths.model_copy(update={"input": tuple(round(cut(t)) for t in lengths.input)})
        case QuantileLengths():
            return lengths.model_copy(update={"input": tuple((p, cut(t)) for p, t in lengths.input)})
        case LognormalLengths(input=MeanCv() as side):
            return lengths.model_copy(update={"input": side.model_copy(update={"mean": cut(side.mean)})})
    raise TypeError(type(lengths).__name__)


def _client(client: ClientLengths, cut: Callable[[float], float]) -> QuantileLengths:
    return QuantileLengths(
        kind="quantiles",
        input=tuple((p, cut(t)) for p, t in zip(client.p, client.input_tokens, strict=True)),
        output=tuple(zip(client.p, client.output_tokens, strict=True)),
    )
