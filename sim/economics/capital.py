"""What owning hardware costs beside its operation: depreciation, the capital tied up, and what tax gives back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sim.economics.depreciation import Schedule, written_off

NO_INTEREST = 1e-12
"""Yearly cost of capital below which a straight line is the same to the last digit."""

Timing = Literal["start", "mid", "end"]
_LAG_YEARS = {"start": 0.0, "mid": 0.5, "end": 1.0}


@dataclass(frozen=True)
class CapitalCharge:
    """What a span of time bears of a purchase [$]: its depreciation, and the cost of the capital on top of it."""

    depreciation_usd: float
    capital_usd: float


def wacc(equity_share: float, cost_of_equity: float, cost_of_debt: float, tax_rate: float = 0.0) -> float:
    """Weighted average cost of capital [1/year]: E r_E + (1 - E) r_D (1 - tau).

    equity_share: of the financing [1].  Rates [1/year]; interest is deductible at `tax_rate` (Brealey, Myers and
    Allen, Principles of Corporate Finance, 13th ed., ch. 19).
    """
    return equity_share * cost_of_equity + (1 - equity_share) * cost_of_debt * (1 - tax_rate)


def annuity_factor(rate: float, years: float) -> float:
    """Yearly payment per dollar that repays a purchase with interest over its life [1/year].

    r / (1 - (1 + r)^-n), and 1/n at r = 0 (capital recovery factor; Park, Contemporary Engineering Economics,
    6th ed., eq. 3.12).  rate: cost of capital [1/year].  years: useful life, above 0; need not be whole.
    """
    if rate < NO_INTEREST:
        return 1 / years
    return rate / -math.expm1(-years * math.log1p(rate))


def annuity_usd(price_usd: float, years: float, rate: float, residual: float = 0.0) -> float:
    """Level yearly payment for a purchase of which the share `residual` is recovered at the end [$/year].

    (P - S) A(r, n) + S r, with S = residual P: the capital recovery cost with salvage value (Park, eq. 5.10).
    """
    salvage_usd = residual * price_usd
    return (price_usd - salvage_usd) * annuity_factor(rate, years) + salvage_usd * rate


def level_charge(
    price_usd: float, *, years: float, rate: float, residual: float, age_years: float, span_years: float
) -> CapitalCharge:
    """A span's part of straight depreciation, and of what the level annuity asks beyond it.

    The same at any age within the life, so that a run of any hour of it bears the same cost. Hardware older than
    its life costs no more than the interest on its residual value.
    """
    inside = max(0.0, min(age_years + span_years, years) - min(age_years, years))
    straight_usd = price_usd * (1 - residual) / years
    interest_usd = annuity_usd(price_usd, years, rate, residual) - straight_usd
    beyond_usd = residual * price_usd * rate * (span_years - inside)
    return CapitalCharge(straight_usd * inside, interest_usd * inside + beyond_usd)


def book_charge(
    price_usd: float, schedule: Schedule, *, rate: float, age_years: float, span_years: float
) -> CapitalCharge:
    """A span's depreciation on `schedule`, and interest on the book value.

    Interest is r x the mean of the book values at the two ends: for the hours or days of a run the integral over
    it, to second order in the span.
    """
    end_years = age_years + span_years
    depreciation_usd = price_usd * written_off(schedule, age_years, end_years)
    tied_up_usd = price_usd * (schedule.book(age_years) + schedule.book(end_years)) / 2
    return CapitalCharge(depreciation_usd, rate * tied_up_usd * span_years)


def present_value(flows_usd: Sequence[float], rate: float, timing: Timing = "end") -> float:
    """Value today of yearly flows [$]; `timing`: when in its year each is paid, the first year beginning today."""
    lag = _LAG_YEARS[timing]
    return math.fsum(flow * (1 + rate) ** -(k + lag) for k, flow in enumerate(flows_usd))


def tax_shield_npv(
    price_usd: float, shares: Sequence[float], *, tax_rate: float, rate: float, timing: Timing = "end"
) -> float:
    """Value today of the taxes that depreciation saves [$]: tau P x sum of d_k / (1 + r)^t_k.

    shares: of the price, deducted in each tax year (`depreciation.MACRS`, `yearly_shares`).
    tax_rate: of profits that the deductions are set against; without taxable profit there is no shield.
    timing: when in a tax year the taxes are saved.
    """
    return present_value([price_usd * share * tax_rate for share in shares], rate, timing)
