"""Reading a price between the dates that are known."""

from __future__ import annotations

import pytest

from sim.catalog.prices import price_series
from sim.catalog.types import PricePoint, Provenance
from sim.economics.series import longest_basis, read_price, year_of


def series(**by_year):
    origin = Provenance("test", "", "press")
    return [
        PricePoint("x", f"{y.removeprefix('y')}-01-01", usd, "card", origin) for y, usd in by_year.items()
    ]


def test_dates_as_years():
    assert [year_of(d) for d in ("2022", "2022-01-01", "2022-07-01")] == [2022.5, 2022.0, 2022.5]
    assert year_of("2022-07") == pytest.approx(2022.54, abs=0.01)


def test_between_two_dates_the_price_falls_by_a_constant_share():
    """100 to 25 in two years: 50 after one."""
    found = read_price(series(y2020=100, y2022=25), "2021-01-01")
    assert found.usd == pytest.approx(50)
    assert found.where == "between 2020-01-01 and 2022-01-01"


def test_on_its_date_a_price_is_itself():
    assert read_price(series(y2020=100, y2022=25), "2022-01-01").usd == 25
    assert read_price(series(y2020=100, y2022=25), "2020-01-01").where == "2020-01-01"


def test_beyond_the_dates_it_is_held_and_said():
    points = series(y2020=100, y2022=25)
    early, late = read_price(points, "2018"), read_price(points, "2026-05")
    assert (early.usd, late.usd) == (100, 25)
    assert "first date" in early.where
    assert "last date" in late.where


def test_two_prices_of_a_day_are_averaged_geometrically():
    assert read_price(series(y2020=100) + series(y2020=25), "2020-01-01").usd == pytest.approx(50)


def test_the_longest_series_is_taken():
    assert longest_basis("H100") == "server"
    assert longest_basis("V100-SXM-32GB") == "card"
    assert longest_basis("Maia-100") is None
    assert len(price_series("H100", "server")) >= len(price_series("H100", "average"))
