"""The capacity mix by hand, against every mix there is, and its limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.economics.decisions.mix import Load, Terms, cheapest_mix, mix_of, spot_spare, strategies

DAY = Load(needed=((1, 1, 3, 2),), requests=((5.0, 10.0, 30.0, 20.0),), held=(0.0, 10.0, 20.0, 30.0))
"""Four hours; a replica holds ten requests an hour."""


def test_levels_are_on_as_often_as_they_are_needed_and_started():
    assert DAY.on_hours(0.0) == [4, 2, 1]
    assert DAY.on_hours(0.5) == [4, 2.5, 1.5]  # the first is on at all hours, the others start once a day


def test_what_is_not_held_is_spilled():
    assert [DAY.spilled(k) for k in range(4)] == [65, 30, 10, 0]


def test_a_mix_by_hand():
    """One owned at $1, two on demand at $3: 3 hours of 4; then the third level left to an API at $0.12 a request."""
    terms = Terms(fixed_usd=1.0, on_demand_usd=3.0, spill_usd=0.12)
    assert mix_of(DAY, terms, 1, 0, 2).usd_per_h == pytest.approx(1 + 3 * 3 / 4)
    found = mix_of(DAY, terms, 1, 0, 1)
    assert found.spill_usd_per_h == pytest.approx(10 * 0.12 / 4)
    assert found.usd_per_h == pytest.approx(1 + 3 * 2 / 4 + 0.3)
    best = cheapest_mix(DAY, terms)  # level 2 carries 20 requests in the day: $2.40 at the API, $6 on demand
    assert (best.fixed, best.on_demand) == (1, 0)
    assert best.usd_per_h == pytest.approx(1 + 30 * 0.12 / 4)


def test_owning_pays_above_the_break_even_use():
    """Levels used 100, 50 and 25 % of the time: own those above c_fixed / c_demand."""
    for fixed_usd, owned in ((0.2, 3), (0.3, 2), (0.6, 1), (1.1, 0)):
        assert cheapest_mix(DAY, Terms(fixed_usd, on_demand_usd=1.0)).fixed == owned


@st.composite
def loads(draw):
    most = draw(st.integers(1, 6))
    held = [0.0, *(float(10 * k) for k in range(1, most + 1))]
    hours = draw(st.lists(st.integers(0, most), min_size=1, max_size=8))
    hours[0] = most
    requests = [draw(st.floats(max(held[n] - 9, 0), held[n])) if n else 0.0 for n in hours]
    return Load((tuple(hours),), (tuple(requests),), tuple(held))


prices = st.floats(0.01, 10)


@given(
    loads(),
    prices,
    prices,
    prices,
    st.floats(0.001, 1),
    st.floats(0, 0.9),
    st.floats(0.5, 1),
    st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_no_mix_is_cheaper(load, fixed, demand, spot, spill, start_h, available, most_spot):
    terms = Terms(fixed, demand, spot, spill, start_h, available, most_spot)
    best = cheapest_mix(load, terms)
    every = [
        mix_of(load, terms, f, s, d).usd_per_h
        for f in range(load.most + 1)
        for s in range(min(load.most - f, math.floor(most_spot * load.most)) + 1)
        for d in range(load.most - f - s + 1)
    ]
    assert best.usd_per_h == pytest.approx(min(every))
    assert all(best.usd_per_h <= m.usd_per_h * (1 + 1e-9) for m in strategies(load, terms).values())


@given(loads(), prices, prices)
@settings(max_examples=50)
def test_requests_are_served_or_spilled(load, fixed, spill):
    found = cheapest_mix(load, Terms(fixed, spill_usd=spill))
    asked = sum(map(sum, load.requests))
    assert 0 <= found.spilled_per_h * load.hours <= asked * (1 + 1e-12)
    if found.fixed == load.most:
        assert found.spilled_per_h == 0


def test_without_an_api_everything_must_be_held():
    with pytest.raises(ValueError, match="no API"):
        mix_of(DAY, Terms(1.0), 2, 0, 0)
    assert cheapest_mix(DAY, Terms(1.0)).fixed == 3


def test_uncertain_loads_are_weighed_alike():
    """A level that only one of two equally likely loads needs is used half the time: owned below half the rent."""
    two = Load(((1, 1), (2, 2)), ((10.0, 10.0), (20.0, 20.0)), (0.0, 10.0, 20.0))
    assert cheapest_mix(two, Terms(0.49, on_demand_usd=1.0)).fixed == 2
    assert cheapest_mix(two, Terms(0.51, on_demand_usd=1.0)).fixed == 1


def test_spare_against_reclaims():
    assert spot_spare(0, 0.5) == spot_spare(10, 1.0) == 0
    assert spot_spare(1, 0.9) == 1  # 0.99 that one of two is there
    assert spot_spare(1, 0.99) == 0
    small, large = spot_spare(10, 0.95), spot_spare(1000, 0.95)
    assert small / 10 > large / 1000 > 1 / 0.95 - 1
