"""How hardware loses its book value: what is left of a dollar of purchase price at any age.

A schedule is a function of age [years] that falls from 1: the book value as a share of the price. What a span of
time is charged is the price times its fall over the span, so the charges of a life sum to what was written off, on
any schedule (`written_off`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

HALF_IN_THREE_YEARS = 1 - 0.5 ** (1 / 3)
"""Yearly decline that halves a value in three years, 20.6 % [1/year]."""

MACRS = {
    3: (0.3333, 0.4445, 0.1481, 0.0741),
    5: (0.2000, 0.3200, 0.1920, 0.1152, 0.1152, 0.0576),
    7: (0.1429, 0.2449, 0.1749, 0.1249, 0.0893, 0.0892, 0.0893, 0.0446),
}
"""Share of the price that US tax law lets be deducted in each tax year, by recovery period [years]: half-year
convention (IRS Publication 946, table A-1; typed from memory, so unverified). Computers are 5-year property."""


class Schedule(Protocol):
    """Book value by age."""

    def book(self, age_years: float) -> float:
        """Share of the price that is left in the books at `age_years` from 0 up [1]."""
        ...


@dataclass(frozen=True)
class StraightLine:
    """Equal charges over `years` (above 0) until the share `residual` of the price is left."""

    years: float
    residual: float = 0.0

    def book(self, age_years: float) -> float:
        return 1 - (1 - self.residual) * min(age_years / self.years, 1.0)


@dataclass(frozen=True)
class DecliningBalance:
    """A constant share `rate` (below 1) of what is left is lost each year, until `residual` of the price is left.

    Without a residual it never ends: what is left after any time is sold or scrapped.
    """

    rate: float
    residual: float = 0.0

    def book(self, age_years: float) -> float:
        return max((1 - self.rate) ** age_years, self.residual)


@dataclass(frozen=True)
class TaxTable:
    """Shares of the price by tax year, of the first and the last of which the hardware sees half.

    Within a tax year, the share is spread evenly over the time that the hardware is there.
    """

    shares: tuple[float, ...]

    def book(self, age_years: float) -> float:
        last = len(self.shares) - 1
        left = 1.0
        for year, share in enumerate(self.shares):
            since = max(year - 0.5, 0.0)  # bought in the middle of a tax year
            lasts = 0.5 if year in (0, last) else 1.0
            left -= share * min(max((age_years - since) / lasts, 0.0), 1.0)
        return max(left, 0.0)


def half_in_three_years(residual: float = 0.0) -> DecliningBalance:
    """The rule of thumb that GPUs lose half of their value every three years."""
    return DecliningBalance(HALF_IN_THREE_YEARS, residual)


def double_declining(years: float, residual: float = 0.0) -> DecliningBalance:
    """Declining balance at twice the rate of a straight line, 2 / `years`; years above 2."""
    return DecliningBalance(2 / years, residual)


def units_of_production(life_units: float, units_per_year: float, residual: float = 0.0) -> StraightLine:
    """Charges by what the hardware produces, of the `life_units` that it is good for.

    At a steady `units_per_year` this is a straight line over life_units / units_per_year years; hardware that
    produces nothing keeps its value.
    """
    years = life_units / units_per_year if units_per_year > 0 else float("inf")
    return StraightLine(years, residual)


def macrs(period_years: int = 5) -> TaxTable:
    """US tax depreciation over 3, 5 or 7 years, half-year convention. Raises KeyError for another period."""
    return TaxTable(MACRS[period_years])


def written_off(schedule: Schedule, from_years: float, to_years: float) -> float:
    """Share of the price that is charged between two ages [1]."""
    return schedule.book(from_years) - schedule.book(to_years)


def yearly_shares(schedule: Schedule, years: int) -> tuple[float, ...]:
    """Share of the price charged in each of the first `years` years of age [1]."""
    return tuple(written_off(schedule, k, k + 1) for k in range(years))
