"""Plans: within limits or the nearest to them, verified; points, fronts and margins on figures that are known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import UserError
from sim.study.binding import binding, broken_target
from sim.study.plan import Space, fixed_fleet, plan
from sim.study.plan_margin import replicas_of_node
from sim.study.plan_points import FRONT, Limits, Point, near_limits, overshoot, pareto_front
from sim.study.sizing_verdict import Unreachable
from tests.study.planning import chat


def point(**figures):
    return Point(SimpleNamespace(replicas=10), figures)  # type: ignore[arg-type]


@given(st.lists(st.tuples(*[st.integers(1, 5)] * 3), min_size=1, max_size=20))
def test_the_front_is_what_none_other_beats(values):
    points = [point(**dict(zip(FRONT, map(float, v), strict=True))) for v in values]
    front = [tuple(int(p.figures[k]) for k in FRONT) for p in pareto_front(points)]

    def beats(a, b):
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    assert len(set(front)) == len(front)
    assert set(front) == {v for v in values if not any(beats(w, v) for w in values)}


def test_limits_that_are_exceeded_and_nearly():
    p = point(site_w=30e3, capex_usd=1e6, usd_per_hour=9.5, accelerators=10.0, racks=1.0)
    assert overshoot(p, Limits()) == {}
    found = overshoot(p, Limits(site_w=20e3, capex_usd=0.9e6, usd_per_hour=10))
    assert list(found) == ["site_w", "capex_usd"] and found["site_w"] == 1.5
    assert near_limits(p, Limits(usd_per_hour=10, site_w=40e3)) == ["usd_per_hour"]


def test_a_server_takes_its_replicas_with_it():
    pool = chat().pools[0]
    assert replicas_of_node(pool) == 8
    assert replicas_of_node(pool.model_copy(update={"tensor_parallel": 4})) == 2
    assert replicas_of_node(pool.model_copy(update={"tensor_parallel": 8, "pipeline_parallel": 2})) == 1


@pytest.fixture(scope="module")
def planned():
    return plan(
        chat("workload.0.arrivals.rate_per_s=50"),
        space=Space(accelerators=("A100-SXM-80GB", "H100-SXM-80GB")),
    )


def test_a_plan_is_verified_and_says_what_binds(planned):
    assert planned["feasible"] and planned["exceeds"] == {} and planned["within_limits"] is None
    assert planned["verification"]["probability"] >= 0.9
    assert planned["binding"]["target"] in ("ttft", "tpot")
    assert planned["binding"]["headroom_rps"] > -1
    assert planned["configurations"] > 100 and planned["configurations_per_s"] > 0


def test_the_fleet_is_on_its_own_front(planned):
    front = planned["front"]
    assert planned["fleet"]["description"] in [p["description"] for p in front]
    assert min(p["usd_per_hour"] for p in front) >= 0.99 * min(
        planned["fleet"]["usd_per_hour"], front[0]["usd_per_hour"]
    )
    assert len({p["description"] for p in front}) == len(front)


def test_losing_a_server_is_simulated(planned):
    node = planned["one_node"]
    assert node["replicas_lost"] >= 1
    assert node["meets"] == (node["spare_replicas"] == 0)
    assert node["usd_per_hour_with_spare"] >= planned["fleet"]["usd_per_hour"] * 0.99


def test_limits_that_no_fleet_is_within_are_answered_with_the_nearest():
    found = plan(chat("workload.0.arrivals.rate_per_s=50"), limits=Limits(accelerators=1))
    assert not found["feasible"]
    assert found["exceeds"]["accelerators"] == found["fleet"]["accelerators"] > 1
    assert 0 < found["within_limits"]["share_of_demand"] < 1
    assert found["within_limits"]["replicas"] == 1
    assert found["binding"]["larger_fleet"] == "budget"


def test_an_objective_is_what_is_made_small():
    space = Space(accelerators=("A100-SXM-80GB", "H100-SXM-80GB"), mixes=False)
    fewest = plan(chat(), space=space, objective="accelerators")
    assert fewest["fleet"]["accelerators"] == min(p["accelerators"] for p in fewest["front"])


def test_targets_out_of_reach_are_an_error():
    with pytest.raises(Unreachable):
        plan(chat("workload.0.slo.ttft=0.001"))


def test_rent_knows_no_purchase():
    rented = chat("cost.basis=rent")
    with pytest.raises(UserError, match="nothing is bought"):
        plan(rented, limits=Limits(capex_usd=1e6))
    found = plan(rented)
    assert found["feasible"] and found["fleet"]["capex_usd"] is None


def test_a_fixed_fleet_holds_what_it_holds():
    small = fixed_fleet(chat())
    double = fixed_fleet(chat("pool.0.replicas=4"))
    assert double["holds"]["rps"] > 3.8 * small["holds"]["rps"]
    by_users = chat(
        'workload.0.arrivals={ process = "users", users = 1e5, requests_per_user_per_day = 10 }',
        "duration=1 h",
    )
    users = fixed_fleet(by_users)["holds"]
    assert users["users"] == pytest.approx(users["rps"] * 86_400 / 10)


def test_a_small_batch_binds():
    found = binding(chat("pool.0.scheduler.max_batch=4", "workload.0.arrivals.rate_per_s=3"))
    assert found.resource == "batch limit" and "of at most 4" in found.why


def test_little_memory_binds():
    found = binding(
        chat("pool.0.memory_fraction=0.25", "pool.0.scheduler.max_batch=256", "workload.0.slo.tpot=0.2")
    )
    assert found.resource == "KV memory"


def test_long_prompts_bind_prefill():
    lengths = 'workload.0.lengths={ kind = "fixed", input = 6000, output = 20 }'
    found = binding(chat(lengths, "workload.0.arrivals.rate_per_s=1", "workload.0.slo={}"))
    assert found.resource == "prefill compute"
    assert found.target == "throughput"


def test_the_target_that_most_miss_is_the_one_that_breaks():
    def workload(attainment, ttft, tpot):
        slo = {"attainment": attainment, "ttft_share": ttft, "tpot_share": tpot}
        return {"model": "m", "slo": {**slo, "targets": {"ttft_s": 1.0, "tpot_s": 0.1, "e2e_s": None}}}

    summary = {"workloads": [workload(0.99, 1.0, 0.99), workload(0.7, 0.72, 0.98)], "pools": []}
    found, target = broken_target(summary)
    assert target == "ttft" and found["slo"]["attainment"] == 0.7
    assert not math.isnan(found["slo"]["attainment"])
