"""How use differs from user to user: heavy-tailed distributions of what one user asks for in a month.

Closed forms of what subscriptions ask: means above and below a cap, shares of the heaviest users.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

_NORMAL = NormalDist()
_Z_MOST = 37.0
"""Beyond it the normal tail underflows a float."""


class Use(Protocol):
    """Requests of a user in a month, as a distribution over users."""

    @property
    def mean(self) -> float: ...

    def below(self, x: float) -> float:
        """Share of users who want at most x."""
        ...

    def quantile(self, p: float) -> float:
        """Requests of the user at percentile p (from 0 to 1, both left out)."""
        ...

    def capped_mean(self, cap: float) -> float:
        """E[min(X, cap)]: mean of what is served where no more than `cap` is."""
        ...


@dataclass(frozen=True)
class Alike:
    """Every user wants the same."""

    mean: float

    def below(self, x: float) -> float:
        return 1.0 if x >= self.mean else 0.0

    def quantile(self, p: float) -> float:
        return self.mean

    def capped_mean(self, cap: float) -> float:
        return min(self.mean, cap)


@dataclass(frozen=True)
class Lognormal:
    """Lognormal over users: `mean` [requests/month], `sigma` of the logarithm, above 0.

    mu = ln(mean) - sigma^2 / 2.  E[X; X <= c] = mean Phi((ln c - mu) / sigma - sigma) (Kleiber and Kotz,
    Statistical Size Distributions, 2003, ch. 4).
    """

    mean: float
    sigma: float

    @property
    def mu(self) -> float:
        return math.log(self.mean) - self.sigma**2 / 2

    def below(self, x: float) -> float:
        if x <= 0:
            return 0.0
        return 1.0 if math.isinf(x) else _NORMAL.cdf((math.log(x) - self.mu) / self.sigma)

    def quantile(self, p: float) -> float:
        return math.exp(self.mu + self.sigma * _NORMAL.inv_cdf(p))

    def capped_mean(self, cap: float) -> float:
        if cap <= 0:
            return 0.0
        z = (math.log(cap) - self.mu) / self.sigma
        return self.mean * _NORMAL.cdf(z - self.sigma) + cap * _upper(z)


@dataclass(frozen=True)
class Pareto:
    """Pareto over users: `mean` [requests/month], exponent `tail` above 1; least is mean (tail - 1) / tail.

    E[min(X, c)] = (tail x least - least^tail c^(1 - tail)) / (tail - 1) for c >= least (same book, ch. 3).
    """

    mean: float
    tail: float

    @property
    def least(self) -> float:
        return self.mean * (self.tail - 1) / self.tail

    def below(self, x: float) -> float:
        return 1 - (self.least / x) ** self.tail if x > self.least else 0.0

    def quantile(self, p: float) -> float:
        return self.least * (1 - p) ** (-1 / self.tail)

    def capped_mean(self, cap: float) -> float:
        a, least = self.tail, self.least
        if cap <= least:
            return max(cap, 0.0)
        return (a * least - least**a * cap ** (1 - a)) / (a - 1)


def use_of(mean: float, sigma: float | None = None, tail: float | None = None) -> Use:
    """The distribution that a plan's keys describe: lognormal, Pareto, or all alike."""
    if sigma:
        return Lognormal(mean, sigma)
    return Pareto(mean, tail) if tail is not None else Alike(mean)


def mean_over(use: Use, cap: float) -> float:
    """E[(X - cap)+]: mean of what users want beyond `cap`, over all of them; nothing is beyond infinity."""
    return 0.0 if math.isinf(cap) else max(use.mean - use.capped_mean(cap), 0.0)


def mean_of_top(use: Use, share: float) -> float:
    """Mean of the heaviest `share` of users (above 0, up to 1): E[X | X >= quantile(1 - share)]."""
    if share >= 1:
        return use.mean
    edge = use.quantile(1 - share)
    return edge + mean_over(use, edge) / share


def share_of_top(use: Use, share: float) -> float:
    """Part of all requests that the heaviest `share` of users send (1 less the Lorenz curve)."""
    return share * mean_of_top(use, share) / use.mean


def sigma_for(mean: float, at: float, percentile: float) -> float:
    """Sigma of the lognormal distribution whose mean is `mean` and whose quantile at `percentile` is `at`.

    sigma^2 / 2 - z sigma + ln(at / mean) = 0; of its two roots the smaller, which is the one that is usual.
    Raises ValueError where no lognormal distribution has both.
    """
    z, ratio = _NORMAL.inv_cdf(percentile), math.log(at / mean)
    inside = z * z - 2 * ratio
    if inside < 0:
        raise ValueError(f"no lognormal distribution of mean {mean:g} has {at:g} at {percentile:.1%}")
    return z - math.sqrt(inside)


def expectation(use: Use, of: Callable[[float], float], points: int = 4001) -> float:
    """E[of(X)] by quadrature, for functions without a closed form.

    Simpson's rule over the normal score z of the percentile, from -37 to 37: X = quantile(Phi(z)).
    points: odd number of evaluations.
    """
    if isinstance(use, Alike):
        return of(use.mean)
    width = 2 * _Z_MOST / (points - 1)
    terms = []
    for i in range(points):
        z = -_Z_MOST + i * width
        weight = 1 if i in (0, points - 1) else 4 if i % 2 else 2
        terms.append(weight * of(_at_score(use, z)) * math.exp(-z * z / 2))
    return math.fsum(terms) * width / 3 / math.sqrt(2 * math.pi)


def _at_score(use: Use, z: float) -> float:
    """The quantile at Phi(z), exact where Phi(z) rounds to 1."""
    if isinstance(use, Lognormal):
        return math.exp(use.mu + use.sigma * z)
    if isinstance(use, Pareto):
        return use.least * _upper(z) ** (-1 / use.tail)
    return use.quantile(_NORMAL.cdf(z))


def _upper(z: float) -> float:
    """1 - Phi(z), without cancellation."""
    return math.erfc(z / math.sqrt(2)) / 2
