"""What a demand needs hour by hour: its mean rates, and the replicas that hold them, found by simulation at some."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.errors import Fault, ScenarioError
from sim.scenario.arrivals import PoissonArrivals
from sim.scenario.rate import Modulated
from sim.scenario.schema import Scenario
from sim.study.replications import side_by_side
from sim.study.sizing import Sized, size_fleet
from sim.study.sizing_demand import HOUR_S, with_arrivals
from sim.workload.rate import expected

SIZED = 8
"""Rates, from the lowest to the highest, at which replicas are found by simulation; between them a straight line."""


@dataclass(frozen=True)
class Staffing:
    """Replicas by load: rates [requests/s] in rising order, and the replicas that sizing found for each."""

    rates: tuple[float, ...]
    replicas: tuple[int, ...]

    def needed(self, rate: float) -> int:
        """Replicas for a rate; beyond the highest in its proportion."""
        if rate <= 0:
            return 0
        beyond = self.replicas[-1] * rate / self.rates[-1]
        return max(1, math.ceil(float(np.interp(rate, self.rates, self.replicas, right=beyond)) - 1e-9))

    def held(self, replicas: int) -> float:
        """The highest rate that so many replicas are enough for [requests/s]."""
        rates, counts = (0.0, *self.rates), (0.0, *map(float, self.replicas))
        if replicas >= counts[-1]:
            return rates[-1] * replicas / counts[-1]
        kept = [i for i in range(len(counts)) if i == len(counts) - 1 or counts[i] < counts[i + 1]]
        return float(np.interp(replicas, [counts[i] for i in kept], [rates[i] for i in kept]))


def hourly_rates(scenario: Scenario) -> np.ndarray:
    """Mean rate of each workload in each hour of the run, float64[W, hours] [requests/s]; a last part of an hour is
    one too. Raises ScenarioError for arrivals that have no rate of their own."""
    edges = np.append(np.arange(0.0, scenario.duration_s - 1e-6, HOUR_S), scenario.duration_s)
    rows, faults = [], []
    for i, w in enumerate(scenario.workloads):
        if isinstance(w.arrivals, Modulated):
            rows.append(expected(w.arrivals, edges, scenario.duration_s) / np.diff(edges))
        else:
            text = f'"{w.arrivals.process}" arrivals have no rate by the hour'
            faults.append(
                Fault(f"workload[{i}].arrivals.process", text, 'use "users" or "poisson" with a shape')
            )
    if faults:
        raise ScenarioError(faults)
    return np.asarray(rows)


def steady(scenario: Scenario, rates: Sequence[float]) -> Scenario:
    """The scenario with workloads that arrive at these rates all the time."""
    change = {
        i: PoissonArrivals.model_validate({"process": "poisson", "rate_per_s": max(float(r), 1e-9)})
        for i, r in enumerate(rates)
    }
    return with_arrivals(scenario, change).model_copy(update={"duration_s": 4 * HOUR_S, "warmup_s": 0.0})


def staffing(scenario: Scenario, hours: np.ndarray, attainment: float) -> tuple[Staffing, Sized]:
    """Replicas at `SIZED` of the hours' rates, each with its own proportion of workloads; and the largest fleet.

    hours: as `hourly_rates` gives them.
    """
    total = hours.sum(axis=0)
    positive = total[total > 0]
    if not len(positive):
        raise ScenarioError(Fault("workload.arrivals", "nothing arrives in the run"))
    wanted = np.linspace(positive.min(), positive.max(), SIZED)
    chosen = sorted({int(np.abs(total - rate).argmin()) for rate in wanted}, key=lambda i: total[i])
    sized = side_by_side(
        lambda i: size_fleet(steady(scenario, hours[:, i].tolist()), attainment=attainment, verify=0), chosen
    )
    counts = np.maximum.accumulate([s.replicas for s in sized])
    return Staffing(tuple(float(total[i]) for i in chosen), tuple(counts.tolist())), sized[-1]
