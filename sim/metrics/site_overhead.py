"""What a building draws beyond its IT: a fixed PUE, or losses and cooling by load and outdoor temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.scenario.pue import LoadTemperature
from sim.scenario.site import Site

ZERO_C = 273.15
LEAST_LIFT_K = 8.0
"""Smallest temperature difference that a chiller works against [K]; keeps its COP finite in the cold."""


@dataclass(frozen=True)
class Overhead:
    """Power beyond IT [W], or energy [J], in parts that sum to it; arrays of one shape.

    ups: loss of the uninterruptible supply.  distribution: of transformers, switchgear, cables.  cooling: fans, pumps,
    chillers.  other: lighting, offices.  unsplit: all of it, where only a PUE is known.
    """

    ups: np.ndarray
    distribution: np.ndarray
    cooling: np.ndarray
    other: np.ndarray
    unsplit: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return self.ups + self.distribution + self.cooling + self.other + self.unsplit

    def times(self, factor: np.ndarray | float) -> Overhead:
        """Each part times `factor`."""
        return Overhead(*(getattr(self, name) * factor for name in PARTS))


PARTS = tuple(Overhead.__dataclass_fields__)


def overhead_w(site: Site, it_w: np.ndarray, rated_it_w: float, outdoor_c: np.ndarray) -> Overhead:
    """Overhead at IT power `it_w` [W] of a building made for `rated_it_w` [W] at `outdoor_c` [deg C]; same shapes."""
    if isinstance(site.pue, LoadTemperature):
        return load_temperature(site.pue, it_w, rated_it_w, outdoor_c)
    none = np.zeros_like(it_w)
    return Overhead(none, none, none, none, (site.pue - 1) * it_w)


def load_temperature(
    m: LoadTemperature, it_w: np.ndarray, rated_it_w: float, outdoor_c: np.ndarray
) -> Overhead:
    """Fixed and proportional losses (form: N. Rasmussen, Schneider Electric White Paper 113), economiser and chiller.

    ups = ups_fixed R + ups_proportional P,  heat = P + ups
    fans = air_fixed R + air_proportional heat
    chilled = clip((T + approach - supply) / rise, 0, 1): the share of the heat that outdoor air cannot take
    COP = chiller_carnot (supply + 273.15) / (lift + T - supply), a share of Carnot's
    cooling = fans + chilled (heat + fans) / COP
    distribution = distribution (heat + cooling),  other = other_fixed R
    with P = it_w, R = rated_it_w, T = outdoor_c.
    """
    ups = m.ups_fixed * rated_it_w + m.ups_proportional * it_w
    heat = it_w + ups
    fans = m.air_fixed * rated_it_w + m.air_proportional * heat
    cooling = fans + chilled_share(m, outdoor_c) * (heat + fans) / cop(m, outdoor_c)
    distribution = m.distribution * (heat + cooling)
    other = np.full_like(it_w, m.other_fixed * rated_it_w)
    return Overhead(ups, distribution, cooling, other, np.zeros_like(it_w))


def chilled_share(m: LoadTemperature, outdoor_c: np.ndarray) -> np.ndarray:
    """Share of the heat that a chiller must take [1]: none while the economiser supplies cool enough."""
    return np.clip((outdoor_c + m.approach_k - m.supply_c) / m.rise_k, 0.0, 1.0)


def cop(m: LoadTemperature, outdoor_c: np.ndarray) -> np.ndarray:
    """Heat moved over work of the chiller [1]."""
    lift_k = np.maximum(m.lift_k + outdoor_c - m.supply_c, LEAST_LIFT_K)
    return m.chiller_carnot * (m.supply_c + ZERO_C) / lift_k
