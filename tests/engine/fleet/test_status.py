"""The status machine: a replica is open exactly if it is wanted, in no outage, and loaded."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.fleet.outages import Outage, suffer
from sim.engine.fleet.spec import EVENT
from sim.engine.kernel.clock import NEVER_TICK
from tests.engine.fleet.fake import SECOND, status_of

REPLICAS = 6
subsets = st.sets(st.integers(0, REPLICAS - 1), min_size=1).map(lambda s: np.array(sorted(s)))
seconds = st.integers(0, 400)
acts = st.one_of(
    st.tuples(st.just("want"), seconds, subsets),
    st.tuples(st.just("release"), seconds, subsets),
    st.tuples(st.just("hold"), seconds, subsets),
    st.tuples(st.just("empty"), seconds, subsets),
    st.tuples(st.just("out"), seconds, subsets, st.integers(0, 90), st.integers(1, 200), st.booleans()),
)


def check(plane, status) -> None:
    now = status.tick
    should = status.wanted & (status.outages == 0) & (status.loaded_tick <= now)
    np.testing.assert_array_equal(plane.is_open, should)
    np.testing.assert_array_equal(status.open, should)
    np.testing.assert_array_equal(plane.is_on, status.loaded_tick != NEVER_TICK)
    assert (status.outages >= 0).all()
    on = status.loaded_tick != NEVER_TICK
    assert (on | ~should).all()  # what is open is powered
    assert ((plane.running == 0) | on).all()  # what holds calls is powered
    last = status.rows[-1]
    servers = len({r // 2 for r in np.flatnonzero(on)})
    assert last[2:] == (status.wanted.sum(), should.sum(), on.sum(), (status.outages > 0).sum(), servers)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(acts, max_size=25))
def test_open_iff_wanted_in_no_outage_and_loaded(script):
    env, plane, status = status_of(REPLICAS)

    def act(kind, at, replicas, *rest):
        yield env.timeout(at * SECOND)
        if kind == "want":  # as a scaler does: only what is off and in no outage
            status.want(replicas[~status.wanted[replicas] & (status.outages[replicas] == 0)])
        elif kind == "release":
            status.release(replicas[status.wanted[replicas]])
        elif kind == "hold":
            plane.running[replicas[plane.is_open[replicas]]] = 1
        elif kind == "empty":
            plane.running[replicas] = 0
            status.switch_off_drained(0)
        else:
            notice, lasts, fresh = rest
            outage = Outage(status.tick, EVENT, replicas, notice * SECOND, lasts * SECOND, fresh)
            yield env.process(suffer(status, outage))

    for entry in script:
        env.process(act(*entry))
    check(plane, status)
    while env.peek() != float("inf"):
        env.step()
        if env.peek() > env.now:
            check(plane, status)
    assert (status.outages == 0).all()  # every outage has ended
    wanted = status.wanted
    np.testing.assert_array_equal(plane.is_open, wanted)  # and all that is wanted has started again
    times = [row[0] for row in status.rows]
    assert times == sorted(times)


def test_a_start_takes_its_time_and_a_repair_less():
    env, plane, status = status_of(2, fresh_s=100, again_s=60)
    both = np.array([0, 1])
    status.release(both)
    assert not plane.is_open.any()
    status.switch_off_drained(0)
    status.want(both[:1])
    env.run(until=99 * SECOND)
    assert not plane.is_open[0]
    env.run(until=101 * SECOND)
    assert plane.is_open.tolist() == [True, False]
    env.process(suffer(status, Outage(status.tick, EVENT, both[:1], 0, 30 * SECOND)))
    env.run()
    log, outages = status.fleet_log(), status.outage_log()
    assert outages["replicas"].tolist() == [1]
    assert (outages["end_s"] - outages["down_s"]).tolist() == [30.0]
    columns = ["time_s", "wanted", "open", "powered", "out"]
    assert set(log["servers"].tolist()) == {0, 1}
    assert log[columns].tolist() == [
        (0.0, 2, 2, 2, 0),
        (0.0, 0, 0, 2, 0),  # released: they hold nothing, but nobody has looked yet
        (0.0, 0, 0, 0, 0),
        (0.0, 1, 0, 1, 0),  # one starts
        (100.0, 1, 1, 1, 0),
        (101.0, 1, 0, 1, 1),  # struck
        (101.0, 1, 0, 0, 1),  # down
        (131.0, 1, 0, 1, 0),  # repaired, and starting
        (191.0, 1, 1, 1, 0),
    ]


def test_a_draining_replica_is_powered_until_it_is_empty_and_comes_back_at_once():
    _, plane, status = status_of(1)
    one = np.array([0])
    plane.running[0] = 3
    status.release(one)
    status.switch_off_drained(0)
    assert status.loaded_tick[0] != NEVER_TICK
    status.want(one)  # wanted again while it drains: no start
    assert plane.is_open[0]
    status.release(one)
    plane.running[0] = 0
    status.switch_off_drained(0)
    assert status.loaded_tick[0] == NEVER_TICK


def test_a_start_that_is_called_off_never_opens():
    env, plane, status = status_of(1)
    one = np.array([0])
    status.release(one)
    status.switch_off_drained(0)
    status.want(one)
    env.run(until=50 * SECOND)
    status.release(one)
    assert status.loaded_tick[0] == NEVER_TICK
    env.run()
    assert not plane.is_open[0]


def test_two_outages_at_once_end_with_the_later_one():
    env, plane, status = status_of(2, again_s=0)
    first = Outage(0, EVENT, np.array([0]), 0, 100 * SECOND)
    second = Outage(0, EVENT, np.array([0, 1]), 0, 300 * SECOND)
    env.process(suffer(status, first))
    env.process(suffer(status, second))
    env.run(until=150 * SECOND)
    assert not plane.is_open.any()
    env.run()
    assert plane.is_open.all()
    assert status.rows[-1][0] == 300.0
