"""Bands, probabilities and indices against closed forms and scipy's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sim.study.sweep_statistics import band, indices_as_data, probability, relative_half_width, sobol_indices


def ishigami(x):
    return np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])


def saltelli(f, n=4096, d=3, seed=0):
    points = stats.qmc.Sobol(2 * d, rng=np.random.default_rng(seed)).random(n).T * 2 * np.pi - np.pi
    a, b = points[:d], points[d:]
    mixed = [np.where((np.arange(d) == i)[:, None], b, a) for i in range(d)]
    return f(a), f(b), np.array([f(m) for m in mixed])


def test_ishigami_has_the_indices_of_its_closed_form():
    """First 0.3139, 0.4424, 0; total 0.5576, 0.4424, 0.2437 (Ishigami and Homma 1990)."""
    found = sobol_indices(*saltelli(ishigami))
    assert found.first == pytest.approx([0.3139, 0.4424, 0.0], abs=0.02)
    assert found.total == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.02)
    assert (found.first_band[0] <= found.first).all()
    assert (found.first <= found.first_band[1]).all()


def test_indices_are_those_of_scipy():
    a, b, ab = saltelli(ishigami, n=256)
    theirs = stats.sobol_indices(func={"f_A": a[None], "f_B": b[None], "f_AB": ab[:, None]}, n=256)
    found = sobol_indices(a, b, ab)
    assert found.first == pytest.approx(np.ravel(theirs.first_order), abs=1e-12)
    assert found.total == pytest.approx(np.ravel(theirs.total_order), abs=1e-12)


def test_unknown_values_cost_their_base_sample_only():
    a, b, ab = saltelli(ishigami, n=512)
    ab[1, 7], b[9] = np.nan, np.nan
    found = sobol_indices(a, b, ab)
    assert found.samples == 510
    whole = np.delete(np.arange(512), (7, 9))
    assert found.total == pytest.approx(sobol_indices(a[whole], b[whole], ab[:, whole]).total)


def test_what_does_not_vary_has_no_indices():
    assert sobol_indices(np.ones(8), np.ones(8), np.ones((2, 8))) is None
    assert indices_as_data(None, []) is None


def test_bands_leave_out_what_is_not_known():
    values = np.append(np.arange(101.0), np.nan)
    assert band(values) == {"median": 50.0, "p5": 5.0, "p95": 95.0, "mean": 50.0, "runs": 101}
    assert band(np.array([np.nan]))["median"] is None


def test_probability_is_a_share_with_wilsons_interval():
    found = probability(np.array([1.0] * 8 + [0.0] * 2 + [np.nan]))
    assert found["p"] == 0.8
    assert found["runs"] == 10
    z, n, p = 1.959964, 10, 0.8
    middle = (p + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    assert (found["low"], found["high"]) == pytest.approx((middle - half, middle + half), rel=1e-4)
    assert probability(np.array([np.nan])) is None


def test_half_width_is_students():
    values = np.array([9.0, 10.0, 11.0, 10.0])
    interval = stats.t.interval(0.9, 3, values.mean(), stats.sem(values))
    assert relative_half_width(values, 0.9) == pytest.approx((interval[1] - interval[0]) / 2 / 10)
    assert relative_half_width(values[:1], 0.9) == math.inf
