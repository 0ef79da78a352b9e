"""Depreciation, interest and tax against textbook values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.capital import (
    annuity_factor,
    annuity_usd,
    book_charge,
    level_charge,
    present_value,
    tax_shield_npv,
    wacc,
)
from sim.economics.depreciation import (
    MACRS,
    StraightLine,
    double_declining,
    half_in_three_years,
    yearly_shares,
)


def test_the_factor_of_four_years_at_ten_percent():
    assert annuity_factor(0.10, 4) == pytest.approx(0.31547, abs=1e-5)


def test_fifty_billion_over_four_years():
    """12.5 in a straight line, 15.8 a year with interest at 10 %."""
    level = level_charge(50e9, years=4, rate=0.10, residual=0.0, age_years=1.3, span_years=1.0)
    assert level.depreciation_usd == pytest.approx(12.5e9)
    assert level.depreciation_usd + level.capital_usd == pytest.approx(15.77e9, rel=1e-3)


def test_without_interest_it_is_a_straight_line():
    assert annuity_factor(0.0, 5) == 0.2
    assert level_charge(1000.0, years=5, rate=0, residual=0, age_years=0, span_years=1).capital_usd == 0


@given(rate=st.floats(1e-9, 1.0), years=st.floats(0.5, 30.0))
def test_payments_repay_the_price_with_interest(rate, years):
    """The present value of n yearly payments is the price; for whole years by adding them up."""
    n = round(years + 0.5)
    payment = annuity_factor(rate, n)
    assert sum(payment / (1 + rate) ** k for k in range(1, n + 1)) == pytest.approx(1.0)


@given(rate=st.floats(0, 1.0), years=st.integers(1, 20), residual=st.floats(0, 1))
def test_payments_and_what_is_left_are_worth_the_price(rate, years, residual):
    paid = annuity_usd(1000.0, years, rate, residual)
    left = 1000.0 * residual / (1 + rate) ** years
    assert present_value([paid] * years, rate) + left == pytest.approx(1000.0)


@given(rate=st.floats(0, 1.0), years=st.floats(0.1, 30.0), price=st.floats(0, 1e9), residual=st.floats(0, 1))
def test_the_parts_sum_to_the_annuity(rate, years, price, residual):
    parts = level_charge(price, years=years, rate=rate, residual=residual, age_years=0, span_years=years)
    assert parts.depreciation_usd == pytest.approx(price * (1 - residual))
    assert parts.depreciation_usd + parts.capital_usd == pytest.approx(
        years * annuity_usd(price, years, rate, residual)
    )
    assert parts.capital_usd >= -1e-9 * price


def test_hardware_past_its_life_costs_only_the_interest_on_what_is_left():
    old = level_charge(1000.0, years=4, rate=0.1, residual=0.2, age_years=6, span_years=1)
    assert (old.depreciation_usd, old.capital_usd) == pytest.approx((0, 20))
    half = level_charge(1000.0, years=4, rate=0, residual=0, age_years=3.5, span_years=1)
    assert half.depreciation_usd == pytest.approx(125)


@pytest.mark.parametrize("schedule", [StraightLine(5), double_declining(5), half_in_three_years(0.1)])
def test_depreciation_with_interest_on_the_book_is_worth_the_price_on_any_schedule(schedule):
    """Year by year: the present value of d_k + r B_(k-1), and of the book value at the end, is the price."""
    rate, years = 0.1, 8
    flows = [d + rate * schedule.book(k) for k, d in enumerate(yearly_shares(schedule, years))]
    left = schedule.book(years) / (1 + rate) ** years
    assert present_value(flows, rate) + left == pytest.approx(1.0)


def test_a_short_span_bears_its_part_of_a_falling_book():
    """In an hour at age 1 of a value that halves in three years: rate and interest of that age."""
    hour = 1 / 8760
    charge = book_charge(1e6, half_in_three_years(), rate=0.1, age_years=1.0, span_years=hour)
    book = 1e6 * 0.5 ** (1 / 3)
    assert charge.depreciation_usd == pytest.approx(book * math.log(2) / 3 * hour, rel=1e-4)
    assert charge.capital_usd == pytest.approx(0.1 * book * hour, rel=1e-4)


def test_shorter_spans_sum_to_a_longer_one():
    whole = book_charge(1.0, double_declining(4), rate=0.1, age_years=0.5, span_years=1.0)
    parts = [
        book_charge(1.0, double_declining(4), rate=0.1, age_years=0.5 + k / 365, span_years=1 / 365)
        for k in range(365)
    ]
    assert math.fsum(p.depreciation_usd for p in parts) == pytest.approx(whole.depreciation_usd, rel=1e-12)


def test_half_equity_at_twelve_and_debt_at_eight():
    assert wacc(0.5, 0.12, 0.08) == pytest.approx(0.10)
    assert wacc(0.5, 0.12, 0.08, tax_rate=0.25) == pytest.approx(0.09)


def test_the_tax_shield_of_fifty_billion():
    """$10.5B of taxes in all; today 8.1 to 8.9, by when in the tax year they are saved: 16 to 18 % of the price."""
    shield = {
        timing: tax_shield_npv(50e9, MACRS[5], tax_rate=0.21, rate=0.10, timing=timing)
        for timing in ("end", "mid", "start")
    }
    assert shield["end"] == pytest.approx(8.12e9, rel=1e-3)
    assert shield["start"] == pytest.approx(8.93e9, rel=1e-3)
    assert shield["end"] < shield["mid"] < shield["start"]
    assert tax_shield_npv(50e9, MACRS[5], tax_rate=0.21, rate=0.0) == pytest.approx(10.5e9)
