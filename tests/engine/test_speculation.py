"""Several tokens a step: both engines agree, one token a step is what it was, and tokens are conserved."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import state as S
from sim.engine.control import run_plans
from sim.metrics.run import RunMetrics
from sim.workload.program import plain
from tests.engine import test_differential as whole
from tests.engine import test_disaggregation as apart
from tests.engine.programs import programs
from tests.engine.setups import cost, plans, scenario
from tests.engine.test_differential import COMMON, compare

ENGINES = pytest.mark.parametrize("engine", ["kernel", "simpy"])
DRAFTS = st.sampled_from([(2, 1.0), (2, 1.75), (4, 2 + 71 / 1024), (4, 3.5), (8, 8.0)])
"""Tokens that a step verifies, and those of them that it emits."""


def speculating(draw, made, costs):
    """The same replicas with drafts, where they decode and do not wait for each other."""
    pools, found = [], []
    for pool, each in zip(made.pools, costs, strict=True):
        scheduler = pool.scheduler
        if scheduler.kind != "static" and pool.role != "prefill":
            width, emitted = draw(DRAFTS)
            each = replace(each, width=width, tokens_per_step=emitted)
            budget = scheduler.token_budget + scheduler.max_batch * (width - 1)
            scheduler = scheduler.model_copy(update={"token_budget": budget})
        pools.append(pool.model_copy(update={"scheduler": scheduler}))
        found.append(each)
    return made.model_copy(update={"pools": tuple(pools)}), found


@st.composite
def setups(draw, of) -> tuple:
    made, costs = draw(of)
    made, costs = speculating(draw, made, costs)
    served = list(dict.fromkeys(p.model for p in made.pools))
    run = [draw(st.one_of(st.just(plain(w.model)), programs(served))) for w in made.workloads]
    return made, costs, run


@settings(max_examples=50, derandomize=True, **COMMON)
@given(setups(whole.setups(caches=True)))
def test_engines_agree(setup):
    compare(*setup)


@settings(max_examples=25, derandomize=True, **COMMON)
@given(setups(apart.setups(programs=True)))
def test_engines_agree_where_prefill_and_decoding_are_apart(setup):
    compare(*setup)


# ---- worked by hand ----

STEP: dict[str, Any] = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0, "floor_s": 1 / 64}


def run(
    engine: str, *, requests: int = 1, kv: int = 100_000, output: int = 20, step=STEP, **drafts
) -> RunMetrics:
    lengths = {"kind": "fixed", "input": 20, "output": output}
    workload = {"arrivals": {"process": "all-at-once", "requests": requests}, "lengths": lengths}
    made = scenario([workload], [{"scheduler": {"kv_watermark": 0.0}}], duration=5.0)
    costs = [cost(**step, max_batch=256, kv_capacity=kv, **drafts)]
    return run_plans(plans(made, costs), engine=engine, log_requests=1000)


def column(metrics: RunMetrics, number: int) -> float:
    return float(metrics.windows[:, :, number].sum())


@ENGINES
@pytest.mark.parametrize(("emitted", "output"), [(1.0, 20), (2.0, 21), (2.0, 20), (2.5, 20), (4.0, 2)])
def test_a_request_alone_takes_the_steps_that_its_tokens_need(engine, emitted, output):
    # the prompt's step emits the first token; the others come `emitted` a step
    metrics = run(engine, output=output, width=4, tokens_per_step=emitted)
    steps = math.ceil((output - 1) / emitted)
    (call,) = metrics.calls
    assert call["first_s"] == 1 / 64
    assert call["finish_s"] == (1 + steps) / 64
    assert column(metrics, S.DECODED) == output - 1
    assert column(metrics, S.STEPS) == 1 + steps
    assert metrics.counters[0, S.OUTPUT] == output
    # step i attends to the prompt, the first token, and what the steps before it emitted
    assert column(metrics, S.READ_KV) == sum(21 + emitted * i for i in range(steps))


@ENGINES
def test_a_step_computes_all_positions_that_it_verifies(engine):
    # 3 sequences of 4 positions: 12 tokens of 1/1024 s each; the step of the prompts computes 60
    step = {**STEP, "floor_s": 0.0, "token_s": 1 / 1024}
    metrics = run(engine, requests=3, output=5, step=step, width=4, tokens_per_step=2.0)
    assert metrics.calls["finish_s"].tolist() == [60 / 1024 + 2 * 12 / 1024] * 3


@ENGINES
def test_a_step_of_prompts_and_drafts_computes_both(engine):
    # the second request comes while the first decodes: their step computes 20 prompt tokens and 4 positions
    step = {**STEP, "floor_s": 0.0, "token_s": 1 / 64}
    lengths = {"kind": "fixed", "input": 20, "output": 41}
    workload = {"arrivals": {"process": "deterministic", "rate_per_s": 1.5}, "lengths": lengths}
    made = scenario([workload], [{}], duration=1.0)
    costs = [cost(**step, max_batch=256, width=4, tokens_per_step=2.0)]
    first, second = run_plans(plans(made, costs), engine=engine, log_requests=10).calls
    begins = math.ceil((2 / 3 - 20 / 64) * 16) / 16 + 20 / 64  # at the step's end after 2/3 s
    assert second["admit_s"] == pytest.approx(begins)
    assert second["first_s"] == pytest.approx(begins + 24 / 64)
    assert first["finish_s"] > second["first_s"]


@ENGINES
def test_room_is_taken_by_what_steps_emit(engine):
    # two calls of 20 + 20, 2.5 tokens a step: after k steps each holds 21 + 2.5 k; at k = 5 they want 67 of 64, and the
    # second gives way with 1 + 12 whole tokens emitted of 13.5
    metrics = run(engine, requests=2, kv=64, width=4, tokens_per_step=2.5)
    assert column(metrics, S.PREEMPTED) == 1
    assert column(metrics, S.PREFILLED) == 20 + 20 + 33
    assert column(metrics, S.DECODED) == 19 + 19 - 1
    assert metrics.counters[0, S.OUTPUT] == 40


@settings(max_examples=15, derandomize=True, **COMMON)
@given(whole.setups(caches=True), DRAFTS)
def test_tokens_are_conserved(setup, drafts):
    made, costs = setup
    if any(p.scheduler.kind == "static" for p in made.pools):
        return
    width, emitted = drafts
    pools = []
    for p in made.pools:
        budget = p.scheduler.token_budget + p.scheduler.max_batch * (width - 1)
        pools.append(
            p.model_copy(update={"scheduler": p.scheduler.model_copy(update={"token_budget": budget})})
        )
    made = made.model_copy(update={"pools": tuple(pools), "warmup_s": 0.0})
    try:
        built = plans(made, [replace(c, width=width, tokens_per_step=emitted) for c in costs])
    except Exception as error:
        assert "none could ever be admitted" in str(error)
        return
    metrics = run_plans(built, log_requests=1 << 20)
    # each call's tokens are decoded, but for those that its prefills emit: one, and one more after each preemption
    expected = np.maximum(metrics.calls["output"] - 1, 0).sum() - column(metrics, S.PREEMPTED)
    decoded = column(metrics, S.DECODED)
    assert (
        decoded == pytest.approx(expected, abs=1e-6) or decoded > expected
    )  # one stopped while it prefilled emits none
    if column(metrics, S.PREEMPTED) == 0:
        assert decoded == pytest.approx(expected, abs=1e-6)
