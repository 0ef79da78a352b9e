"""The largest load that a fleet holds at its targets: the inverse of sizing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sim.errors import Fault
from sim.scenario.schema import Scenario
from sim.study.sizing_demand import scaled
from sim.study.sizing_guess import guess_replicas
from sim.study.sizing_verdict import ATTAINMENT, Unreachable, check_reachable, try_fleet

LOAD_TOLERANCE = 0.01
SMALLEST_LOAD = 1e-6
"""Of the first guess: below it the search gives up."""


@dataclass(frozen=True)
class Held:
    """The largest load that a fleet holds at its targets.

    factor: of the scenario's demand.  scenario: with that demand.  evaluations: runs.
    """

    factor: float
    scenario: Scenario
    evaluations: int


def largest_load(
    scenario: Scenario, *, attainment: float = ATTAINMENT, tolerance: float = LOAD_TOLERANCE
) -> Held:
    """The largest multiple of the scenario's demand that its fleet serves within its targets.

    Bisected to `tolerance`. Raises Unreachable where even a request alone misses its targets.
    """
    check_reachable(scenario, attainment)
    guess, runs = scenario_guess(scenario), [1]

    def count() -> None:
        runs[0] += 1

    def holds(factor: float) -> bool:
        return try_fleet(scaled(scenario, factor), attainment, count).met

    low, high = _bracket(holds, guess)
    while high / low > 1 + tolerance:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return Held(low, scaled(scenario, low), runs[0])


def scenario_guess(scenario: Scenario) -> float:
    """Demand that the fleet may hold, as a multiple of the scenario's: 1 where nothing is known."""
    needed = guess_replicas(scenario)
    ratios = [
        sum(p.replicas for p in scenario.pools if p.model == model) / count
        for model, count in needed.items()
        if count
    ]
    return min(ratios) if ratios else 1.0


def _bracket(holds: Callable[[float], bool], guess: float) -> tuple[float, float]:
    """A load that is held and one that is not, a small step apart, from a guess."""
    step, load = 1.15, guess
    if holds(load):
        while holds(load * step):
            load, step = load * step, step**1.5
        return load, load * step
    while not holds(load / step):
        load, step = load / step, step**1.5
        if load < guess * SMALLEST_LOAD:
            raise Unreachable(Fault("slo", "the fleet meets its targets at no load that was tried"))
    return load / step, load
