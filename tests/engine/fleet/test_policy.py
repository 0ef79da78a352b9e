"""Policies of the scaler, worked by hand, and the process around them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.fleet.policy import forecast_policy, queue_policy, scheduled_policy, utilization_policy
from sim.engine.fleet.scaler import scale
from sim.engine.fleet.spec import Scaler, Seen
from tests.engine.fleet.fake import SECOND, status_of

HOUR = 3600 * SECOND


def seen(**what) -> Seen:
    return Seen(**{"period": 0, "tick": 0, "replicas": 4, "waiting": 0, "calls": 0, "asked": 0, **what})


def test_queue():
    policy = queue_policy(waiting=2.0, held=10.0)
    assert policy(seen(waiting=8)) == 4  # two each: not more than it bears
    assert policy(seen(waiting=9)) == 4 + 1
    assert policy(seen(waiting=31)) == 4 + 4
    assert policy(seen(waiting=3)) == 3
    assert policy(seen(replicas=0, waiting=1)) == 1


def test_utilization():
    policy = utilization_policy(held=10.0)
    assert policy(seen(calls=40)) == policy(seen(calls=43)) == policy(seen(calls=37)) == 4
    assert policy(seen(calls=45)) == 5
    assert policy(seen(calls=35)) == 4  # rounded up
    assert policy(seen(calls=29)) == 3


def test_schedule_is_kept_ahead_by_the_time_of_a_start():
    policy = scheduled_policy([1] * 9 + [5] * 9 + [2] * 6, start_hour=8.0, lead_tick=HOUR // 2)
    assert [policy(seen(tick=round(h * HOUR))) for h in (0, 0.4, 0.5, 1, 9.4, 10, 24, 25)] == [
        1,
        1,
        5,
        5,
        5,  # 17:24: what is needed now is kept, though less will do in half an hour
        2,
        1,
        5,
    ]


def rates(policy, rate_of, periods: int, every_s: float = 15.0) -> list[int]:
    """What the policy wants under a rate [calls/s] that `rate_of` gives by time [s], asked exactly."""
    asked, found = 0.0, []
    for k in range(periods):
        found.append(policy(seen(tick=round(k * every_s * SECOND), asked=round(asked), replicas=7)))
        asked += every_s * rate_of((k + 0.5) * every_s)
    return found


def test_forecast_sees_tomorrow_in_yesterday():
    day, every, window, lead = 86_400, 15, 20, 24  # the rate of 5 minutes, 6 minutes ahead
    policy = forecast_policy(5.0, 1.0, lead=lead, season=day // every, window=window)
    found = rates(policy, lambda t: 1000 + 800 * math.sin(2 * math.pi * t / day), 2 * day // every, every)
    assert found[0] == 7  # nothing is known yet
    for k in range(day // every + window, len(found), 97):
        ahead_s = k * every + lead * every
        due, now = (
            1000 + 800 * math.sin(2 * math.pi * (t - window * every / 2) / day) for t in (ahead_s, k * every)
        )
        assert found[k] == pytest.approx(max(due, now) / 5, rel=0.01, abs=1)
    # twice yesterday's demand is twice yesterday's fleet
    doubled = rates(
        forecast_policy(5.0, 0.5, lead=lead, season=day // every, window=window),
        lambda t: (1000 + 800 * math.sin(2 * math.pi * t / day)) * (1 + (t > day)),
        2 * day // every,
        every,
    )
    assert doubled[-200] == pytest.approx(found[-200], rel=0.01, abs=1)


def test_forecast_without_a_past_follows_the_trend():
    policy = forecast_policy(1.0, 1.0, lead=40, season=10_000, window=20)
    found = rates(policy, lambda t: 10 + 0.1 * t, 100)
    # at decision 99 the rate of the last window is 10 + 0.1 x (99 x 15 - 150), and gains 0.1 x 15 in each
    assert found[99] == pytest.approx(10 + 0.1 * (99 * 15 - 150) + 40 * 1.5, abs=1)
    assert forecast_policy(1.0, 1.0, lead=1, season=2, window=5)(seen()) == 4


def run_scaler(wanted: list[int], *, least=0, stabilization_s=0, min_up_s=0, replicas=8):
    """Open replicas after each decision under a policy that asks for `wanted`, one a decision, every 10 s."""
    env, plane, status = status_of(replicas, fresh_s=0.0)
    ticks = (10 * SECOND, stabilization_s * SECOND, min_up_s * SECOND)
    env.process(scale(status, 0, 0, Scaler(lambda: lambda now: wanted[now.period], least, *ticks)))
    found = []
    for k in range(len(wanted)):
        env.run(until=(10 * k + 5) * SECOND)
        found.append(int(plane.is_open.sum()))
    plane.over = True
    env.run()  # it ends when nothing is left to happen
    return found


def test_scales_between_its_bounds_from_the_last_replica():
    assert run_scaler([3, 20, -5, 2], least=1) == [8, 8, 1, 2]


def test_fewer_only_when_the_whole_window_agrees():
    assert run_scaler([8, 2, 5, 2, 2, 2, 2, 2], stabilization_s=30) == [8, 8, 8, 8, 5, 5, 2, 2]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 8), min_size=2, max_size=20), st.sampled_from([0, 20, 50]))
def test_there_is_what_the_window_asked_for_at_most(wanted, stabilization_s):
    found = run_scaler(wanted, stabilization_s=stabilization_s)
    back = stabilization_s // 10
    for k, count in enumerate(found):
        start = [8] if k <= back else []  # the start counts as a decision at the time of the first
        assert count == max(start + wanted[max(0, k - back) : k + 1])


def test_a_replica_stays_up_for_its_least_time():
    assert run_scaler([2, 4, 2, 2, 2, 2], min_up_s=25) == [8, 8, 8, 2, 2, 2]


def test_failed_replicas_are_replaced_while_there_are_others():
    env, plane, status = status_of(4, fresh_s=0.0, again_s=0.0)
    status.release(np.array([2, 3]))
    status.switch_off_drained(0)
    scaler = Scaler(lambda: lambda now: 2, 0, 10 * SECOND, 0, 0)
    env.process(scale(status, 0, 0, scaler))
    env.run(until=5 * SECOND)
    status.strike(np.array([0]))
    status.kill(np.array([0]))
    env.run(until=11 * SECOND)
    assert plane.is_open.tolist() == [False, True, True, False]
    status.mend(np.array([0]), fresh=False)
    env.run(until=21 * SECOND)
    assert plane.is_open.tolist() == [True, True, False, False]
