"""Revenue by hand-worked numbers, and the margins of users against quadrature."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.economics.revenue import (
    MONTH_S,
    Sold,
    Subscriber,
    peak_share,
    plan_margins,
    revenue_lines,
    subscribers,
)
from sim.economics.users import Alike, Lognormal, Pareto, expectation
from sim.scenario.revenue import Revenue

MONTH = Sold(MONTH_S, requests=60_000, input_tokens=120e6, output_tokens=12e6, cached_tokens=20e6)
TOKENS = {"usd_per_mtok_input": 1.0, "usd_per_mtok_output": 4.0, "usd_per_mtok_cached_input": 0.1}


def revenue(**keys):
    return Revenue.model_validate(keys)


def test_tokens_sell_at_their_three_prices():
    lines = revenue_lines(revenue(**TOKENS, usd_per_request=0.001), MONTH)
    assert lines == pytest.approx({"input": 100, "cached_input": 2, "output": 48, "requests": 60})


def test_a_cached_token_sells_as_others_unless_said():
    lines = revenue_lines(revenue(usd_per_mtok_output=0.0, usd_per_mtok_input=1.0), MONTH)
    assert sum(lines.values()) == pytest.approx(120)


def test_no_more_is_sold_from_the_cache_than_was_read():
    more = Sold(MONTH_S, 1, input_tokens=5e6, output_tokens=0, cached_tokens=6e6)
    assert sum(revenue_lines(revenue(**TOKENS), more).values()) == pytest.approx(0.5)


def test_a_free_tier_sells_the_rest():
    lines = revenue_lines(revenue(**TOKENS, free_share=0.25), MONTH)
    assert sum(lines.values()) == pytest.approx(150 * 0.75)


def test_peak_hours_by_hand():
    """Eight of 24 hours at twice the price: a third more."""
    peak = {"hours": [[1, 4], [6, 10]], "multiplier": 2.0}
    day = Sold(86_400, 1, 3e6, 0)
    assert sum(
        revenue_lines(revenue(usd_per_mtok_output=0.0, usd_per_mtok_input=1.0, peak=peak), day).values()
    ) == pytest.approx(3 * (1 + 7 / 24))
    hour = Sold(3600, 1, 3e6, 0, start_hour=3.5)
    assert sum(
        revenue_lines(revenue(usd_per_mtok_output=0.0, usd_per_mtok_input=1.0, peak=peak), hour).values()
    ) == pytest.approx(4.5)


@given(st.floats(0, 24, exclude_max=True), st.floats(0.01, 100))
def test_peak_share_is_a_count_of_minutes(begin, length):
    hours = ((1.0, 4.0), (6.0, 10.0), (23.0, 24.0))
    n = 4000
    inside = sum(any(a <= (begin + length * (i + 0.5) / n) % 24 < b for a, b in hours) for i in range(n))
    assert peak_share(hours, begin, length) == pytest.approx(inside / n, abs=0.03)


def test_subscriptions_seats_caps_and_overage_by_hand():
    """60,000 requests a month: half from 300 subscribers of 100 each, 0.3 from 360 seats used by half."""
    plans = [
        {"name": "flat", "usd_per_month": 20, "share": 0.5, "requests_per_month": 100},
        {
            "name": "seats",
            "usd_per_month": 30,
            "share": 0.3,
            "requests_per_month": 100,
            "active_share": 0.5,
            "cap_requests": 60,
            "overage_usd_per_request": 0.04,
        },
    ]
    priced = revenue(**TOKENS, plan=plans)
    assert subscribers(priced.plans[0], MONTH) == pytest.approx(300)
    assert subscribers(priced.plans[1], MONTH) == pytest.approx(360)
    lines = revenue_lines(priced, MONTH)
    assert lines["plan flat"] == pytest.approx(6000)
    assert lines["plan seats"] == pytest.approx(360 * 30 + 180 * 40 * 0.04)
    assert lines["input"] + lines["cached_input"] + lines["output"] == pytest.approx(150 * 0.2)


def test_a_blocked_cap_needs_more_subscribers_for_the_same_traffic():
    plan = {"name": "a", "usd_per_month": 20, "requests_per_month": 100, "sigma": 1.0, "cap_requests": 100}
    priced = revenue(plan=[plan])
    served = Lognormal(100, 1.0).capped_mean(100)
    assert subscribers(priced.plans[0], MONTH) == pytest.approx(60_000 / served)
    assert served < 100


def test_revenue_is_proportional_to_time_at_a_steady_rate():
    plans = [{"name": "a", "usd_per_month": 20, "share": 0.5, "requests_per_month": 100, "sigma": 1.0}]
    priced = revenue(**TOKENS, plan=plans)
    half = Sold(MONTH_S / 2, 30_000, 60e6, 6e6, 10e6)
    whole = revenue_lines(priced, MONTH)
    assert revenue_lines(priced, half) == pytest.approx({k: v / 2 for k, v in whole.items()})


subscribed = st.builds(
    Subscriber,
    use=st.one_of(
        st.builds(Lognormal, st.floats(50, 500), st.floats(0.2, 1.5)),
        st.builds(Pareto, st.floats(50, 500), st.floats(1.5, 4)),
    ),
    fee_usd=st.floats(0, 50),
    cap=st.one_of(st.just(math.inf), st.floats(20, 2000)),
    metered=st.booleans(),
    overage_usd=st.floats(0, 0.2),
)


@settings(max_examples=25, deadline=None)
@given(subscribed, st.floats(0.001, 0.2))
def test_mean_margin_is_the_mean_of_margins(user, cost):
    by_quadrature = expectation(user.use, lambda x: user.margin_usd(x, cost))
    scale = user.fee_usd + user.use.mean * cost
    assert user.mean_margin_usd(cost) == pytest.approx(by_quadrature, abs=5e-3 * scale)
    assert user.margin_of_top(1.0, cost) == pytest.approx(user.mean_margin_usd(cost))


@settings(max_examples=25, deadline=None)
@given(subscribed, st.floats(0.001, 0.2), st.floats(0.01, 0.5))
def test_margin_of_the_heaviest_is_their_mean(user, cost, share):
    edge = user.use.quantile(1 - share)
    inside = expectation(user.use, lambda x: user.margin_usd(x, cost) if x >= edge else 0.0, points=16_001)
    scale = user.fee_usd + user.use.mean * (cost + user.overage_usd) / share
    assert user.margin_of_top(share, cost) == pytest.approx(inside / share, abs=0.03 * scale)


@given(subscribed, st.floats(0.001, 0.2))
def test_margin_vanishes_at_break_even_and_those_beyond_lose(user, cost):
    edge = user.break_even_requests(cost)
    if math.isinf(edge):
        assert user.share_at_loss(cost) == 0
        return
    assert user.margin_usd(edge, cost) == pytest.approx(0, abs=1e-6 * (user.fee_usd + 1))
    first, last = user.losing_use(cost)
    assert user.margin_usd(0.99 * first, cost) >= -1e-9
    assert user.margin_usd(min(first * 1.001, (first + last) / 2), cost) < 1e-9
    if math.isfinite(last):
        assert user.margin_usd(last, cost) == pytest.approx(0, abs=1e-6 * (user.fee_usd + last * cost + 1))
        assert user.margin_usd(last * 1.01, cost) > 0


@settings(max_examples=25, deadline=None)
@given(subscribed, st.floats(0.001, 0.2))
def test_the_share_at_a_loss_is_that_of_quadrature(user, cost):
    losing = expectation(user.use, lambda x: float(user.margin_usd(x, cost) < 0), points=16_001)
    assert user.share_at_loss(cost) == pytest.approx(losing, abs=0.01)


def test_what_a_flat_fee_loses_on_the_heaviest_hundredth():
    """$10 against $0.02 a request: mean use 436 x 22 is a loss; Pareto's top 1 % bears most of it."""
    user = Subscriber(Pareto(1000, 1.2), fee_usd=10.0)
    assert user.mean_margin_usd(0.02) == pytest.approx(-10)
    assert user.break_even_requests(0.02) == pytest.approx(500)
    assert user.margin_of_top(0.01, 0.02) == pytest.approx(10 - 0.02 * 1000 * 0.01 ** (-1 / 1.2))
    assert user.margin_at(0.5, 0.02) > 0


