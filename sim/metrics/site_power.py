"""The site's draw over the run: pools, training, overhead by load and weather; its peaks and its months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from sim.catalog.regions import region
from sim.metrics.hall import Hall, TrainingBlock
from sim.metrics.power import EnergySeries
from sim.metrics.site_calendar import QUARTER_S, Slots, slots_of
from sim.metrics.site_overhead import Overhead, overhead_w
from sim.metrics.span import Span
from sim.scenario.site import Site


@dataclass(frozen=True)
class SitePower:
    """Energy of the whole site in M slots of the calendar [J].

    it_j: float64[M], of pools and training together.  training_j: float64[T, M], IT energy of each training block.
    overhead: parts by slot.  outdoor_c: float64[M] [deg C], nan where no climate is known.
    """

    span: Span
    slots: Slots
    it_j: np.ndarray
    training_j: np.ndarray
    overhead: Overhead
    outdoor_c: np.ndarray

    @cached_property
    def site_j(self) -> np.ndarray:
        """At the meter, float64[M] [J]."""
        return self.it_j + self.overhead.total

    @cached_property
    def per_it(self) -> np.ndarray:
        """Site energy over IT energy in each slot, float64[M] [1]; 1 where nothing is drawn."""
        return np.divide(self.site_j, self.it_j, out=np.ones_like(self.it_j), where=self.it_j > 0)

    @property
    def training_site_j(self) -> np.ndarray:
        """Each training block's energy with its share of the overhead, float64[T] [J]."""
        return (self.training_j * self.per_it).sum(axis=1)

    @property
    def window_w(self) -> np.ndarray:
        """Mean draw at the meter in each window, float64[N] [W]."""
        return self.slots.by_window(self.site_j) / self.span.width_s

    @property
    def window_it_w(self) -> np.ndarray:
        """Mean IT draw in each window, float64[N] [W]."""
        return self.slots.by_window(self.it_j) / self.span.width_s

    def quantile_w(self, share: float) -> float:
        """Draw that the windows stay at or below for `share` of the time [W]."""
        order = np.argsort(self.window_w, kind="stable")
        reached = np.cumsum(self.span.width_s[order]) / self.span.length_s
        return float(self.window_w[order][min(np.searchsorted(reached, share - 1e-12), len(order) - 1)])

    def with_overhead(self, pool: EnergySeries) -> EnergySeries:
        """A pool's series with its share of the overhead, by IT energy slot by slot."""
        spread = self.slots.spread(pool.it_j, self.span.width_s)
        return replace(pool, overhead=self.slots.by_window(spread * (self.per_it - 1)))

    def quarters(self) -> tuple[np.ndarray, np.ndarray]:
        """Number and mean draw [W] of each quarter of an hour of the clock.

        Quarters that the span covers by less than half are left out, unless it covers none by more. Where windows are
        longer than a quarter, its draw is their mean.
        """
        number, place = np.unique(self.slots.quarter, return_inverse=True)
        covered_s = np.bincount(place, weights=self.slots.width_s)
        draw_w = np.bincount(place, weights=self.site_j) / covered_s
        full = covered_s >= QUARTER_S / 2
        return (number[full], draw_w[full]) if full.any() else (number, draw_w)


def site_power(
    span: Span,
    pools: Sequence[EnergySeries],
    halls: Sequence[Hall],
    blocks: Sequence[TrainingBlock],
    site: Site,
) -> SitePower:
    """Bring the pools' IT energy and the training blocks' together, and add the building's overhead."""
    slots = slots_of(
        span,
        datetime.fromisoformat(site.start),
        [t for block in blocks for t in (block.start_s, block.end_s)],
    )
    pool_j = slots.spread(sum((pool.it_j for pool in pools), np.zeros_like(span.width_s)), span.width_s)
    training_j = np.array([training_w(block, slots) * slots.width_s for block in blocks])
    training_j = training_j.reshape(len(blocks), len(slots.width_s))
    it_j = pool_j + training_j.sum(axis=0)
    outdoor_c = outdoor_temperature(site, slots)
    beyond = overhead_w(site, it_j / slots.width_s, rated_it_w(halls, blocks), outdoor_c)
    return SitePower(span, slots, it_j, training_j, beyond.times(slots.width_s), outdoor_c)


def training_w(block: TrainingBlock, slots: Slots) -> np.ndarray:
    """IT draw of a training block in each slot, float64[M] [W]; slots do not reach over its start or end."""
    middle_s = slots.start_s + slots.width_s / 2
    trains = (middle_s >= block.start_s) & (middle_s < block.end_s)
    return np.where(trains, block.active_w, block.idle_w)


def outdoor_temperature(site: Site, slots: Slots) -> np.ndarray:
    """Outdoor temperature of each slot [deg C]: as given with the PUE, else the region's; nan without either."""
    given = getattr(site.pue, "outdoor_c", None)
    if given is not None or site.region is None:
        return np.full(len(slots.width_s), np.nan if given is None else given)
    return slots.outdoor_c(region(site.region))


def rated_it_w(halls: Sequence[Hall], blocks: Sequence[TrainingBlock]) -> float:
    """IT power that the building is made for: nameplates of all that stands in it [W]."""
    return sum(h.provisioned_it_w for h in halls) + sum(b.provisioned_it_w for b in blocks)
