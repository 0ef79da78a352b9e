"""The closed forms of a segment against adding its steps one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.kernel.clock import seconds_of, tick_of
from sim.engine.kernel.segment import steps_s, steps_until

SEGMENT = {
    "first_s": st.floats(1e-6, 0.2),
    "slope_s": st.one_of(st.just(0.0), st.floats(1e-9, 1e-3)),
    "host_s": st.one_of(st.just(0.0), st.floats(1e-6, 0.5)),
}


def one_by_one(first_s, slope_s, host_s, steps):
    return sum(max(first_s + slope_s * i, host_s) for i in range(steps))


@given(**SEGMENT, steps=st.integers(1, 500))
def test_time_of_many_steps(first_s, slope_s, host_s, steps):
    assert steps_s(first_s, slope_s, host_s, steps) == pytest.approx(
        one_by_one(first_s, slope_s, host_s, steps), rel=1e-12
    )


@given(**SEGMENT, steps=st.integers(1, 300), part=st.floats(0, 1.2), begin_s=st.floats(0, 1e5))
def test_first_boundary_at_or_after_an_instant(first_s, slope_s, host_s, steps, part, begin_s):
    tick = tick_of(begin_s + part * steps_s(first_s, slope_s, host_s, steps))
    found = steps_until(begin_s, first_s, slope_s, host_s, steps, tick)

    def boundary(m):
        return tick_of(begin_s + steps_s(first_s, slope_s, host_s, m))

    assert 1 <= found <= steps
    assert found == steps or boundary(found) >= tick
    assert found == 1 or boundary(found - 1) < tick


@given(st.integers(0, 2**53))
def test_ticks_are_exact_seconds(tick):
    assert tick_of(seconds_of(tick)) == tick
