"""Owning against renting, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.decisions.machine import Machine, Place
from sim.economics.decisions.rent import (
    Offer,
    base_load,
    break_even_utilization,
    cheapest,
    mixed_usd_per_h,
    owner_usd_per_h,
)


def test_an_h100_of_a_dgx_costs_its_owner_a_dollar_sixty_an_hour():
    """$270,000 x 0.31547 + $29,041 of running, over 8 x 8,760 hours."""
    dgx = Machine(8.0, 10.2, 270_000.0)
    assert owner_usd_per_h(dgx, Place(), 8) == pytest.approx((85_177 + 29_041) / 70_080, rel=1e-4)


def test_the_cheapest_depends_on_use():
    offer = Offer(on_demand_usd_per_h=3.0, reserved_usd_per_h=1.8)
    assert cheapest(1.5, offer, 0.9).choice == "own"
    assert cheapest(2.0, offer, 0.9).choice == "reserve"
    assert cheapest(1.5, offer, 0.4) == cheapest(99.0, offer, 0.4)
    assert cheapest(1.5, offer, 0.4).usd_per_year == pytest.approx(1.2 * 8760)
    assert break_even_utilization(1.5, 3.0) == 0.5


def test_a_day_of_peaks_owns_what_is_used_half_the_time():
    """10 accelerators for half of the day, 100 for the other: at a break-even of 0.6 own the 10, at 0.4 all."""
    day = [10.0] * 12 + [100.0] * 12
    assert base_load(day, 1.2, 2.0) == 10
    assert base_load(day, 0.8, 2.0) == 100
    assert base_load(day, 3.0, 2.0) == 0
    assert mixed_usd_per_h(day, 10, 1.2, 2.0) == pytest.approx(12 + 45 * 2)


@given(
    needed=st.lists(st.integers(0, 50).map(float), min_size=1, max_size=24),
    fixed=st.floats(0.1, 3),
    on_demand=st.floats(0.1, 3),
)
def test_no_base_load_is_cheaper_than_the_one_chosen(needed, fixed, on_demand):
    best = mixed_usd_per_h(needed, base_load(needed, fixed, on_demand), fixed, on_demand)
    for owned in {0.0, *needed}:
        assert best <= mixed_usd_per_h(needed, owned, fixed, on_demand) + 1e-9
