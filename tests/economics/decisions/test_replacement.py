"""Ten boxes of 100 kW against five of the next generation: the claim, worked by hand, and what would flip it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.decisions.machine import Machine, Place, running_usd
from sim.economics.decisions.replacement import (
    CappedSite,
    Replacement,
    break_even_price_usd,
    break_even_ratio,
    break_even_usd_per_kw_month,
    break_even_usd_per_kwh,
    capped_break_even_ratio,
    capped_npv_usd,
    npv_usd,
    revenue_per_mw_year,
)

OLD = Machine(performance=1.0, power_kw=100.0)
NEW = Machine(performance=2.0, power_kw=100.0, price_usd=3_900_000.0, life_years=4.0)
BOXES = Replacement(OLD, NEW)
METER = Place(usd_per_kwh=0.08, pue=1.0, usd_per_kw_month=0.0, load=1.0, rate=0.0)
HOSTED = Place(usd_per_kwh=0.0, pue=1.0, usd_per_kw_month=184.0, load=1.0, rate=0.0)
SITES = st.builds(
    Place,
    usd_per_kwh=st.floats(0.01, 0.5),
    pue=st.floats(1, 2),
    usd_per_kw_month=st.floats(1, 400),
    load=st.floats(0.1, 1),
    rate=st.floats(0, 0.3),
)
CASES = st.builds(
    lambda ratio, kw, price, resale, years: Replacement(
        OLD, Machine(ratio, kw, price, life_years=years, residual=0.1), resale
    ),
    ratio=st.floats(0.5, 20),
    kw=st.floats(10, 500),
    price=st.floats(1e3, 1e8),
    resale=st.floats(0, 1e5),
    years=st.integers(1, 10).map(float),
)


def test_half_the_power_saves_350_thousand_a_year_at_the_meter():
    """0.5 MW x 8,760 h x $0.08 = $350,400; at $184 a kW and month, $1.104 million."""
    assert 10 * running_usd(OLD, METER) - 5 * running_usd(NEW, METER) == pytest.approx(350_400)
    assert 10 * running_usd(OLD, HOSTED) - 5 * running_usd(NEW, HOSTED) == pytest.approx(1_104_000)


def test_five_boxes_of_19_5_million_do_not_pay_at_twice_the_performance():
    assert 10 * npv_usd(BOXES, METER) == pytest.approx(4 * 350_400 - 19_500_000)
    assert 10 * npv_usd(BOXES, HOSTED) == pytest.approx(4 * 1_104_000 - 19_500_000)


def test_the_ratio_at_which_they_would():
    """(3.9 M + 4 x 220,800) / (4 x 220,800): 5.4 with hosting; with electricity alone, 14.9."""
    assert break_even_ratio(BOXES, HOSTED) == pytest.approx((3.9e6 + 883_200) / 883_200)
    assert break_even_ratio(BOXES, METER) == pytest.approx((3.9e6 + 280_320) / 280_320)


@given(CASES, SITES)
def test_break_evens_are_where_the_value_is_zero(case, place):
    scale = case.new.price_usd + 1e5
    at_ratio = replace(case, new=replace(case.new, performance=break_even_ratio(case, place)))
    assert npv_usd(at_ratio, place) == pytest.approx(0, abs=1e-9 * scale)
    price = break_even_price_usd(case, place)
    at_price = replace(case, new=replace(case.new, price_usd=price))
    assert npv_usd(at_price, place) == pytest.approx(0, abs=1e-6 * (scale + abs(price)))
    for key, solve in (
        ("usd_per_kwh", break_even_usd_per_kwh),
        ("usd_per_kw_month", break_even_usd_per_kw_month),
    ):
        value = solve(case, place)
        if 0 < value < 1e6:
            zero = npv_usd(case, replace(place, **{key: value}))
            assert zero == pytest.approx(0, abs=1e-6 * scale * (1 + value))


@given(CASES, SITES)
def test_dearer_power_speaks_for_machines_that_need_less(case, place):
    saves = case.new.power_kw / case.ratio < case.old.power_kw
    dearer = npv_usd(case, replace(place, usd_per_kwh=place.usd_per_kwh + 0.1))
    assert (dearer >= npv_usd(case, place)) == saves


def test_no_saving_no_price_of_power_at_which_it_pays():
    same = Replacement(OLD, Machine(1.0, 100.0, 1000.0))
    assert break_even_usd_per_kwh(same, METER) == float("inf")


def test_interest_and_salvage_by_hand():
    """A new one for 100 that fetches 20 after one year, at 25 %: net 84; saving 105 at its end, worth 84."""
    place = Place(usd_per_kwh=0, usd_per_kw_month=0, rate=0.25)
    new = Machine(1.0, 1.0, 100.0, life_years=1.0, residual=0.2)
    assert npv_usd(Replacement(Machine(1.0, 1.0, upkeep_usd_per_year=105.0), new), place) == pytest.approx(0)


def test_where_power_is_scarce_the_claim_flips():
    """A box that earns $8 M a year per unit of work at 100 kW: twice the work a kW is worth its price at once."""
    capped = CappedSite(Place(), it_kw=1000.0, usd_per_work=8e6)
    assert npv_usd(BOXES, capped.place) < 0 < capped_npv_usd(BOXES, capped)
    worthless = replace(capped, usd_per_work=1e5)
    assert capped_npv_usd(BOXES, worthless) < 0


def test_a_capped_site_by_hand():
    """No running cost, no interest: ten boxes earn 10 x 1 M x 4 years; ten new ones 10 x 2 x 1 M x 4 less 39 M."""
    free = Place(usd_per_kwh=0, usd_per_kw_month=0, rate=0)
    site = CappedSite(free, it_kw=1000.0, usd_per_work=1e6)
    assert capped_npv_usd(BOXES, site) == pytest.approx(80e6 - 39e6 - 40e6)
    assert capped_break_even_ratio(BOXES, site) == pytest.approx(1 + 39 / 40)
    assert revenue_per_mw_year(NEW, 1e6) == pytest.approx(20e6)


def test_machines_that_lose_money_are_switched_off_not_counted():
    dear = Place(usd_per_kwh=1.0, pue=1.0, usd_per_kw_month=0, load=1.0, rate=0)
    site = CappedSite(dear, it_kw=100.0, usd_per_work=800_000.0)
    assert running_usd(OLD, dear) > 800_000
    assert capped_npv_usd(BOXES, site) == pytest.approx(4 * (1_600_000 - 876_000) - 3_900_000)


@given(st.floats(1e6, 1e8), SITES)
def test_the_capped_break_even_is_where_its_value_is_zero(usd_per_work, place):
    site = CappedSite(place, 1000.0, usd_per_work)
    ratio = capped_break_even_ratio(BOXES, site)
    even = replace(BOXES, new=replace(NEW, performance=ratio * NEW.power_kw / OLD.power_kw))
    assert capped_npv_usd(even, site) == pytest.approx(0, abs=1e-6 * usd_per_work * 1000)
