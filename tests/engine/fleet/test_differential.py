"""Both engines under one control plane, everything on at random: the same requests, books and logs; nothing is lost."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import state as S
from sim.engine.control import run_plans
from sim.engine.fleet.control import FleetRun
from sim.engine.fleet.policy import forecast_policy, queue_policy, scheduled_policy, utilization_policy
from sim.engine.fleet.spec import (
    FAILURE,
    RECLAIM,
    FleetControl,
    PoolControl,
    Rounds,
    Scaler,
    Scripted,
    Starts,
    Units,
)
from tests.engine.fleet.fake import SECOND
from tests.engine.programs import programs
from tests.engine.setups import plans, scenario
from tests.engine.test_differential import COMMON, compare, setups

ticks = st.sampled_from([0.0, 0.05, 0.3, 0.75, 2.0]).map(lambda s: round(s * SECOND))
some_ticks = st.sampled_from([0.05, 0.3, 0.75, 2.0]).map(lambda s: round(s * SECOND))
policies = st.one_of(
    st.builds(partial, st.just(queue_policy), st.sampled_from([0.5, 2.0]), st.sampled_from([1.0, 4.0])),
    st.builds(partial, st.just(utilization_policy), st.sampled_from([0.5, 2.0, 6.0])),
    st.builds(
        lambda counts, lead: partial(scheduled_policy, counts, 0.9997, lead),  # the hour ends after a second
        st.lists(st.integers(0, 4), min_size=24, max_size=24),
        ticks,
    ),
    st.builds(
        lambda each, season, window, lead: partial(
            forecast_policy, each, 1.0, lead=lead, season=season, window=window
        ),
        st.sampled_from([0.5, 3.0]),
        st.integers(2, 8),
        st.integers(1, 3),
        st.integers(1, 4),
    ),
)
scalers = st.builds(Scaler, policies, st.integers(0, 2), some_ticks, ticks, ticks)
units = st.builds(
    lambda kind, size, mtbf, out, cv, notice, fresh: Units(kind, size, mtbf, out, cv, notice, fresh),
    st.sampled_from([FAILURE, RECLAIM]),
    st.integers(1, 4),
    st.sampled_from([0.5, 2.0, 8.0]),
    st.sampled_from([0.01, 0.4, 2.0]),
    st.sampled_from([None, 0.0, 1.5]),
    ticks,
    st.booleans(),
)
scripted = st.builds(Scripted, ticks, st.integers(1, 4), st.integers(0, 1), some_ticks, ticks)
rounds = st.builds(Rounds, st.integers(1, 3), ticks, some_ticks, some_ticks, ticks, st.integers(1, 2))
pool_controls = st.builds(
    PoolControl,
    st.just(1),
    st.sampled_from([1, 2]),
    st.builds(Starts, ticks, ticks),
    st.one_of(st.none(), scalers),
    st.lists(units, max_size=2).map(tuple),
    st.lists(scripted, max_size=2).map(tuple),
    st.one_of(st.none(), rounds),
)


@st.composite
def controls(draw, made) -> FleetControl:
    pools = tuple(draw(pool_controls) for _ in made.pools)
    return FleetControl(draw(st.integers(0, 2**31)), round(made.duration_s * SECOND), pools)


def agree(made, costs, control, own=None) -> None:
    run = FleetRun(control)
    compare(made, costs, own, processes=[run.process])  # once on each engine
    half = len(run.cells) // 2
    for log in (run.fleet_log(), run.outage_log()):
        for kernel, reference in zip(log[:half], log[half:], strict=True):
            np.testing.assert_array_equal(kernel, reference)
    for status in run.cells:
        assert (status.outages >= 0).all()


@settings(max_examples=60, derandomize=True, **COMMON)
@given(st.data())
def test_engines_agree_under_a_control_plane(data):
    made, costs = data.draw(setups(caches=True))
    agree(made, costs, data.draw(controls(made)))


@settings(max_examples=25, derandomize=True, **COMMON)
@given(st.data())
def test_engines_agree_on_programs_under_a_control_plane(data):
    made, costs = data.draw(setups(caches=True))
    own = [data.draw(programs([p.model for p in made.pools])) for _ in made.workloads]
    agree(made, costs, data.draw(controls(made)), own)


@pytest.mark.slow
@settings(max_examples=1000, **COMMON)
@given(st.data())
def test_engines_agree_widely_under_a_control_plane(data):
    made, costs = data.draw(setups(caches=True))
    agree(made, costs, data.draw(controls(made)))


def run_of(control: PoolControl, *, engine: str = "kernel", replicas: int = 4, rate: float = 30.0):
    lengths = {"kind": "fixed", "input": 200, "output": 40}
    arrivals = {"process": "poisson", "rate_per_s": rate}
    made = scenario([{"arrivals": arrivals, "lengths": lengths}], [{"replicas": replicas}], duration=20.0)
    fleet = FleetRun(FleetControl(5, 20 * SECOND, (control,)))
    books = run_plans(plans(made), engine=engine, log_requests=1 << 12, processes=[fleet.process])
    return books, fleet


@pytest.mark.parametrize("engine", ["kernel", "simpy"])
def test_what_is_drained_loses_nothing(engine):
    """A scaler that goes up and down all the time, and no outage: every request ends where it began, once."""
    up_and_down = Scaler(lambda: lambda seen: 1 + 3 * (seen.period % 2), 1, SECOND, 0, 0)
    books, fleet = run_of(PoolControl(1, 1, Starts(SECOND // 2, 0), up_and_down), engine=engine)
    counters = books.counters[0]
    assert counters[S.ARRIVED] == counters[S.COMPLETED] == len(books.calls) > 400
    assert len(set(books.calls["id"].tolist())) == len(books.calls)
    columns = books.windows.sum(axis=(0, 1))
    assert columns[S.RECOMPUTED] == 0
    assert columns[S.PREFILLED] == pytest.approx(200 * len(books.calls))
    (log,) = fleet.fleet_log()
    assert {1, 4} <= set(log["open"].tolist())


@pytest.mark.parametrize("engine", ["kernel", "simpy"])
def test_what_is_killed_is_computed_again_elsewhere(engine):
    """Half of the fleet goes down at once: its calls begin anew on the other half, and all complete."""
    event = Scripted(10 * SECOND, 2, 0, 5 * SECOND, 0)
    books, _ = run_of(PoolControl(1, 2, Starts(0, SECOND), scripted=(event,)), engine=engine)
    counters, columns = books.counters[0], books.windows.sum(axis=(0, 1))
    assert counters[S.ARRIVED] == counters[S.COMPLETED]
    assert columns[S.RECOMPUTED] > 0
    # each call's prompt and, after its first token, 39 decoded; and what was lost, once more
    once = 239 * int(counters[S.COMPLETED])
    assert columns[S.PREFILLED] + columns[S.DECODED] == pytest.approx(once + columns[S.RECOMPUTED])
    late = books.calls[(books.calls["arrive_s"] > 10.2) & (books.calls["arrive_s"] < 16)]
    assert set(late["replica"].tolist()) == {2, 3}
    after = books.calls[books.calls["arrive_s"] > 16.1]  # five seconds, and one to start
    assert set(after["replica"].tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("engine", ["kernel", "simpy"])
def test_with_nothing_open_requests_are_rejected_and_counted(engine):
    event = Scripted(10 * SECOND, 4, 0, 5 * SECOND, 0)
    books, _ = run_of(PoolControl(1, 4, Starts(0, 0), scripted=(event,)), engine=engine)
    counters = books.counters[0]
    assert counters[S.ARRIVED] == counters[S.COMPLETED] + counters[S.REJECTED]
    assert counters[S.REJECTED] == pytest.approx(150, rel=0.3)  # 30 a second for 5 s, and what was held