def test_metering_at_cost_or_above_cannot_lose_beyond_the_cap():
    user = Subscriber(Lognormal(1000, 1.0), fee_usd=10.0, cap=500, metered=True, overage_usd=0.02)
    assert user.share_at_loss(0.02) == 0
    assert user.break_even_requests(0.02) == math.inf
    assert user.mean_margin_usd(0.02) >= 0
    assert Subscriber(Alike(1000), 10.0).mean_margin_usd(0.02) < 0


def test_margins_of_plans_are_their_users():
    """60,000 requests at $0.1: the flat plan's users of 100 requests cost $10 of their $20."""
    plans = [
        {"name": "flat", "usd_per_month": 20, "share": 0.5, "requests_per_month": 100},
        {"name": "heavy", "usd_per_month": 20, "share": 0.5, "requests_per_month": 100, "sigma": 1.0},
        {"name": "free", "usd_per_month": 0, "share": 0.0, "requests_per_month": 10},
    ]
    flat, heavy, free = plan_margins(revenue(plan=plans), MONTH, 0.1)
    assert flat["users"] == pytest.approx(300)
    assert (flat["cost_usd_per_user_month"], flat["margin_usd"]["mean"]) == pytest.approx((10, 10))
    assert flat["break_even_requests"] == pytest.approx(200)
    assert flat["share_at_loss"] == 0
    assert heavy["margin_usd"]["mean"] == pytest.approx(10)
    assert heavy["margin_usd"]["p50"] == pytest.approx(20 - 10 * math.exp(-0.5))
    assert heavy["margin_usd"]["heaviest_percent"] < heavy["margin_usd"]["p99"] < 0
    assert free["users"] == 0
    assert free["share_at_loss"] == 1
