"""Waits against closed forms, at loads up to 0.95, within a 99.9 % confidence interval that must itself be narrow."""

from __future__ import annotations

import numpy as np
import pytest

from sim.engine import state as S
from sim.engine.control import run_plans
from tests.engine.setups import cost, plans, scenario
from tests.theory.queues import (
    MEAN_TOKENS,
    exponential_tokens,
    fixed_tokens,
    measure,
    mg1_wait_s,
    mmc_wait_s,
    sharing_time_s,
    two_point_tokens,
)

WIDEST = {0.5: 0.04, 0.8: 0.08, 0.95: 0.25}
"""Half width of the interval, relative to the expected value, above which a test would prove nothing."""


def check(estimate, expected, load):
    assert estimate.half_width < WIDEST[load] * expected
    assert estimate.holds(expected), (estimate, expected)


@pytest.mark.parametrize("load", WIDEST)
def test_mm1(load):
    wait, _ = measure(exponential_tokens(), load)
    check(wait, mmc_wait_s(1, load), load)


@pytest.mark.parametrize("load", WIDEST)
def test_md1(load):
    wait, _ = measure(fixed_tokens(), load)
    check(wait, mg1_wait_s(load, 1.0), load)


@pytest.mark.parametrize("load", WIDEST)
def test_mg1(load):
    wait, _ = measure(two_point_tokens(), load)
    check(wait, mg1_wait_s(load, 3.25), load)


@pytest.mark.parametrize("load", WIDEST)
def test_mmc(load):
    # a call that finds the replica at work joins at the next step: half a step of wait on average
    wait, _ = measure(exponential_tokens(), load, servers=8, requests=600_000)
    expected = mmc_wait_s(8, load)
    check(wait, expected + 0.5e-3, load)


@pytest.mark.parametrize("load", WIDEST)
@pytest.mark.parametrize(
    "lengths", [exponential_tokens(), two_point_tokens()], ids=["exponential", "two-point"]
)
def test_processor_sharing(load, lengths):
    _, time = measure(lengths, load, sharing=True, requests=300_000 if load > 0.9 else 60_000)
    check(time, sharing_time_s(load), load)


def test_saturated_replica_reaches_the_throughput_of_its_step_table():
    batch, prompt, output, floor_s, token_s = 32, 200, 50, 5e-3, 2e-5
    step = cost(floor_s=floor_s, token_s=token_s, kv_s=0.0, attention_s=0.0, host_s=0.0, max_batch=batch)
    made = scenario(
        [
            {
                "arrivals": {"process": "closed", "clients": batch},
                "lengths": {"kind": "fixed", "input": prompt, "output": output},
            }
        ],
        [{"scheduler": {"max_batch": batch, "token_budget": 10_000}}],
        duration=2000.0,
        warmup=100.0,
    )
    run = run_plans(plans(made, [step]))
    # every client spends `output` steps on a request: one of prefill, the others of decoding
    cycle_s = output * floor_s + token_s * batch * (prompt + output - 1)
    per_s = run.counters[0, S.OUTPUT] / (run.end_s - 100.0)
    assert per_s == pytest.approx(batch * output / cycle_s, rel=2e-3)


def test_littles_law_on_the_queue_and_on_the_system():
    made = scenario(
        [{"arrivals": {"process": "gamma", "rate_per_s": 60.0, "cv": 2.0}}],
        [
            {"replicas": 2, "scheduler": {"max_batch": 4}},
            {"scheduler": {"max_batch": 8, "kind": "prefill-first"}},
        ],
        duration=200.0,
    )
    run = run_plans(plans(made), log_requests=10**6)
    calls = run.calls
    for column, left in ((S.WAITING_S, "admit_s"), (S.SYSTEM_S, "finish_s")):
        change = np.concatenate([np.ones(len(calls)), -np.ones(len(calls))])
        when = np.concatenate([calls["arrive_s"], calls[left]])
        order = np.argsort(when, kind="stable")
        present = np.cumsum(change[order])[:-1]
        integral = float(np.sum(present * np.diff(when[order])))
        mean_present = integral / run.end_s
        rate, stay_s = len(calls) / run.end_s, float(np.mean(calls[left] - calls["arrive_s"]))
        assert mean_present == pytest.approx(rate * stay_s, rel=1e-6)
        assert run.windows[:, :, column].sum() == pytest.approx(integral, rel=1e-6)


def test_exponential_table_is_exponential():
    points = np.array(exponential_tokens()["output"])
    u = (np.arange(1_000_000) + 0.5) / 1_000_000
    tokens = np.interp(u, points[:, 0], points[:, 1])
    assert tokens.mean() == pytest.approx(MEAN_TOKENS, rel=2e-3)
    assert tokens.var() == pytest.approx(MEAN_TOKENS**2, rel=1e-2)
