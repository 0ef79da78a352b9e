"""Curves of residual value against exact declines, and against the ratios of the series they are fitted to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.residual import curve, curves, fit
from sim.errors import CatalogError


@given(kept=st.floats(0.1, 1.2), first=st.floats(1, 1e6))
def test_an_exact_decline_is_found_without_error(kept, first):
    dates = ["2018-01-01", "2019-01-01", "2021-01-01", "2024-01-01"]
    retention, error, spread = fit(dates, [first * kept**t for t in (0, 1, 3, 6)])
    assert retention == pytest.approx(kept)
    assert error == pytest.approx(0, abs=1e-6)
    assert spread == pytest.approx(1, abs=1e-6)


def test_errors_of_a_fit_by_hand():
    """ln prices 0, 1, 0 at years 0, 1, 2: slope 0, residuals -1/3, 2/3, -1/3 with one degree of freedom."""
    e = 2.718281828459045
    retention, error, spread = fit(["2020-01-01", "2021-01-01", "2022-01-01"], [1, e, 1])
    assert retention == pytest.approx(1)
    assert spread == pytest.approx(e ** (6 / 9) ** 0.5)
    assert error == pytest.approx((6 / 9) ** 0.5 / 2**0.5)


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("v100-list", 0.218),
        ("a100-40gb-list", 0.833),
        ("a100-80gb-list", 1.0),
        ("h100-hgx", 0.924),
        ("h100-average", 0.632),
        ("h100-market-rent", 0.294),
        ("v100-aws-rent", 1.0),
    ],
)
def test_series_end_where_the_catalog_says(name, ratio):
    assert curve(name).ratio == pytest.approx(ratio, abs=0.001)


def test_curves_disagree_about_three_years():
    """From a quarter to all of the price: no one number for what a GPU is worth."""
    left = {name: c.left(3) for name, c in curves().items()}
    assert min(left.values()) < 0.3
    assert max(left.values()) == 1
    assert left["h100-average"] == pytest.approx(0.61, abs=0.01)
    assert left["v100-list"] == pytest.approx(0.38, abs=0.01)


def test_two_points_have_no_spread():
    two = curve("a100-40gb-list")
    assert (two.points, two.error, two.spread, two.band(3)) == (2, None, None, None)
    low, high = curve("v100-list").band(3)
    assert low < curve("v100-list").left(3) < high


def test_every_curve_spans_a_year_and_a_half_and_names_its_source():
    for found in curves().values():
        assert int(found.last[:4]) - int(found.first[:4]) >= 2
        assert found.source
        assert found.series


def test_an_unknown_curve_is_refused():
    with pytest.raises(CatalogError, match="h100-average"):
        curve("h100 average")
