"""Demand made larger, smaller and shorter keeps its kind, its proportions and its busiest hour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.catalog.workloads import shape
from sim.run import run
from sim.study.scale_demand import by_users
from sim.study.sizing_demand import (
    at_peak,
    divides,
    lone,
    peak_hour,
    rate_per_s,
    scaled,
    settling_s,
    shortened,
)
from sim.workload.rate import mean_rate_per_s
from tests.samples import small
from tests.study.planning import chat

USERS = (
    'workload.0.arrivals={ process = "users", users = 1e5, requests_per_user_per_day = 8, shape = "diurnal" }',
    "duration=1 d",
    "warmup=0",
)


@given(st.floats(0.01, 50))
def test_rates_scale(factor):
    made = small()
    assert rate_per_s(scaled(made, factor)) == pytest.approx(factor * rate_per_s(made))


def test_clients_and_bursts_stay_whole_and_traces_play_faster():
    closed = chat('workload.0.arrivals={ process = "closed", clients = 10, requests = 100 }')
    assert scaled(closed, 0.001).workloads[0].arrivals.clients == 1
    assert scaled(closed, 2.5).workloads[0].arrivals.clients == 25
    burst = chat('workload.0.arrivals={ process = "all-at-once", requests = 7 }', "warmup=0")
    assert scaled(burst, 3).workloads[0].arrivals.requests == 21


def test_the_peak_hour_is_one_that_the_run_covers():
    day = chat(*USERS)
    hour, factor = peak_hour(day.workloads[0].arrivals, 86_400)
    assert hour == 14 and factor == pytest.approx(1.839, rel=0.02)
    morning = chat(USERS[0], "duration=3 h", "warmup=0")
    hour, factor = peak_hour(morning.workloads[0].arrivals, 3 * 3600)
    assert hour in (0, 1, 2) and factor < 1
    assert rate_per_s(day) == pytest.approx(1e5 * 8 / 86_400 * 1.839, rel=0.02)


def test_a_shortened_run_is_at_the_peak_and_settled():
    day = chat(*USERS)
    short = shortened(day, 2000)
    assert short.workloads[0].arrivals.start_hour == 14
    assert short.warmup_s == pytest.approx(settling_s(day))
    assert short.duration_s <= 3600
    found = run(short).summary["requests"]["arrived"]
    assert found == pytest.approx(rate_per_s(day) * (short.duration_s - short.warmup_s), rel=0.1)


def test_a_run_that_is_short_already_stays():
    made = chat("duration=30 s", "warmup=5 s")
    assert shortened(made, 100_000) is made


def test_only_demand_without_memory_divides():
    assert divides(chat()) and divides(chat(*USERS))
    assert not divides(chat('workload.0.arrivals={ process = "gamma", rate_per_s = 3, cv = 3 }'))


def test_a_lone_request_meets_nobody():
    summary = run(lone(small())).summary
    assert all(p["mean_batch"] <= 1.000001 for p in summary["pools"])
    assert summary["latency"]["queue_s"]["p99"] < 1e-3


CROWD = (
    'workload.0.arrivals={ process = "poisson", rate_per_s = 2, shape = "diurnal", '
    'surges = [{ at = "3 h", factor = 4, lasts = "1 h" }] }',
    "duration=1 d",
    "warmup=0",
)


def test_a_crowd_is_sized_at_the_mean_rate_of_its_hour():
    day = chat(*CROWD)
    fourth = 2 * 4 * shape("diurnal")[3]  # from 3 to 4 h
    noon = 2 * max(shape("diurnal"))
    assert rate_per_s(day) == pytest.approx(max(fourth, noon), rel=1e-6)
    busy = at_peak(day.workloads[0].arrivals, 86_400)
    assert busy.rate_per_s == pytest.approx(max(fourth, noon))
    assert busy.shape is None and not busy.changes_once
    short = shortened(day, 2000)
    assert short.duration_s <= 3600
    found = run(short).summary["requests"]["arrived"]
    assert found == pytest.approx(rate_per_s(day) * (short.duration_s - short.warmup_s), rel=0.1)


def test_every_open_process_may_have_a_shape():
    for own in ('process = "gamma", cv = 2', 'process = "deterministic"', 'process = "poisson"'):
        made = chat(f'workload.0.arrivals={{ {own}, rate_per_s = 2, shape = "diurnal" }}', *CROWD[1:])
        assert rate_per_s(made) == pytest.approx(2 * 1.839, rel=0.02)
        assert shortened(made, 500).workloads[0].arrivals.start_hour == 14


def test_users_keep_how_their_rate_changes():
    grown = by_users(chat(*CROWD)).workloads[0].arrivals
    assert grown.process == "users" and grown.shape == "diurnal"
    assert grown.surges is not None and grown.surges[0].factor == 4
    assert mean_rate_per_s(grown) == pytest.approx(2)
    assert rate_per_s(by_users(chat(*CROWD))) == pytest.approx(rate_per_s(chat(*CROWD)))
