"""Which capacity to own or reserve, which to rent by the hour, and which requests to leave to an API.

Replicas are stacked as levels: level k is used in the hours in which k replicas or more are needed, its place on the
load-duration curve. What is paid for all the time belongs below, where levels are used most; then what is paid for
while it is on, and on top an API that is paid by the request. For F levels paid all the time, S on spot above them and
levels up to X on demand, the cost of all hours is

    F c_fixed H  +  (1 + spare(S)) c_spot sum_(F < k <= F+S) on_k  +  c_demand sum_(F+S < k <= X) on_k
                 +  c_spill sum_t max(requests_t - held_X, 0)

with H the hours and on_k the hours in which level k is on: those that it is needed in, and the start before each
stretch of them. The optimum is found by trying every F and S, the best X following for each. Where the load itself is
uncertain, H runs over equally likely loads, which is the newsvendor's rule (Arrow, Harris and Marschak, Optimal
inventory policy, Econometrica 19, 1951) on every level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

SLACK = 1e-6
"""Relative: what exceeds the load held by rounding alone is held."""
SURE = 0.99
"""Chance with which enough of the spot replicas are there."""


@dataclass(frozen=True)
class Terms:
    """Prices of a replica [$/h], of an API [$ per request], and what renting by the hour takes.

    fixed_usd: paid all the time.  on_demand_usd, spot_usd: paid while it is on; None: not to be had.  spill_usd: of one
    request; None: no API.  start_h: on before it serves [h].  spot_available: share of the time that a spot replica is
    not reclaimed.  spot_most: of the most replicas needed may be on spot.
    """

    fixed_usd: float
    on_demand_usd: float | None = None
    spot_usd: float | None = None
    spill_usd: float | None = None
    start_h: float = 0.0
    spot_available: float = 1.0
    spot_most: float = 1.0


@dataclass(frozen=True)
class Load:
    """Hours of one or more equally likely loads, each in order of time and taken to repeat.

    needed: replicas in each hour.  requests: in each hour.  held: requests an hour that 0, 1, 2, ... replicas hold, as
    many as the busiest hour needs.
    """

    needed: tuple[tuple[int, ...], ...]
    requests: tuple[tuple[float, ...], ...]
    held: tuple[float, ...]

    @property
    def hours(self) -> int:
        return sum(map(len, self.needed))

    @property
    def most(self) -> int:
        """Replicas in the busiest hour."""
        return len(self.held) - 1

    def on_hours(self, start_h: float) -> list[float]:
        """Hours in which each level, from the first, is on, its starts included."""
        used, starts = [0] * (self.most + 1), [0] * (self.most + 1)
        for hours in self.needed:
            for before, now in zip((hours[-1], *hours[:-1]), hours, strict=True):
                used[now] += 1
                for level in range(before + 1, now + 1):
                    starts[level] += 1
        above = list(accumulate(reversed(used)))[::-1]  # hours that need k or more
        return [above[k] + start_h * starts[k] for k in range(1, self.most + 1)]

    def spilled(self, replicas: int) -> float:
        """Requests of all hours that this many replicas do not hold."""
        most = self.held[replicas]
        return math.fsum(r - most for hours in self.requests for r in hours if r > most * (1 + SLACK))


@dataclass(frozen=True)
class Mix:
    """Replicas paid all the time, on spot (as many as are to serve, and those kept beside them against reclaims), on
    demand at most; requests an hour that an API serves, in the mean; and the cost of each [$/h]."""

    fixed: int
    spot: int
    spot_spare: int
    on_demand: int
    spilled_per_h: float
    fixed_usd_per_h: float
    spot_usd_per_h: float
    on_demand_usd_per_h: float
    spill_usd_per_h: float

    @property
    def usd_per_h(self) -> float:
        return self.fixed_usd_per_h + self.spot_usd_per_h + self.on_demand_usd_per_h + self.spill_usd_per_h


def spot_spare(serving: int, available: float) -> int:
    """The fewest replicas beside `serving` so that as many are there with the chance `SURE`, each being there a share
    `available` of the time, independently. Reclaims that hit many at once ask for more."""
    if serving == 0 or available >= 1:
        return 0
    spare = 0
    while _at_least(serving, serving + spare, available) < SURE:
        spare += 1
    return spare


def _at_least(count: int, of: int, chance: float) -> float:
    """Chance that a binomial number is `count` or more, summed from the top."""
    logs = (
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        + k * math.log(chance) + (of - k) * math.log1p(-chance)
        for k in range(count, of + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


def mix_of(load: Load, terms: Terms, fixed: int, spot: int, on_demand: int) -> Mix:
    """What a given mix costs in the mean hour. Raises ValueError where it leaves requests that no API serves."""
    on = load.on_hours(terms.start_h)
    spare = spot_spare(spot, terms.spot_available)
    spilled = load.spilled(fixed + spot + on_demand) / load.hours
    if spilled > 0 and terms.spill_usd is None:
        raise ValueError(
            f"{fixed + spot + on_demand} replicas do not hold the load, and no API takes the rest"
        )
    spot_h = math.fsum(on[fixed : fixed + spot]) * (1 + spare / spot if spot else 1)
    demand_h = math.fsum(on[fixed + spot : fixed + spot + on_demand])
    return Mix(
        fixed,
        spot,
        spare,
        on_demand,
        spilled,
        fixed * terms.fixed_usd,
        spot_h / load.hours * (terms.spot_usd or 0.0),
        demand_h / load.hours * (terms.on_demand_usd or 0.0),
        spilled * (terms.spill_usd or 0.0),
    )


def cheapest_mix(load: Load, terms: Terms) -> Mix:
    """The mix of the least cost; of equal ones that with the most paid all the time."""
    most, on = load.most, load.on_hours(terms.start_h)
    run = [0.0, *accumulate(on)]
    top, best_top = _above(load, terms, run)
    most_spot = 0 if terms.spot_usd is None else math.floor(terms.spot_most * most)
    spares = [spot_spare(s, terms.spot_available) for s in range(most_spot + 1)]
    found = (math.inf, 0, 0)
    for fixed in range(most, -1, -1):
        for spot in range(min(most_spot, most - fixed) + 1):
            between = (run[fixed + spot] - run[fixed]) * (1 + spares[spot] / spot if spot else 1)
            usd = fixed * terms.fixed_usd * load.hours + between * (terms.spot_usd or 0.0) + top[fixed + spot]
            if usd < found[0] * (1 - 1e-12):
                found = (usd, fixed, spot)
    _, fixed, spot = found
    return mix_of(load, terms, fixed, spot, best_top[fixed + spot] - fixed - spot)


def _above(load: Load, terms: Terms, run: Sequence[float]) -> tuple[list[float], list[int]]:
    """For each count of replicas below, the least cost of all that is above it, and up to which level it then goes on
    demand, the rest being left to the API."""
    most = load.most
    rent, spill = terms.on_demand_usd, terms.spill_usd
    left = [math.inf if spill is None else spill * load.spilled(k) for k in range(most)] + [0.0]
    costs, ends = left.copy(), list(range(most + 1))
    if rent is None:
        return costs, ends
    for k in range(most - 1, -1, -1):
        further = rent * (run[k + 1] - run[k]) + costs[k + 1]
        if further < costs[k]:
            costs[k], ends[k] = further, ends[k + 1]
    return costs, ends


def strategies(load: Load, terms: Terms) -> dict[str, Mix]:
    """Simple ways beside the cheapest mix: all paid all the time, all on demand, all left to the API, and the best of
    the first two together."""
    most = load.most
    found = {"all fixed": mix_of(load, terms, most, 0, 0)}
    if terms.on_demand_usd is not None:
        found["all on demand"] = mix_of(load, terms, 0, 0, most)
        found["fixed and on demand"] = cheapest_mix(load, replace(terms, spot_usd=None, spill_usd=None))
    if terms.spill_usd is not None:
        found["all spilled"] = mix_of(load, terms, 0, 0, 0)
    return found
