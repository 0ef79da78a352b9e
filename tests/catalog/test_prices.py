"""Prices: series by date, the price in force on a day, and published anchors."""

from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerators
from sim.catalog.prices import (
    _purchases,
    _rentals,
    api_price,
    api_prices,
    electricity,
    electricity_prices,
    price_series,
    rental_series,
)
from sim.errors import CatalogError


def test_rows_name_accelerators_of_the_catalog():
    assert {p.accelerator for p in (*_purchases(), *_rentals())} <= set(accelerators())


def test_average_price_of_h100_fell_by_a_third_in_three_years():
    series = price_series("H100", "average")
    assert [p.date[:4] for p in series] == ["2022", "2023", "2024", "2025"]
    assert series[-1].usd / series[0].usd == pytest.approx(0.632, rel=0.005)


def test_list_price_of_v100_fell_by_four_fifths():
    series = {p.date: p.usd for p in price_series("V100", "card")}
    assert series["2022-07-01"] / series["2018-07-01"] == pytest.approx(0.217, rel=0.01)


def test_series_are_in_order_of_date():
    for name in accelerators():
        dates = [p.date for p in price_series(name)]
        assert dates == sorted(dates)
        dates = [p.date for p in rental_series(name)]
        assert dates == sorted(dates)


def test_rental_by_vendor_and_term():
    aws = rental_series("A100-40GB", vendor="AWS")
    assert {p.usd_per_h for p in aws} == {4.1}
    (three_years,) = {p.usd_per_h for p in rental_series("A100-40GB", vendor="AWS", term="three_year")}
    assert three_years == 1.45
    every = rental_series("A100-40GB", term=None)
    assert {p.term for p in every} == {"on_demand", "one_year", "three_year"}


def test_h100_market_fell_and_rose():
    market = [p.usd_per_h for p in rental_series("H100", vendor="market")]
    assert market[-2] / market[0] == pytest.approx(0.21, abs=0.005)
    assert market[-1] / market[-2] == pytest.approx(1.38, abs=0.01)


def test_owner_cost_is_not_mixed_with_offers():
    assert all(p.term == "on_demand" for p in rental_series("H100"))
    owner = {p.vendor: p.usd_per_h for p in rental_series("H100", term="owner")}
    assert owner == {"hyperscaler": 1.30, "neocloud": 1.69}


def test_unknown_words_are_refused():
    with pytest.raises(CatalogError, match='unknown term "on-demand"'):
        rental_series("H100", term="on-demand")
    with pytest.raises(CatalogError, match='unknown basis "cards"'):
        price_series("H100", "cards")
    with pytest.raises(CatalogError, match="unknown vendor"):
        rental_series("H100", vendor="Amazn")
    with pytest.raises(CatalogError, match="unknown accelerator"):
        price_series("H1000")


def test_api_price_in_force():
    assert api_price("gpt-4o", "2024-06-01").input_usd_per_mtok == 5
    assert api_price("gpt-4o", "2025-06-01").input_usd_per_mtok == 2.5
    assert api_price("GPT-4o").output_usd_per_mtok == 10
    latest = api_price("gpt-4o")
    assert latest.cached_usd_per_mtok == 1.25
    assert api_price("gpt-4").cached_usd_per_mtok is None


def test_api_price_before_the_first_is_refused():
    with pytest.raises(CatalogError) as caught:
        api_price("gpt-5", "2024-01-01")
    assert 'no price of "gpt-5" on 2024-01-01' in str(caught.value)
    with pytest.raises(CatalogError, match="unknown API model"):
        api_price("gtp-5")


def test_api_prices_are_ordered_and_output_costs_no_less_than_input():
    for prices in api_prices().values():
        assert [p.date for p in prices] == sorted(p.date for p in prices)
        for p in prices:
            assert 0 < p.input_usd_per_mtok <= p.output_usd_per_mtok
            assert p.cached_usd_per_mtok is None or p.cached_usd_per_mtok < p.input_usd_per_mtok


def test_gpt4_class_price_fell_to_a_fifth_at_three_to_one():
    """From 30/60 (GPT-4) to 5/15 (GPT-4o) at three tokens in for one out: 37.5 to 7.5 dollars, a fifth."""
    old, new = api_price("gpt-4"), api_price("gpt-4o", "2024-06-01")
    blend = [(3 * p.input_usd_per_mtok + p.output_usd_per_mtok) / 4 for p in (old, new)]
    assert blend == [37.5, 7.5]


def test_electricity():
    assert electricity("us-tx").industrial_usd_per_kwh == 0.066
    for price in electricity_prices().values():
        assert 0.03 < price.industrial_usd_per_kwh <= price.commercial_usd_per_kwh < 0.5
    with pytest.raises(CatalogError, match="unknown region"):
        electricity("Atlantis")
