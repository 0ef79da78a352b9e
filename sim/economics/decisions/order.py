"""When a fleet that demand outgrows has to be ordered: compound growth, lead times, energised power.

Demand grows by exp(mu m) over m months. What holds h times today's demand is outgrown after ln(h) / mu months, never
where mu is not above 0. Growth itself is uncertain: mu is taken as normal about ln(1 + g), with a standard deviation s
a month that lasts (a forecast that is wrong stays wrong), so that the 5 and 95 % points of the date follow from those
of mu. Ups and downs from month to month are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

INTERVAL = 0.9
"""Chance with which the date lies between early and late."""
WEEK_S = 7 * 86_400.0
MONTH_S = 365.25 / 12 * 86_400.0


@dataclass(frozen=True)
class Growth:
    """per_month: growth of demand in a month [1].  spread: standard deviation of the logarithm of a month's growth, the
    same error in every month [1]."""

    per_month: float
    spread: float = 0.0

    @property
    def log(self) -> float:
        return math.log1p(self.per_month)

    def fast(self) -> float:
        """The logarithmic growth that is exceeded with a chance of (1 - INTERVAL) / 2 [1/month]."""
        return self.log + self.spread * NormalDist().inv_cdf((1 + INTERVAL) / 2)

    def slow(self) -> float:
        """The logarithmic growth that is exceeded with a chance of (1 + INTERVAL) / 2 [1/month]."""
        return self.log - self.spread * NormalDist().inv_cdf((1 + INTERVAL) / 2)


@dataclass(frozen=True)
class When:
    """Months from the start: expected, and with INTERVAL between early and late; infinite: never."""

    expected: float
    early: float
    late: float


@dataclass(frozen=True)
class Energised:
    """Power that the site has from so many months after the start on [W]."""

    from_month: float
    power_w: float


def months_until(factor: float, log_growth: float) -> float:
    """Months until demand is `factor` times today's; 0 where it is already."""
    if factor <= 1:
        return 0.0
    return math.log(factor) / log_growth if log_growth > 0 else math.inf


def outgrown(factor: float, growth: Growth) -> When:
    """When demand outgrows what holds `factor` times today's."""
    return When(*(months_until(factor, g) for g in (growth.log, growth.fast(), growth.slow())))


def power_outgrown(
    needs: Sequence[tuple[float, float]], energised: Sequence[Energised], growth: Growth
) -> When:
    """When the fleet that demand asks for needs more power than is energised.

    needs: factor of today's demand and the power of the fleet for it [W], both rising; between them a straight line,
    beyond the last in its proportion.  energised: in order of time, each in place of the one before.
    """
    return When(*(_power_months(needs, energised, g) for g in (growth.log, growth.fast(), growth.slow())))


def _power_months(
    needs: Sequence[tuple[float, float]], energised: Sequence[Energised], log_growth: float
) -> float:
    ends = [*(e.from_month for e in energised[1:]), math.inf]
    for step, end in zip(energised, ends, strict=True):
        begin = max(step.from_month, months_until(_factor_at(needs, step.power_w), log_growth))
        if begin < end:
            return max(begin, 0.0)
    return math.inf


def _factor_at(needs: Sequence[tuple[float, float]], power_w: float) -> float:
    """The demand whose fleet needs `power_w`."""
    before = (0.0, 0.0)
    for factor, need_w in needs:
        if need_w >= power_w:
            share = (power_w - before[1]) / (need_w - before[1]) if need_w > before[1] else 1.0
            return before[0] + share * (factor - before[0])
        before = (factor, need_w)
    return before[0] * power_w / before[1]
