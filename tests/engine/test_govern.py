"""The power governor: the same on both engines, and what it does worked by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import state as S
from sim.engine.build import build_plans
from sim.engine.control import run_plans
from sim.engine.govern import Governor, Rung
from sim.errors import ScenarioError
from sim.workload.program import plain
from tests.engine.programs import programs
from tests.engine.setups import cost, plans, scenario
from tests.engine.test_differential import COMMON, TIMES, TOLERANCE, counts, setups


@st.composite
def governed(draw) -> tuple:
    made, costs = draw(setups(caches=True))
    pools, workloads = len(made.pools), len(made.workloads)
    slower = [
        cost(
            token_s=2e-5, floor_s=1e-2, kv_s=2e-8, joules=0.3, max_batch=p.scheduler.max_batch, max_tokens=64
        )
        for p in made.pools
    ]
    open_ = [w for w, workload in enumerate(made.workloads) if workload.arrivals.process != "closed"]
    hold = tuple(w for w in open_ if draw(st.booleans()))
    shed = tuple(w for w in range(workloads) if draw(st.booleans()))
    full, low = tuple(range(pools)), tuple(range(pools, 2 * pools))
    busiest = sum(c.static_w + 300.0 for c in costs) * draw(counts(1, 4))
    governor = Governor(
        meter=lambda watts, time_s: float(watts.sum()),
        brake_w=busiest * draw(st.floats(0.2, 0.8)),
        release_w=busiest * 0.15,
        every_s=draw(st.sampled_from([0.05, 0.1, 1.0])),
        rungs=(Rung(full), Rung(full, hold), Rung(low, hold), Rung(low, hold, shed)),
    )
    served = [p.model for p in made.pools]
    run = [draw(st.one_of(programs(served), st.just(plain(w.model)))) for w in made.workloads]
    return made, costs, [slower], run, governor


@settings(max_examples=60, derandomize=True, **COMMON)
@given(governed())
def test_engines_agree_under_a_governor(setup):
    made, costs, levels, run, governor = setup
    try:
        built = build_plans(made, costs, {}, run, levels)
    except ScenarioError:
        return
    kernel = run_plans(built, log_requests=1 << 18, governor=governor)
    reference = run_plans(built, engine="simpy", log_requests=1 << 18, governor=governor)
    np.testing.assert_array_equal(kernel.counters, reference.counters)
    for log, expected in ((kernel.calls, reference.calls), (kernel.passes, reference.passes)):
        np.testing.assert_array_equal(log["id"], expected["id"])
        for name in TIMES:
            np.testing.assert_allclose(log[name], expected[name], rtol=TOLERANCE, atol=1e-12)
    np.testing.assert_allclose(
        kernel.windows.sum(axis=1), reference.windows.sum(axis=1), rtol=TOLERANCE, atol=1e-7
    )
    for rows, expected in zip(kernel.governed, reference.governed, strict=True):
        np.testing.assert_array_equal(rows["rung"], expected["rung"])
        np.testing.assert_allclose(rows["time_s"], expected["time_s"], rtol=TOLERANCE)
        np.testing.assert_allclose(rows["site_w"], expected["site_w"], rtol=TOLERANCE)


BURST = {"process": "all-at-once", "requests": 1}
STEP = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0}


def one_call(rungs, brake_w, *, engine="kernel", arrivals=BURST, **rest):
    """A call of one prompt token and 40 outputs, steps of 0.1 s, or of 0.2 s on the lower level."""
    lengths = {"kind": "fixed", "input": 1, "output": 40}
    made = scenario([{"arrivals": arrivals, "lengths": lengths}], duration=10.0, **rest)
    batch = made.pools[0].scheduler.max_batch
    full, low = cost(**STEP, floor_s=0.1, max_batch=batch), cost(**STEP, floor_s=0.2, max_batch=batch)
    built = build_plans(made, [full], {}, [plain(made.workloads[0].model)], [[low]])
    governor = Governor(lambda watts, _: float(watts.sum()), brake_w, 1.0, 1.0, rungs)
    return run_plans(built, engine=engine, log_requests=10, governor=governor)


def test_a_cap_takes_effect_from_the_next_step():
    # at 0 s the replica is idle (50 W), at 1 s it draws more than 100 W: 10 steps of 0.1 s, then 30 of 0.2 s
    for engine in ("kernel", "simpy"):
        run = one_call((Rung((0,)), Rung((1,))), 100.0, engine=engine)
        assert abs(run.calls["finish_s"][0] - (10 * 0.1 + 30 * 0.2)) < 1e-6
        assert run.governed[0]["rung"].tolist()[:3] == [0, 1, 1]


def test_held_demand_waits_and_is_served_late():
    arrivals = {"process": "deterministic", "rate_per_s": 0.5}  # at 0, 2, 4, 6, 8 s
    run = one_call((Rung((0,)), Rung((0,), hold=(0,))), 60.0, arrivals=arrivals)
    assert run.counters[0, S.ARRIVED] == run.counters[0, S.COMPLETED] == 5
    assert run.calls["arrive_s"].tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert (
        run.calls["admit_s"][1] >= 4.0
    )  # the first runs until 4 s, and the site is above its brake until then
    free = one_call((Rung((0,)),), 60.0, arrivals=arrivals)
    assert free.calls["admit_s"][1] < 2.2


def test_shed_demand_is_turned_away_and_counted():
    arrivals = {"process": "deterministic", "rate_per_s": 1.0}
    run = one_call((Rung((0,)), Rung((0,), shed=(0,))), 60.0, arrivals=arrivals)
    counters = run.counters[0]
    assert counters[S.SHED] == counters[S.REJECTED] > 0
    assert counters[S.ARRIVED] == counters[S.COMPLETED] + counters[S.REJECTED] == 10


def test_calls_go_to_the_pool_that_needs_less_energy_until_it_is_full():
    pools = [{"replicas": 2, "scheduler": {"max_batch": 10}}, {"replicas": 1, "scheduler": {"max_batch": 10}}]
    made = scenario(
        [{"arrivals": {"process": "all-at-once", "requests": 20}}], pools, router="efficient-first"
    )
    thirsty, frugal = cost(max_batch=10, joules=3.0), cost(max_batch=10, joules=1.0)
    run = run_plans(plans(made, [thirsty, frugal]), log_requests=100)
    taken = np.bincount(run.calls["replica"], minlength=3)
    assert taken[2] > 8  # filled to 8 first, then as much as the others above that
    assert taken.sum() == 20
    few = scenario([{"arrivals": {"process": "all-at-once", "requests": 7}}], pools, router="efficient-first")
    run = run_plans(plans(few, [thirsty, frugal]), log_requests=100)
    assert set(run.calls["replica"].tolist()) == {2}
