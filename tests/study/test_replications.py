"""Paired ratios, predictive probabilities and slopes, on figures whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.study.replications import (
    fresh_seeds,
    interval,
    paired_ratio,
    probability_above,
    side_by_side,
    slope,
)

POSITIVE = st.floats(0.01, 1e6)


@given(st.lists(POSITIVE, min_size=2, max_size=9), st.floats(0.01, 100))
def test_a_ratio_that_is_the_same_in_every_run_is_known_exactly(base, factor):
    found = paired_ratio([factor * b for b in base], base)
    assert found.mean == pytest.approx(factor)
    assert found.low == pytest.approx(factor) and found.high == pytest.approx(factor)


def test_an_interval_holds_the_true_mean_as_often_as_it_says():
    draw = np.random.default_rng(5).normal(3.0, 1.0, (2000, 5))
    inside = [(i := interval(row)).low <= 3.0 <= i.high for row in draw]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_the_probability_of_a_further_run_is_calibrated():
    """Over many samples, the mean probability given to "at least 3" is how often a further draw is."""
    rng = np.random.default_rng(6)
    samples = rng.normal(3.2, 1.0, (3000, 5))
    given_probability = np.mean([probability_above(s, 3.0) for s in samples])
    share = np.mean(rng.normal(3.2, 1.0, 3000) >= 3.0)
    assert given_probability == pytest.approx(share, abs=0.04)


def test_runs_that_agree_answer_with_certainty():
    assert probability_above([1.0, 1.0, 1.0], 0.99) == 1.0
    assert probability_above([0.98, 0.98], 0.99) == 0.0


def test_ratios_of_figures_that_are_not_positive_are_refused():
    with pytest.raises(ValueError):
        paired_ratio([1.0, 2.0], [1.0, 0.0])


@given(st.floats(-3, 3), st.floats(-10, 10))
def test_the_slope_of_a_straight_line(gradient, start):
    x = [0.0, 1.0, 2.5, 4.0]
    found = slope(x, [start + gradient * v for v in x])
    assert found is not None and found.mean == pytest.approx(gradient, abs=1e-9)
    assert found.high - found.low < 1e-5


def test_one_run_has_no_interval_and_one_point_no_slope():
    assert interval([2.0]).low is None
    assert slope([1.0], [1.0]) is None
    assert slope([0.0, 2.0], [1.0, 5.0]).mean == 2.0


def test_fresh_seeds_differ_from_the_first_and_from_each_other():
    seeds = fresh_seeds(7, 20)
    assert len({7, *seeds}) == 21
    assert all(0 <= s < 2**63 for s in fresh_seeds(2**63 - 1, 3))


def test_work_side_by_side_keeps_its_order():
    assert side_by_side(math.sqrt, [4, 9, 16]) == [2, 3, 4]
