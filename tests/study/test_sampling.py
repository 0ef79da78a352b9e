"""Points, ranks and quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.errors import UserError
from sim.study.sampling import correlated, rank_matrix, unit_points, values_at
from sim.study.sweep_file import Uncertain

METHODS = ("monte-carlo", "latin-hypercube", "sobol")
GRID = (np.arange(4096) + 0.5) / 4096
LAWS = [
    ({"kind": "normal", "mean": 3, "sd": 2}, stats.norm(3, 2)),
    ({"kind": "lognormal", "median": 5, "sigma": 0.4}, stats.lognorm(0.4, scale=5)),
    ({"kind": "triangular", "low": 1, "mode": 2, "high": 5}, stats.triang(0.25, 1, 4)),
    ({"kind": "beta", "alpha": 2, "beta": 3, "low": -1, "high": 4}, stats.beta(2, 3, -1, 5)),
    ({"kind": "uniform", "low": 2, "high": 8}, stats.uniform(2, 6)),
]


def drawn(law, points=GRID, **more):
    return values_at(Uncertain.model_validate({"key": "k", "distribution": law, **more}), "k", points)


@pytest.mark.parametrize("method", METHODS)
def test_points_fill_the_cube_evenly_and_repeat_with_their_seed(method):
    points = unit_points(method, 256, 3, seed=1)
    assert points.shape == (256, 3)
    assert ((points > 0) & (points < 1)).all()
    assert (points == unit_points(method, 256, 3, seed=1)).all()
    assert not (points == unit_points(method, 256, 3, seed=2)).any(axis=1).all()
    assert abs(points.mean(axis=0) - 0.5).max() < 0.08


@pytest.mark.parametrize("method", ("monte-carlo", "sobol"))
def test_a_longer_sample_begins_with_the_shorter(method):
    assert (unit_points(method, 64, 5, 3)[:16] == unit_points(method, 16, 5, 3)).all()


def test_a_latin_hypercube_has_one_point_in_each_slice():
    points = unit_points("latin-hypercube", 50, 4, seed=0)
    assert (np.sort((points * 50).astype(int), axis=0) == np.arange(50)[:, None]).all()


@pytest.mark.parametrize(("law", "truth"), LAWS)
def test_distributions_have_the_moments_that_theory_gives(law, truth):
    values = drawn(law)
    assert values.mean() == pytest.approx(truth.mean(), rel=2e-3)
    assert values.std() == pytest.approx(truth.std(), rel=2e-2)


@pytest.mark.parametrize(("law", "truth"), LAWS)
def test_truncation_is_the_conditional_distribution(law, truth):
    low, high = truth.ppf([0.2, 0.7])
    values = drawn(law, at_least=float(low), at_most=float(high))
    assert values.min() >= low
    assert values.max() <= high
    assert np.median(values) == pytest.approx(truth.ppf(0.45), rel=1e-3)


def test_bounds_without_anything_inside_are_refused():
    for law in ({"kind": "uniform", "low": 0, "high": 1}, {"kind": "empirical", "values": [0.2, 0.3]}):
        with pytest.raises(UserError, match="k: no"):
            drawn(law, at_least=2.0)


def test_observed_values_come_as_often_as_they_weigh():
    values = drawn({"kind": "empirical", "values": [7, 3], "weights": [1, 3]})
    assert set(values) == {3.0, 7.0}
    assert (values == 3).mean() == 0.75


@given(st.floats(-0.95, 0.95))
def test_ranks_correlate_as_asked_and_stay_uniform(rank):
    points = unit_points("sobol", 2048, 2, seed=4)
    mixed = correlated(points, rank_matrix(2, [(0, 1, rank)]))
    assert stats.spearmanr(mixed).statistic == pytest.approx(rank, abs=0.02)
    assert stats.kstest(mixed[:, 1], "uniform").statistic < 0.02


def test_correlations_that_contradict_each_other_are_refused():
    with pytest.raises(UserError, match="not positive definite"):
        correlated(np.full((4, 3), 0.5), rank_matrix(3, [(0, 1, 0.9), (1, 2, 0.9), (0, 2, -0.9)]))


def test_whole_numbers_are_whole():
    assert (drawn({"kind": "uniform", "low": 2, "high": 8}, whole=True) % 1 == 0).all()
