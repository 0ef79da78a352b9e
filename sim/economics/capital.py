"""What owning hardware costs in a year: depreciation, and the charge for the capital that is tied up."""

from __future__ import annotations

import math
from dataclasses import dataclass

NO_INTEREST = 1e-12
"""Yearly cost of capital below which a straight line is the same to the last digit."""


@dataclass(frozen=True)
class YearlyCapital:
    """Of a purchase, each year [$/year]: its depreciation, and the cost of the capital on top of it."""

    depreciation_usd: float
    capital_usd: float


def annuity_factor(rate: float, years: float) -> float:
    """Yearly payment per dollar that repays a purchase with interest over its life [1/year].

    r / (1 - (1 + r)^-n), and 1/n at r = 0 (capital recovery factor; Park, Contemporary Engineering Economics,
    6th ed., eq. 3.12).  rate: cost of capital [1/year].  years: useful life, above 0; need not be whole.
    """
    if rate < NO_INTEREST:
        return 1 / years
    return rate / -math.expm1(-years * math.log1p(rate))


def yearly_capital(price_usd: float, years: float, rate: float) -> YearlyCapital:
    """Depreciation in a straight line to nothing, and what the level annuity asks beyond it.

    The two sum to price x `annuity_factor`, the same in every year, so that a run of any hour of the life
    bears the same cost. Nothing is left at the end (no residual value).
    """
    straight = price_usd / years
    return YearlyCapital(straight, price_usd * annuity_factor(rate, years) - straight)
