"""Fleets over years by hand, and what must hold of any."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.economics.decisions.machine import Machine, Place
from sim.economics.decisions.years import Generation, Outlook, accounts, present_cost_usd

FREE = Place(usd_per_kwh=0, usd_per_kw_month=0, rate=0.1)
ONE = Generation("one", 2020, Machine(10.0, 1.0, 100.0, life_years=2.0, upkeep_usd_per_year=5.0))
TWO = Generation("two", 2021, Machine(20.0, 1.0, 100.0, life_years=2.0, upkeep_usd_per_year=5.0))


def test_growth_is_bought_of_the_newest():
    """10, 20, 40 units of work: one machine; half of the next; then one retires and 1.5 come."""
    years = accounts(Outlook(FREE, 2020, 3, demand=10, growth=2, generations=(ONE, TWO)))
    assert [y.bought_units for y in years] == pytest.approx([1, 0.5, 1.5])
    assert [y.retired_units for y in years] == [0, 0, 1]
    assert [y.depreciation_usd for y in years] == pytest.approx([50, 75, 100])
    assert [y.interest_usd for y in years] == pytest.approx([10, 5 + 5, 2.5 + 15])
    assert [y.running_usd for y in years] == pytest.approx([5, 7.5, 10])
    assert years[0].usd_per_work == pytest.approx(6.5)
    assert years[2].usd_per_work == pytest.approx(127.5 / 40)


def test_prices_fall_between_generations():
    falling = Generation("one", 2020, ONE.machine, price_kept=0.8)
    years = accounts(Outlook(FREE, 2020, 3, demand=10, growth=1, generations=(falling,)))
    assert [y.capex_usd for y in years] == pytest.approx([100, 0, 64])


def test_machines_dearer_to_run_than_new_ones_to_buy_go_early():
    """Running one costs 5 / 10 = 0.5 a unit of work; buying and running a leap, (57.6 + 5) / 200 = 0.31."""
    leap = Generation("leap", 2021, Machine(200.0, 1.0, 100.0, life_years=2.0, upkeep_usd_per_year=5.0))
    rules = {
        rule: accounts(
            Outlook(FREE, 2020, 2, demand=10, growth=1, generations=(ONE, leap), value_kept=0.25, rule=rule)
        )
        for rule in ("life-end", "when-cheaper")
    }
    assert [y.retired_units for y in rules["life-end"]] == [0, 0]
    gone = rules["when-cheaper"][1]
    assert gone.retired_units == 1
    assert gone.sales_usd == pytest.approx(25)
    assert gone.loss_usd == pytest.approx(50 - 25)


def test_nothing_to_buy_is_said():
    with pytest.raises(ValueError, match="no generation can be bought in 2020"):
        accounts(Outlook(FREE, 2020, 1, demand=1, growth=1, generations=(TWO,)))


MACHINES = st.builds(
    Machine,
    performance=st.floats(1, 100),
    power_kw=st.floats(0.1, 10),
    price_usd=st.floats(10, 1e5),
    life_years=st.integers(1, 6).map(float),
    residual=st.floats(0, 0.5),
    upkeep_usd_per_year=st.floats(0, 1e3),
)
OUTLOOKS = st.builds(
    Outlook,
    place=st.builds(Place, rate=st.floats(0, 0.3)),
    first_year=st.just(2020),
    years=st.integers(1, 10),
    demand=st.floats(1, 1e4),
    growth=st.floats(0.5, 3),
    generations=st.tuples(
        st.builds(Generation, st.just("a"), st.just(2020), MACHINES, st.floats(0.5, 1)),
        st.builds(Generation, st.just("b"), st.integers(2021, 2028), MACHINES, st.floats(0.5, 1)),
    ),
    utilization=st.floats(0.2, 1),
    value_kept=st.floats(0, 1),
    rule=st.sampled_from(["life-end", "when-cheaper"]),
)


@settings(deadline=None)
@given(OUTLOOKS)
def test_what_was_paid_is_written_off_sold_or_still_there(outlook):
    years = accounts(outlook)
    paid = math.fsum(y.capex_usd for y in years)
    gone = math.fsum(y.depreciation_usd + y.loss_usd + y.sales_usd for y in years)
    assert gone + years[-1].book_usd == pytest.approx(paid, rel=1e-9)
    for y in years:
        assert y.capacity * outlook.utilization >= y.work * (1 - 1e-9)


@settings(deadline=None)
@given(OUTLOOKS)
def test_accounts_with_interest_are_worth_the_cash(outlook):
    """Depreciation, losses at the year's start, interest at its end: the same value today as what was paid."""
    years, rate = accounts(outlook), outlook.place.rate
    booked = math.fsum(
        (y.depreciation_usd + y.interest_usd + y.running_usd) * (1 + rate) ** -(k + 1)
        + y.loss_usd * (1 + rate) ** -k
        for k, y in enumerate(years)
    )
    assert booked == pytest.approx(present_cost_usd(years, rate), rel=1e-9, abs=1e-6)
