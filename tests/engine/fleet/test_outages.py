"""Random outages: their statistics, their independence of the run, and what a unit takes with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.engine.fleet.outages import draws, maintain, outages_of
from sim.engine.fleet.spec import (
    EVENT,
    FAILURE,
    FleetControl,
    PoolControl,
    Rounds,
    Scripted,
    Starts,
    Units,
    count_units,
    replicas_of,
)
from sim.engine.kernel.rng import stream_key
from tests.engine.fleet.fake import SECOND, status_of
from tests.engine.setups import plans, scenario

HOUR_S = 3600.0
YEAR = round(365.25 * 86_400) * SECOND
NO_STARTS = Starts(0, 0)


@given(st.integers(1, 40), st.integers(1, 24), st.integers(1, 72))
def test_units_hold_every_replica_and_no_other(replicas, accelerators, unit):
    touched = [
        replicas_of(u, replicas, accelerators, unit) for u in range(count_units(replicas, accelerators, unit))
    ]
    for u, hit in enumerate(touched):
        own = {a // accelerators for a in range(u * unit, min((u + 1) * unit, replicas * accelerators))}
        assert set(hit) == own


def test_times_between_failures_and_repairs_have_their_laws():
    units = Units(FAILURE, 1, mtbf_s=500 * HOUR_S, out_s=10 * HOUR_S, cv=1.5)
    key = stream_key(7, 0, 0, FAILURE)
    gaps, repairs = [], []
    for number in range(60):
        end = 0
        for tick, out in draws(units, key, number, 3 * YEAR):
            gaps.append((tick - end) / SECOND)
            repairs.append(out / SECOND)
            end = tick + out
    assert len(gaps) == pytest.approx(60 * 3 * 365.25 * 24 / 510, rel=0.05)
    assert np.mean(gaps) == pytest.approx(units.mtbf_s, rel=0.05)
    assert stats.kstest(gaps, "expon", args=(0, units.mtbf_s)).pvalue > 0.01
    assert np.mean(repairs) == pytest.approx(units.out_s, rel=0.08)
    sigma = np.sqrt(np.log1p(1.5**2))
    law = stats.lognorm(s=sigma, scale=units.out_s * np.exp(-(sigma**2) / 2))
    assert stats.kstest(repairs, law.cdf).pvalue > 0.01


def test_cells_have_failures_of_their_own_and_the_same_in_every_run():
    made = scenario(pools=[{"replicas": 16}], cells=2, duration=1.0)
    units = Units(FAILURE, 8, 100 * HOUR_S, HOUR_S, 1.0)
    control = FleetControl(3, YEAR, (PoolControl(1, 8, NO_STARTS, units=(units,)),))
    first, second = (outages_of(control, plan) for plan in plans(made))
    again = outages_of(control, plans(made)[0])
    assert [o.tick for o in first] == [o.tick for o in again]
    assert not {o.tick for o in first} & {o.tick for o in second}
    assert all(o.replicas.tolist() == list(range(8)) for o in first)


def test_scripted_units_count_through_all_cells():
    made = plans(scenario(pools=[{"replicas": 8}], cells=2))
    event = Scripted(5 * SECOND, 2, number=3, out_tick=SECOND, notice_tick=0)
    control = FleetControl(1, YEAR, (PoolControl(1, 8, NO_STARTS, scripted=(event,)),))
    assert outages_of(control, made[0]) == []
    (only,) = outages_of(control, made[1])
    assert (only.tick, only.kind, only.replicas.tolist()) == (5 * SECOND, EVENT, [2, 3])


def test_maintenance_goes_round_server_by_server_and_drains():
    env, plane, status = status_of(4, again_s=60.0)
    plane.running[0] = 1
    rounds = Rounds(2, first_tick=100 * SECOND, every_tick=5000 * SECOND, out_tick=300 * SECOND,
                    drain_tick=200 * SECOND, at_once=1)  # fmt: skip
    env.process(maintain(status, 0, 1, rounds, YEAR))
    env.run(until=120 * SECOND)
    assert plane.is_open.tolist() == [False, False, True, True]
    assert plane.killed == []
    plane.running[0] = 0  # it has drained
    env.run(until=490 * SECOND)
    assert plane.killed[0][0] == 130 * SECOND  # seen at the next look
    assert not plane.is_open[0]
    env.run(until=491 * SECOND)  # 130 + 300 + 60
    assert plane.is_open.tolist() == [True, True, False, False]
    plane.running[2] = 1
    env.run(until=5000 * SECOND)
    assert plane.is_open.all()
    log, out = status.fleet_log(), status.outage_log()
    assert out["replicas"].tolist() == [2, 2]
    assert out["begin_s"].tolist() == [100.0, 490.0]
    assert log["out"].max() == 2


def test_what_does_not_drain_is_moved_when_its_time_is_over():
    env, plane, status = status_of(2)
    plane.running[:] = 1
    env.process(maintain(status, 0, 1, Rounds(2, 0, 10_000 * SECOND, SECOND, 40 * SECOND, 1), YEAR))
    env.run(until=1000 * SECOND)
    assert plane.killed == [(40 * SECOND, (0, 1))]
