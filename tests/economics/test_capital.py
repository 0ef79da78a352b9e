"""Depreciation and the annuity against textbook values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.capital import annuity_factor, yearly_capital


def test_the_factor_of_four_years_at_ten_percent():
    assert annuity_factor(0.10, 4) == pytest.approx(0.31547, abs=1e-5)


def test_without_interest_it_is_a_straight_line():
    assert annuity_factor(0.0, 5) == 0.2
    assert yearly_capital(1000.0, 5, 0.0).capital_usd == 0


@given(rate=st.floats(1e-9, 1.0), years=st.floats(0.5, 30.0))
def test_payments_repay_the_price_with_interest(rate, years):
    """The present value of n yearly payments is the price; for whole years by adding them up."""
    n = round(years + 0.5)
    payment = annuity_factor(rate, n)
    assert sum(payment / (1 + rate) ** k for k in range(1, n + 1)) == pytest.approx(1.0)


@given(rate=st.floats(0, 1.0), years=st.floats(0.1, 30.0), price=st.floats(0, 1e9))
def test_the_parts_sum_to_the_annuity(rate, years, price):
    parts = yearly_capital(price, years, rate)
    assert parts.depreciation_usd * years == pytest.approx(price)
    assert parts.depreciation_usd + parts.capital_usd == pytest.approx(price * annuity_factor(rate, years))
    assert parts.capital_usd >= -1e-9 * price
