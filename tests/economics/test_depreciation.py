"""Schedules against their definitions: what is written off and what is left make up the price."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.depreciation import (
    MACRS,
    DecliningBalance,
    StraightLine,
    double_declining,
    half_in_three_years,
    macrs,
    units_of_production,
    written_off,
    yearly_shares,
)

SCHEDULES = st.one_of(
    st.builds(StraightLine, st.floats(0.5, 20), st.floats(0, 0.9)),
    st.builds(DecliningBalance, st.floats(0.01, 0.9), st.floats(0, 0.9)),
    st.builds(double_declining, st.floats(2.5, 20), st.floats(0, 0.9)),
    st.builds(units_of_production, st.floats(1, 1e6), st.floats(0, 1e5), st.floats(0, 0.9)),
    st.builds(macrs, st.sampled_from(sorted(MACRS))),
)
AGES = st.lists(st.floats(0, 30), min_size=2, max_size=12).map(sorted)


@given(SCHEDULES, AGES)
def test_charges_between_any_ages_sum_to_the_fall_in_book_value(schedule, ages):
    charges = [written_off(schedule, a, b) for a, b in itertools.pairwise(ages)]
    assert sum(charges) == pytest.approx(schedule.book(ages[0]) - schedule.book(ages[-1]), abs=1e-12)
    assert min(charges) >= -1e-12
    assert schedule.book(0) == 1
    assert schedule.book(30) >= 0


def test_a_straight_line_ends_at_its_residual():
    line = StraightLine(4, 0.2)
    assert [line.book(a) for a in (0, 2, 4, 9)] == pytest.approx([1, 0.6, 0.2, 0.2])


def test_half_is_left_after_three_years_and_a_quarter_after_six():
    assert half_in_three_years().rate == pytest.approx(0.2063, abs=1e-4)
    assert [half_in_three_years().book(a) for a in (3, 6)] == pytest.approx([0.5, 0.25])


def test_double_declining_over_five_years_by_hand():
    """40 % of what is left, each year."""
    assert yearly_shares(double_declining(5), 3) == pytest.approx((0.4, 0.24, 0.144))
    assert double_declining(5, 0.3).book(4) == 0.3


def test_production_wears_by_use():
    """40,000 busy hours, 8,000 of them a year: five years; idle hardware keeps its value."""
    assert units_of_production(40_000, 8_000) == StraightLine(5)
    assert units_of_production(40_000, 0).book(10) == 1


@pytest.mark.parametrize("period", MACRS)
def test_tax_tables_are_whole_and_span_a_year_more_than_their_period(period):
    assert sum(MACRS[period]) == pytest.approx(1)
    assert len(MACRS[period]) == period + 1
    assert macrs(period).book(period) == pytest.approx(0, abs=1e-12)


def test_the_tax_year_of_purchase_is_half_a_year():
    table = macrs(5)
    assert [table.book(a) for a in (0.25, 0.5, 1.5, 2.5)] == pytest.approx([0.9, 0.8, 0.48, 0.288])


def test_five_year_table_is_double_declining_with_a_switch():
    """What the table is made of: 40 % of the rest, half of it in the first year, then the straight line when larger."""
    left, made = 1.0, []
    for year, remaining in enumerate((5.0, 4.5, 3.5, 2.5, 1.5, 0.5)):
        fraction = 0.5 if year == 0 else 1.0
        share = left * max(0.4 * fraction, min(1.0, fraction / remaining))
        made.append(share)
        left -= share
    assert made == pytest.approx(list(MACRS[5]), abs=5e-5)
