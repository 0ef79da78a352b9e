"""The risk of capacity that demand does not fill.

Demand D is lognormal with a known mean and spread; capacity C is paid for whether or not it is used, and what exceeds
it is lost. With z = (ln C - mu) / sigma, mu = ln E[D] - sigma^2 / 2, and N the normal distribution,

    E[min(D, C)] = E[D] N(z - sigma) + C (1 - N(z))

(limited expected value of the lognormal; Klugman, Panjer and Willmot, Loss Models, 4th ed., appendix A). The best
capacity is the newsvendor's: the chance that demand exceeds it equals its yearly cost over the margin that it earns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Demand:
    """Work asked for in a year: its mean [work/year], and the standard deviation `sigma` of its logarithm [1]."""

    mean: float
    sigma: float

    @property
    def mu(self) -> float:
        return math.log(self.mean) - self.sigma**2 / 2

    def exceeds(self, capacity: float) -> float:
        """Chance that demand is above `capacity` [1]."""
        if self.sigma == 0:
            return float(self.mean > capacity)
        return 1 - _NORMAL.cdf((math.log(capacity) - self.mu) / self.sigma) if capacity > 0 else 1.0

    def served(self, capacity: float) -> float:
        """Work that `capacity` [work/year] serves on average [work/year]."""
        if capacity <= 0:
            return 0.0
        if self.sigma == 0:
            return min(self.mean, capacity)
        z = (math.log(capacity) - self.mu) / self.sigma
        return self.mean * _NORMAL.cdf(z - self.sigma) + capacity * (1 - _NORMAL.cdf(z))


@dataclass(frozen=True)
class Capacity:
    """fixed_usd: of a unit of capacity, used or not [$/work];  variable_usd: of a unit of work served [$/work]."""

    fixed_usd: float
    variable_usd: float = 0.0


def unit_cost_usd(cost: Capacity, utilization: float) -> float:
    """Cost of a unit of work at a known utilization, above 0 [$/work]: fixed costs are borne by what is served."""
    return cost.fixed_usd / utilization + cost.variable_usd


def expected_utilization(demand: Demand, capacity: float) -> float:
    """Share of `capacity` [work/year] that is used on average [1]."""
    return demand.served(capacity) / capacity


def expected_profit_usd(demand: Demand, capacity: float, cost: Capacity, price_usd: float) -> float:
    """Expected profit of a year [$/year] at `price_usd` for a unit of work."""
    return (price_usd - cost.variable_usd) * demand.served(capacity) - cost.fixed_usd * capacity


def best_capacity(demand: Demand, cost: Capacity, price_usd: float) -> float:
    """Capacity of the greatest expected profit [work/year]; 0 where a full unit does not earn its cost."""
    margin = price_usd - cost.variable_usd
    if margin <= cost.fixed_usd:
        return 0.0
    if demand.sigma == 0:
        return demand.mean
    return math.exp(demand.mu + demand.sigma * _NORMAL.inv_cdf(1 - cost.fixed_usd / margin))
