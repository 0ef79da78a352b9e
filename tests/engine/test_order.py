"""The total order of events at one instant: steps end, calls arrive, steps begin; then by number."""

from __future__ import annotations

import pytest

from sim.engine import state as S
from sim.engine.control import run_plans
from sim.engine.kernel.ident import name_of
from tests.engine.setups import cost, plans, scenario

STEP = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0, "floor_s": 0.25}
"""A quarter of a second: binary fractions, so that instants coincide exactly."""
ENGINES = pytest.mark.parametrize("engine", ["kernel", "simpy"])


def run(engine, workloads, pools, batch, **rest):
    made = scenario(workloads, pools, **rest)
    return run_plans(plans(made, [cost(**STEP, max_batch=batch)]), engine=engine, log_requests=100)


@ENGINES
def test_a_call_that_arrives_as_a_step_ends_joins_the_next_step(engine):
    # steps end at .25, .5, ...; so do the arrivals
    lengths = {"kind": "fixed", "input": 1, "output": 4}
    arrivals = {"process": "deterministic", "rate_per_s": 4.0}
    made = run(
        engine,
        [{"arrivals": arrivals, "lengths": lengths}],
        [{"scheduler": {"max_batch": 8}}],
        8,
        duration=2.0,
    )
    assert made.calls["admit_s"].tolist() == made.calls["arrive_s"].tolist()
    assert made.calls["finish_s"].tolist() == [t + 1.0 for t in made.calls["arrive_s"]]


@ENGINES
def test_calls_of_one_instant_start_together(engine):
    lengths = {"kind": "fixed", "input": 1, "output": 1}
    burst = [{"arrivals": {"process": "all-at-once", "requests": 6}, "lengths": lengths}]
    made = run(engine, burst, [{"scheduler": {"max_batch": 8}}], 8)
    assert made.segments == 1
    assert made.calls["finish_s"].tolist() == [0.25] * 6


@ENGINES
def test_calls_that_end_together_are_in_order_of_request_and_workload(engine):
    lengths = {"kind": "fixed", "input": 1, "output": 2}
    burst = {"process": "all-at-once", "requests": 3}
    made = run(engine, [{"arrivals": burst, "lengths": lengths}] * 2, [{"scheduler": {"max_batch": 8}}], 8)
    assert made.calls["id"].tolist() == [name_of(w, i) for w in (0, 1) for i in range(3)]


@ENGINES
def test_equal_replicas_fill_in_order_of_number(engine):
    lengths = {"kind": "fixed", "input": 1, "output": 2}
    burst = [{"arrivals": {"process": "all-at-once", "requests": 4}, "lengths": lengths}]
    made = run(engine, burst, [{"replicas": 3, "scheduler": {"max_batch": 1}}], 1)
    by_request = sorted(zip(made.calls["id"], made.calls["replica"], strict=True))
    assert [r for _, r in by_request] == [0, 1, 2, 0]


@ENGINES
def test_a_place_that_frees_at_an_instant_counts_as_free_for_a_call_of_that_instant(engine):
    # the first call ends at .5, when the second arrives: least outstanding sees replica 0 empty
    lengths = {"kind": "fixed", "input": 1, "output": 2}
    arrivals = {"process": "deterministic", "rate_per_s": 2.0}
    made = run(
        engine,
        [{"arrivals": arrivals, "lengths": lengths}],
        [{"replicas": 2, "scheduler": {"max_batch": 1}}],
        1,
        duration=2.0,
    )
    assert made.calls["replica"].tolist() == [0, 0, 0, 0]
    assert made.counters[0, S.COMPLETED] == 4
