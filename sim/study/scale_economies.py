"""Economies of scale of a fleet that is planned anew at each size, each by its mechanism and each to be switched.

What a day costs = serving at the unit cost of the largest fleet (strictly proportional to use)
                 + headroom   whole replicas, and the slack that the ups and downs of few requests ask for
                 + spare      one server more in every cell, so that one may fail
                 + training   the model's making, spread over its life
                 - cache      prompts that begin alike are computed once
                 - discount   on large purchases

The first is the thesis; the others are why a fleet's cost may grow less than its use.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sim.errors import Fault, UserError, did_you_mean
from sim.study.conventional import Service, hit_rate

ECONOMIES = ("headroom", "spare", "training", "cache", "discount")


@dataclass(frozen=True)
class Terms:
    """Figures of the economies.

    training_usd, training_years: making the model, and how long it serves. Default: 7.0 million H100-hours for
        Llama-3.1-70B (Meta's model card; unverified) at $2 an hour, over one year (assumption).
    discounts: share off the purchase from so many dollars on (assumption: nobody publishes these).
    shared: share of prompt tokens that begin like other prompts: 0.563, what DeepSeek's service found in its cache
        (open-infra-index, day 6, February 2025).  prefixes, prefix_zipf, kept_s: how many such beginnings there are,
        how unevenly they are used, and how long one is kept (assumptions).
    """

    training_usd: float = 14e6
    training_years: float = 1.0
    discounts: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1e7, 0.05), (1e8, 0.10), (1e9, 0.15))
    shared: float = 0.563
    prefixes: float = 1e6
    prefix_zipf: float = 0.8
    kept_s: float = 3600.0


@dataclass(frozen=True)
class Parts:
    """Cost of a day by part [$]; the sum of the parts that are on is what the day costs."""

    serving: float
    headroom: float
    spare: float
    training: float
    cache: float
    discount: float

    def total(self, on: Collection[str] = ECONOMIES) -> float:
        """Serving and the economies in `on`."""
        return self.serving + math.fsum(getattr(self, name) for name in on)


def known_economies(names: Collection[str]) -> tuple[str, ...]:
    """The named economies in their order; raises UserError for an unknown one."""
    for name in names:
        if name not in ECONOMIES:
            hint = did_you_mean(name, ECONOMIES) or f"known: {', '.join(ECONOMIES)}"
            raise UserError(Fault("--economies", f'"{name}" is not known', hint))
    return tuple(e for e in ECONOMIES if e in names)


def training_usd_per_day(terms: Terms) -> float:
    """Making the model, in equal parts over the days that it serves [$/day]."""
    return terms.training_usd / terms.training_years / 365


def discount_share(capex_usd: float, terms: Terms) -> float:
    """Share off a purchase of this size."""
    return max((share for least, share in terms.discounts if capex_usd >= least), default=0.0)


def cached_share(requests_per_s: float, terms: Terms) -> float:
    """Share of prompt tokens found in the prefix cache at a rate: those that are shared, times how often a beginning
    is still kept when it comes again (as `sim.study.conventional.hit_rate`)."""
    kept = Service(items=terms.prefixes, zipf=terms.prefix_zipf, fresh_s=terms.kept_s)
    return terms.shared * hit_rate(requests_per_s, kept)


def capital_usd(cost: Mapping[str, Any]) -> float:
    """Of a summary's `cost`, what follows from the purchase price [$]: depreciation and the cost of capital."""
    return math.fsum(
        usd for line, usd in cost["breakdown"].items() if "depreciation" in line or "capital" in line
    )
