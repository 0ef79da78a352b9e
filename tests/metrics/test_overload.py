"""Overload is told from bursts: no alarm at 80 and 90 % of capacity, always one at 110 %."""

from __future__ import annotations

import numpy as np
import pytest

import sim
from sim.metrics.overload import backlog
from sim.metrics.summary import summarise
from tests.engine.setups import cost, scenario
from tests.samples import observe, small

LENGTHS = {"kind": "lognormal", "input": {"mean": 400, "cv": 1.0}, "output": {"mean": 60, "cv": 1.0}}
POISSON = {"process": "poisson"}
BURSTY = {"process": "gamma", "cv": 4.0}


def judged(rate_per_s, arrivals, seed, duration_s=3600.0):
    """What is found of the queue before two replicas."""
    pool = {"replicas": 2, "scheduler": {"kind": "chunked-prefill", "max_batch": 64, "token_budget": 512}}
    process = {**arrivals, "rate_per_s": rate_per_s}
    made = scenario(
        [{"arrivals": process, "lengths": LENGTHS}], [pool], duration=duration_s, warmup=60.0, seed=seed
    )
    return summarise(observe(made, [cost(floor_s=0.05, max_batch=64)]))["overload"]


@pytest.fixture(scope="module")
def capacity_rps():
    """Requests/s that the replicas serve while they always have enough to do."""
    group = judged(60.0, POISSON, seed=0, duration_s=1200.0)["groups"][0]
    served = group["offered_rps"] - group["backlog_grows_per_s"]
    assert 20 < served < 50
    return served


@pytest.mark.parametrize("arrivals", [POISSON, BURSTY], ids=["poisson", "bursty"])
@pytest.mark.parametrize("load", [0.8, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_no_alarm_below_capacity(capacity_rps, load, arrivals, seed):
    assert judged(load * capacity_rps, arrivals, seed)["growing"] is False


@pytest.mark.parametrize("arrivals", [POISSON, BURSTY], ids=["poisson", "bursty"])
@pytest.mark.parametrize("seed", range(5))
def test_always_an_alarm_at_110_percent(capacity_rps, arrivals, seed):
    overload = judged(1.1 * capacity_rps, arrivals, seed)
    assert overload["growing"] is True
    assert overload["groups"][0]["backlog_grows_per_s"] == pytest.approx(0.1 * capacity_rps, rel=0.5)


def test_overload_on_real_step_costs_is_said_plainly():
    changes = ("duration=10 min", "warmup=0", "workload.0.arrivals.rate_per_s=300")
    summary = sim.run(small(*changes)).summary
    chat = next(g for g in summary["overload"]["groups"] if g["model"] == "Llama-3.1-8B")
    assert chat["backlog_grows_per_s"] > 0
    assert chat["load"] > 1
    said = [text for text in summary["warnings"] if "the backlog grows by" in text]
    assert len(said) == 1
    assert "depend on the run's length" in said[0]
    assert "Llama-3.1-8B" in said[0]


@pytest.mark.parametrize("load", [0.8, 0.9])
def test_no_alarm_on_real_step_costs_below_capacity(load):
    """At a share of the estimated capacity of the larger pool."""
    groups = sim.run(small("duration=60 s")).summary["overload"]["groups"]
    most = next(g["capacity_rps"] for g in groups if g["model"] == "Llama-3.1-8B")
    changes = ("duration=1 h", "output.window=15 s", f"workload.0.arrivals.rate_per_s={load * most}")
    summary = sim.run(small(*changes)).summary
    assert summary["overload"]["growing"] is False
    assert summary["overload"]["groups"][0]["load"] == pytest.approx(load, rel=0.02)


def test_a_burst_at_the_end_is_no_overload():
    waiting = np.concatenate([np.zeros(190), np.linspace(0, 900, 10)])
    found = backlog(waiting, window_s=10.0, arrived=20_000, service_s=5.0)
    assert found.grows_rps == 0
    assert found.waiting_at_end == 900


def test_a_queue_that_grew_early_and_stayed_is_no_overload():
    waiting = np.concatenate([np.linspace(0, 900, 60), np.full(140, 900.0)])
    assert backlog(waiting, window_s=10.0, arrived=20_000, service_s=5.0).grows_rps == 0


def test_the_growth_of_a_steady_backlog_is_its_slope():
    waiting = 0.9 * 10.0 * np.arange(200)
    found = backlog(waiting, window_s=10.0, arrived=20_000, service_s=5.0)
    assert found.offered_rps == 10.0
    assert found.grows_rps == pytest.approx(0.9, rel=0.01)  # blocks of 18 and 19 windows


def test_too_few_windows_cannot_tell():
    assert backlog(np.arange(8.0), window_s=10.0, arrived=100, service_s=1.0).grows_rps is None
    nothing = backlog(np.zeros(0), window_s=10.0, arrived=5, service_s=1.0)
    assert nothing.offered_rps is None
    assert nothing.grows_rps is None
    assert nothing.settled is True  # a batch, all there at once


def test_a_run_shorter_than_its_requests_is_not_settled():
    quiet = np.zeros(100)
    assert backlog(quiet, window_s=1.0, arrived=100, service_s=30.0).settled is False
    assert backlog(quiet, window_s=1.0, arrived=100, service_s=10.0).settled is True
