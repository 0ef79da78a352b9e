"""Heavy-tailed use: closed forms against quadrature, and against each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.economics.users import (
    Alike,
    Lognormal,
    Pareto,
    expectation,
    mean_of_top,
    mean_over,
    share_of_top,
    sigma_for,
    use_of,
)

uses = st.one_of(
    st.builds(Lognormal, st.floats(1, 1e4), st.floats(0.1, 1.8)),
    st.builds(Pareto, st.floats(1, 1e4), st.floats(1.3, 6)),
)


@settings(max_examples=30, deadline=None)
@given(uses, st.floats(0.05, 20))
def test_capped_means_are_those_of_quadrature(use, ratio):
    cap = ratio * use.mean
    assert use.capped_mean(cap) == pytest.approx(expectation(use, lambda x: min(x, cap)), rel=2e-3)
    assert expectation(use, lambda x: x) == pytest.approx(use.mean, rel=2e-3)
    assert use.capped_mean(cap) + mean_over(use, cap) == pytest.approx(use.mean)


@given(uses, st.floats(0.001, 0.999))
def test_quantile_and_share_below_are_inverse(use, p):
    assert use.below(use.quantile(p)) == pytest.approx(p, rel=1e-6, abs=1e-9)


@given(uses, st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_the_heaviest_send_more_than_their_share(use, a, b):
    less, more = sorted((a, b))
    assert share_of_top(use, less) >= less * (1 - 1e-9)
    assert mean_of_top(use, less) >= mean_of_top(use, more) * (1 - 1e-9)
    assert share_of_top(use, 1.0) == pytest.approx(1.0)


def test_pareto_of_exponent_log4_5_is_eighty_twenty():
    """A fifth of users send four fifths of requests where tail = ln 5 / ln 4."""
    assert share_of_top(Pareto(10.0, math.log(5) / math.log(4)), 0.2) == pytest.approx(0.8)


def test_spread_of_copilots_users_from_its_published_mean_and_extreme():
    """Mean cost $30 and $90 at the 95th percentile make sigma 0.93; at the 99th 0.53."""
    assert sigma_for(30, 90, 0.95) == pytest.approx(0.93, abs=0.005)
    assert sigma_for(30, 90, 0.99) == pytest.approx(0.53, abs=0.005)
    assert Lognormal(30, sigma_for(30, 90, 0.95)).quantile(0.95) == pytest.approx(90)
    with pytest.raises(ValueError, match="no lognormal"):
        sigma_for(30, 300, 0.9)


def test_keys_of_a_plan_choose_the_distribution():
    assert use_of(5) == Alike(5)
    assert use_of(5, sigma=0.0) == Alike(5)
    assert use_of(5, sigma=0.5) == Lognormal(5, 0.5)
    assert use_of(5, tail=1.5) == Pareto(5, 1.5)


def test_where_all_are_alike_there_is_no_spread():
    use = Alike(5.0)
    assert (use.below(4.9), use.below(5.0), use.quantile(0.3), use.capped_mean(3)) == (0, 1, 5.0, 3)
    assert mean_of_top(use, 0.01) == 5.0
    assert expectation(use, lambda x: x * x) == 25.0
    assert mean_over(use, math.inf) == 0.0
