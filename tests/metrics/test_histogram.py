from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from sim.metrics import histogram as H


@njit
def fill(values, counts):
    for v in values:
        counts[H.bucket(v)] += 1


def counted(values):
    counts = np.zeros(H.BUCKETS, np.int64)
    fill(np.asarray(values, np.float64), counts)
    return counts


@given(st.floats(1e-7, 1e7))
def test_bucket_holds_its_value(value):
    i = int(np.flatnonzero(counted([value]))[0])
    low, high = H.edges()[i : i + 2]
    assert low <= value < high
    assert high / low - 1 <= 1 / 64
    assert i == H.bucket_of(value)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=300), st.floats(0, 1))
def test_quantile_is_within_one_bucket_of_the_sample(values, q):
    exact = np.quantile(values, q, method="nearest")
    neighbours = np.sort(values)[
        [max(0, math.floor(q * (len(values) - 1))), math.ceil(q * (len(values) - 1))]
    ]
    found = H.quantile(counted(values), q)
    assert min(neighbours) / (1 + 1 / 64) <= found <= max(neighbours) * (1 + 1 / 64), exact


def test_quantiles_of_a_smooth_law_are_within_one_percent():
    values = np.random.default_rng(1).lognormal(0, 1, 200_000)
    counts = counted(values)
    for q in (0.01, 0.5, 0.9, 0.99, 0.999):
        assert H.quantile(counts, q) == pytest.approx(np.quantile(values, q), rel=0.01)


@given(st.lists(st.floats(1e-6, 1e6), max_size=50), st.lists(st.floats(1e-6, 1e6), max_size=50))
def test_merging_is_adding(a, b):
    np.testing.assert_array_equal(counted(a) + counted(b), counted([*a, *b]))


def test_zero_counts_as_zero_and_nothing_is_lost_outside_the_range():
    counts = counted([0.0, 1e-12, 1e12])
    assert counts.sum() == 3
    assert H.quantile(counts, 0.0) == 0.0
    assert math.isnan(H.quantile(np.zeros(H.BUCKETS, np.int64), 0.5))
