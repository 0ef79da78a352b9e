"""Order dates by hand: compound growth, an uncertain rate, power that comes in steps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.decisions.order import Energised, Growth, months_until, outgrown, power_outgrown

NEEDS = ((1.0, 10e6), (2.0, 18e6), (4.0, 34e6))


def test_doubling_at_8_percent_a_month_takes_nine_months():
    assert months_until(2.0, Growth(0.08).log) == pytest.approx(9.006, abs=1e-3)
    assert outgrown(2.0, Growth(0.08)).early == outgrown(2.0, Growth(0.08)).late


def test_what_is_outgrown_already_and_what_never_is():
    assert months_until(0.9, 0.1) == 0
    assert outgrown(1.5, Growth(0.0)).expected == math.inf
    assert outgrown(1.5, Growth(0.02, 0.05)).late == math.inf  # growth may as well be none


def test_the_interval_is_that_of_the_rate():
    """ln 1.08 = 0.0770, 1.645 x 0.02 = 0.0329: 0.110 and 0.0441 a month."""
    when = outgrown(2.0, Growth(0.08, 0.02))
    assert when.early == pytest.approx(math.log(2) / (math.log(1.08) + 1.6449 * 0.02), rel=1e-4)
    assert when.late == pytest.approx(math.log(2) / (math.log(1.08) - 1.6449 * 0.02), rel=1e-4)


def test_power_in_one_step():
    """14 MW feed 1.5 times today's demand."""
    when = power_outgrown(NEEDS, (Energised(0, 14e6),), Growth(0.1))
    assert when.expected == pytest.approx(math.log(1.5) / math.log(1.1))


def test_power_that_comes_in_time_and_too_late():
    """14 MW last 4.25 months; 34 MW (4 times) from month 4 on last 14.5, from month 5 on come too late."""
    month = math.log(1.5) / math.log(1.1)
    first = Energised(0, 14e6)
    late = power_outgrown(NEEDS, (first, Energised(5, 34e6)), Growth(0.1))
    assert late.expected == pytest.approx(month)
    in_time = power_outgrown(NEEDS, (first, Energised(4, 34e6)), Growth(0.1))
    assert in_time.expected == pytest.approx(math.log(4) / math.log(1.1))


def test_beyond_the_last_need_power_is_in_proportion():
    when = power_outgrown(NEEDS, (Energised(0, 68e6),), Growth(0.1))
    assert when.expected == pytest.approx(math.log(8) / math.log(1.1))


@given(st.floats(1.01, 100), st.floats(0.001, 1), st.floats(0, 0.3))
def test_early_is_before_late_and_more_power_lasts_longer(factor, rate, spread):
    growth = Growth(rate, spread)
    when = outgrown(factor, growth)
    assert when.early <= when.expected <= when.late
    assert outgrown(factor * 1.1, growth).expected > when.expected
    less, more = (power_outgrown(NEEDS, (Energised(0, w),), growth) for w in (12e6, 20e6))
    assert less.expected <= more.expected and less.early <= less.late
