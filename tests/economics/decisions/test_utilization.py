"""Demand that may not come: limits, and the expected value by numerical integration."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.decisions.utilization import (
    Capacity,
    Demand,
    best_capacity,
    expected_profit_usd,
    expected_utilization,
    unit_cost_usd,
)


def test_half_used_is_twice_as_dear():
    cost = Capacity(fixed_usd=1.0, variable_usd=0.2)
    assert [unit_cost_usd(cost, u) for u in (1.0, 0.5, 0.1)] == pytest.approx([1.2, 2.2, 10.2])


def test_known_demand_is_served_up_to_capacity():
    known = Demand(100, 0)
    assert [known.served(c) for c in (0, 50, 100, 200)] == [0, 50, 100, 100]
    assert best_capacity(known, Capacity(1.0), 2.0) == 100
    assert (known.exceeds(50), known.exceeds(100)) == (1, 0)


@pytest.mark.parametrize("capacity", [30, 100, 250])
def test_expected_service_against_a_sum_over_quantiles(capacity):
    demand, points = Demand(100, 0.6), 20_000
    each = (
        min(math.exp(demand.mu + 0.6 * NormalDist().inv_cdf((k + 0.5) / points)), capacity)
        for k in range(points)
    )
    assert demand.served(capacity) == pytest.approx(sum(each) / points, rel=1e-4)


def test_at_a_twentieth_of_capacity_almost_all_is_used():
    assert expected_utilization(Demand(100, 0.6), 5) == pytest.approx(1, abs=1e-5)
    assert expected_utilization(Demand(100, 0.6), 1000) == pytest.approx(0.1, abs=1e-4)


@given(sigma=st.floats(0.05, 1.5), fixed=st.floats(0.1, 2.0), price=st.floats(0.1, 5.0))
def test_no_capacity_earns_more_than_the_best(sigma, fixed, price):
    demand, cost = Demand(100, sigma), Capacity(fixed, 0.05)
    best = best_capacity(demand, cost, price)
    most = expected_profit_usd(demand, best, cost, price)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert expected_profit_usd(demand, (best or 50.0) * factor, cost, price) <= most + 1e-9


def test_where_half_the_margin_is_cost_the_median_is_built():
    demand = Demand(100, 0.5)
    best = best_capacity(demand, Capacity(1.0), 2.0)
    assert best == pytest.approx(math.exp(demand.mu))
    assert demand.exceeds(best) == pytest.approx(0.5)
