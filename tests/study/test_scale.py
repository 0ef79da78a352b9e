"""Scale: parts add up, what is proportional is proportional, and the three elasticities stay apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ScenarioError, UserError
from sim.metrics.moments import length_moments
from sim.study.loadcurve import load_curve
from sim.study.scale import scale
from sim.study.scale_demand import by_users, for_users, peak_over_mean, users_of, with_cached_prompts
from sim.study.scale_economies import (
    ECONOMIES,
    Parts,
    Terms,
    cached_share,
    capital_usd,
    discount_share,
    known_economies,
)
from sim.study.scale_history import RECORDS
from sim.study.sizing_verdict import PASSES, Unreachable
from tests.study.planning import chat

USERS = 'workload.0.arrivals={ process = "users", users = 1000, requests_per_user_per_day = 40 }'


@pytest.fixture(scope="module")
def report():
    return scale(chat(USERS), [1e2, 1e3, 1e4], full_hour=True)


def test_parts_sum_to_the_planned_cost(report):
    for row in report["rows"]:
        parts = Parts(**row["planned"]["parts_usd_per_day"])
        assert parts.total(ECONOMIES) == pytest.approx(row["planned"]["usd_per_day"])
        assert parts.serving + parts.headroom == pytest.approx(row["planned"]["core_usd_per_day"])


def test_serving_is_proportional_and_headroom_ends_at_the_largest(report):
    per_user = [r["planned"]["parts_usd_per_day"]["serving"] / r["users"] for r in report["rows"]]
    assert per_user == pytest.approx([per_user[0]] * 3)
    headroom = [r["planned"]["parts_usd_per_day"]["headroom"] for r in report["rows"]]
    assert headroom[-1] == 0 and headroom[0] > 0


def test_a_fixed_fleet_costs_the_same_whatever_its_use(report):
    found = report["elasticity"]["fixed_fleet"]["all"]["mean"]
    assert 0 <= found < 0.1
    days = [r["fixed_fleet"]["usd_per_day"] for r in report["rows"]]
    assert days == sorted(days)  # idle hardware draws less


def test_the_elasticities_have_their_own_names(report):
    names = set(report["elasticity"])
    assert {"fixed_fleet", "planned", "planned_serving", "planned_without", "conventional"} <= names
    assert set(report["elasticity"]["planned_without"]) == set(ECONOMIES)
    assert 0 < report["elasticity"]["planned_serving"]["all"]["mean"] <= 1.05


def test_history_is_apart(report):
    assert len(report["history"]) == len(RECORDS)
    assert all("elasticity" not in r for r in report["rows"])


def test_the_busiest_hour_is_simulated_whole(report):
    hour = report["full_hour"]
    assert hour["requests"]["arrived"] == pytest.approx(1e4 * 40 / 24, rel=0.05)
    assert hour["requests"]["completed"] == hour["requests"]["arrived"]


def test_cost_goes_by_days():
    """A day's cost is that of 24 hours, whatever the drain adds to the run."""
    row = scale(chat(USERS), [1e2], economies=())["rows"][0]
    assert row["planned"]["usd_per_day"] == pytest.approx(row["planned"]["core_usd_per_day"])
    assert row["simulated_requests"] == pytest.approx(4000, rel=0.1)


def test_demand_that_does_not_grow_with_users_is_refused():
    with pytest.raises(ScenarioError, match="do not grow with users"):
        by_users(chat('workload.0.arrivals={ process = "closed", clients = 3 }'))


@given(st.floats(1, 1e9))
def test_users_are_as_many_as_asked(users):
    made = for_users(by_users(chat()), users)
    assert users_of(made) == pytest.approx(users) and made.duration_s == 86_400
    assert peak_over_mean(made) == pytest.approx(1)


@pytest.mark.parametrize(
    "lengths",
    [
        '"azure-2023-conversation"',
        '{ kind = "fixed", input = 800, output = 10 }',
        '{ kind = "uniform", input = [100, 900], output = [1, 9] }',
        '{ kind = "lognormal", input = { mean = 500, cv = 1 }, output = { mean = 9, cv = 1 } }',
    ],
)
def test_a_cache_shortens_prompts_and_leaves_answers(lengths):
    made = chat(f"workload.0.lengths={lengths}")
    before, after = (length_moments(s.workloads[0], {}) for s in (made, with_cached_prompts(made, 0.4)))
    assert before is not None and after is not None
    assert after.input == pytest.approx(0.6 * before.input, rel=0.02)
    assert after.output == pytest.approx(before.output)


def test_terms_of_the_economies():
    terms = Terms()
    assert discount_share(5e6, terms) == 0 and discount_share(2e8, terms) == 0.10
    assert 0 < cached_share(1.0, terms) < cached_share(1e4, terms) < terms.shared
    lines = {"server_depreciation": 2.0, "cost_of_capital": 1.0, "electricity": 9.0}
    assert capital_usd({"breakdown": lines}) == 3.0
    assert known_economies(["discount", "spare"]) == ("spare", "discount")
    with pytest.raises(UserError, match="spare"):
        known_economies(["spares"])


def test_the_load_curve_ends_in_a_knee_below_saturation():
    curve = load_curve(chat("pool.0.replicas=2"), shares=(0.05, 0.2, 0.5, 0.7, 0.9, 1.2))["curves"]
    assert set(curve) == {"replica", "fleet"}
    one = curve["replica"]
    cost = [p["usd_per_mtok_output"] for p in one["points"][:5]]
    assert cost == sorted(cost, reverse=True)
    low = [p["usd_per_mtok_output"] * p["offered_rps"] for p in one["points"][:2]]
    assert low[0] == pytest.approx(low[1], rel=0.1)  # 1 / load, by arithmetic
    assert 0.4 < one["knee"]["share"] < 0.9
    assert one["points"][-1]["overloaded"] and not one["points"][0]["overloaded"]
    assert curve["fleet"]["saturation_rps"] == pytest.approx(2 * one["saturation_rps"], rel=0.08)
    with pytest.raises(UserError):
        load_curve(chat('workload.0.arrivals={ process = "closed", clients = 3 }'))


def test_a_technique_that_answers_at_its_end_is_sized_by_its_passes():
    """No fleet shows a revised answer within a TTFT of one second; passes of it can meet that."""
    verified = chat(USERS, "workload.0.mitigation=chain-of-verification")
    with pytest.raises(Unreachable):
        scale(verified, [1e3], economies=())
    (row,) = scale(verified, [1e3], economies=(), rule=PASSES)["rows"]
    assert row["passes_per_request"] > 5
    assert row["attainment_of_day"] > 0.9
