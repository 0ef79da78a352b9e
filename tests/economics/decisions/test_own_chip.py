"""An own chip by hand."""

from __future__ import annotations

import pytest

from sim.economics.decisions.machine import Machine, Place
from sim.economics.decisions.own_chip import (
    OwnChip,
    bought_then,
    break_even_units,
    cost_ratio,
    saving_usd_per_work,
)

FREE = Place(usd_per_kwh=0, usd_per_kw_month=0, rate=0)


def test_thirty_percent_more_per_dollar_is_23_percent_less_cost():
    assert cost_ratio(1.3) == pytest.approx(1 - 0.2308, abs=1e-4)


def test_a_price_lower_by_a_third_repays_development_over_units():
    """A unit of work a year for 4 years: 10,000 less each; a development of 1e9 takes 100,000 units."""
    case = OwnChip(Machine(1.0, 1.0, 20_000.0), Machine(1.0, 1.0, 30_000.0), development_usd=1e9)
    assert saving_usd_per_work(case, FREE) == pytest.approx(2_500)
    assert break_even_units(case, FREE) == pytest.approx(100_000)


def test_late_chips_meet_better_ones():
    """Two years late, against 25 % a year: what is bought does 1.5625 times the work for its price, and wins."""
    case = OwnChip(
        Machine(1.0, 1.0, 20_000.0), Machine(1.0, 1.0, 30_000.0), 1e9, late_years=2, bought_gain=0.25
    )
    assert bought_then(case).performance == pytest.approx(1.5625)
    assert saving_usd_per_work(case, FREE) < 0
    assert break_even_units(case, FREE) == float("inf")


def test_power_counts():
    """The own chip costs the same and does the same with half the power."""
    case = OwnChip(Machine(1.0, 0.5, 10_000.0), Machine(1.0, 1.0, 10_000.0), 1e6)
    place = Place(usd_per_kwh=0.1, pue=1.0, usd_per_kw_month=0, load=1.0, rate=0)
    assert saving_usd_per_work(case, place) == pytest.approx(0.5 * 876)
