"""All that the figures of a run are made of, brought together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.cost.types import StepCost
from sim.engine import state as S
from sim.metrics.fleet import FleetSeries, fleet_series, needed_replicas
from sim.metrics.hall import Hall, TrainingBlock, hall_of, training_block
from sim.metrics.moments import Moments, mixture
from sim.metrics.passes import Calls, calls_of
from sim.metrics.power import EnergySeries, it_series
from sim.metrics.run import RunMetrics
from sim.metrics.site_power import SitePower, site_power
from sim.metrics.span import Span, span_of
from sim.scenario.schema import Scenario
from sim.workload.program import Program


@dataclass(frozen=True)
class Observed:
    """A scenario and the books of its run.

    costs: step cost of each pool.  programs: of each workload.  lengths: moments of the token lengths of each
    workload's requests.
    arrivals_end_s: until when requests arrive [s].  carbon_g_per_kwh: of the site's electricity.
    """

    scenario: Scenario
    costs: Sequence[StepCost]
    programs: Sequence[Program]
    lengths: Sequence[Moments]
    metrics: RunMetrics
    arrivals_end_s: float
    carbon_g_per_kwh: float

    @cached_property
    def span(self) -> Span:
        """The windows that every figure covers: from the warm-up to the last completion, at least the duration."""
        end_s = max(self.scenario.duration_s, self.metrics.end_s)
        return span_of(self.metrics, self.scenario.warmup_s, end_s)

    @cached_property
    def halls(self) -> tuple[Hall, ...]:
        """The hardware of each pool."""
        site = self.scenario.site
        return tuple(hall_of(p, c.idle_w, site) for p, c in zip(self.scenario.pools, self.costs, strict=True))

    @cached_property
    def blocks(self) -> tuple[TrainingBlock, ...]:
        """The hardware of each training run."""
        return tuple(training_block(t, self.scenario.site) for t in self.scenario.training)

    @cached_property
    def site_power(self) -> SitePower:
        """Energy of the whole site over the span, by slots of the calendar."""
        return site_power(self.span, self._it_series, self.halls, self.blocks, self.scenario.site)

    @cached_property
    def energies(self) -> tuple[EnergySeries, ...]:
        """Energy of each pool in each window of the span, its share of the overhead included."""
        return tuple(self.site_power.with_overhead(series) for series in self._it_series)

    @cached_property
    def _it_series(self) -> tuple[EnergySeries, ...]:
        on = self.fleet or [None] * len(self.halls)
        return tuple(it_series(self.span, i, hall, on[i]) for i, hall in enumerate(self.halls))

    @cached_property
    def fleet(self) -> tuple[FleetSeries, ...]:
        """Replicas of each pool over the span; empty where nothing changes the fleet."""
        logs = self.metrics.fleet
        return tuple(fleet_series(logs, i, self.span) for i in range(len(self.scenario.pools)) if logs)

    def needed_replicas(self, i: int) -> np.ndarray | None:
        """Replicas of pool `i` that a perfect scaler has in each window, int64[N]; None for static batching."""
        scheduler, span = self.scenario.pools[i].scheduler, self.span
        return needed_replicas(self.costs[i], scheduler, self.asked_of(i), span.columns[i], span.width_s)

    @cached_property
    def pool_columns(self) -> np.ndarray:
        """Columns of the windows summed over the span, float64[P, columns]."""
        return self.span.columns.sum(axis=1)

    @cached_property
    def calls(self) -> tuple[Calls, ...]:
        """The calls of every workload, by stage."""
        asked, hit = (float(self.pool_columns[:, c].sum()) for c in (S.CACHE_ASKED, S.CACHE_HIT))
        return calls_of(self.programs, self.metrics, self.lengths, hit / asked if asked else 0.0)

    def calls_for(self, model: str) -> tuple[Calls, ...]:
        """The calls that ask for `model`."""
        return tuple(c for c in self.calls if c.model == model)

    def pools_of(self, model: str) -> list[int]:
        """Numbers of the pools that serve `model`."""
        return [i for i, pool in enumerate(self.scenario.pools) if pool.model == model]

    def asked_of(self, i: int) -> Moments:
        """Moments of the calls of pool `i` as far as it serves them: their prompts, their answers, or both."""
        pool = self.scenario.pools[i]
        return self.lengths_of(pool.model).part(pool.role)

    def together(self, rates: Mapping[int, float]) -> float:
        """Rate of pools of one model that serve `rates` each, by number: those that each call passes through one after
        another hold each other up."""
        roles = {i: self.scenario.pools[i].role for i in rates}
        return min(sum(rates[i] for i in rates if roles[i] == role) for role in set(roles.values()))

    def lengths_of(self, model: str) -> Moments:
        """Moments of the calls for `model`, stages weighted by their calls."""
        calls = self.calls_for(model)
        counts = [float(c.count) for c in calls]
        return mixture([c.lengths for c in calls], counts if sum(counts) else [1.0] * len(calls))
