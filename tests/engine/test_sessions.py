"""Sessions: turns counted by hand, their means against what is reckoned, and books that balance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sim.engine import state as S
from sim.engine.control import run_plans
from sim.engine.kernel.ident import PASS_BITS, PASSES
from sim.metrics.run import RunMetrics
from sim.workload.expected import expected
from sim.workload.programs import program_of
from tests.engine.setups import cost, plans, scenario

ENGINES = pytest.mark.parametrize("engine", ["kernel", "simpy"])
STEPS: dict[str, Any] = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0, "floor_s": 1 / 64}
"""Steps of 1/64 s, whatever they hold."""
FOUR = {"kind": "fixed", "turns": 4}
GEOMETRIC = {"kind": "geometric", "mean": 3.0}
QUESTION = {"mean": 30, "cv": 0}


def made(
    turns: dict,
    think: object = 1.0,
    question: object = QUESTION,
    *,
    arrivals: dict | None = None,
    pool: dict | None = None,
    lengths: dict | None = None,
    limit: int | None = None,
    **rest,
):
    session = {"turns": turns, "think": think, "question": question}
    workload = {
        "arrivals": arrivals or {"process": "all-at-once", "requests": 1},
        "lengths": lengths or {"kind": "fixed", "input": 100, "output": 20},
        "session": session if limit is None else {**session, "context_limit": limit},
    }
    return scenario(
        [workload], [{"scheduler": {"max_batch": 64, "token_budget": 4096}, **(pool or {})}], **rest
    )


def run(engine: str, of, **costs) -> RunMetrics:
    return run_plans(plans(of, [cost(**{**STEPS, **costs})]), engine=engine, log_requests=1 << 20)


def column(metrics: RunMetrics, number: int) -> float:
    return float(metrics.windows[:, :, number].sum())


def by_session(metrics: RunMetrics) -> list[np.ndarray]:
    """The turns of each session, in order."""
    log = np.sort(metrics.calls, order="id")
    return np.split(log, np.flatnonzero(np.diff(log["id"] >> PASS_BITS)) + 1)


@ENGINES
def test_each_turn_reads_all_that_was_said_before_it(engine):
    metrics = run(engine, made(FOUR, duration=60.0))
    log = metrics.calls
    assert (log["id"] & (PASSES - 1)).tolist() == [1, 2, 3, 4]
    assert log["input"].tolist() == [100, 100 + 20 + 30, 100 + 2 * 50, 100 + 3 * 50]
    assert log["output"].tolist() == [20] * 4
    # an answer of 20 tokens takes 20 steps; the next question comes a second after its end
    assert log["arrive_s"].tolist() == [n * (20 / 64 + 1.0) for n in range(4)]
    counters = metrics.counters[0]
    assert counters[S.ARRIVED] == counters[S.COMPLETED] == 4
    assert counters[S.INPUT] == 100 + 150 + 200 + 250
    assert (counters[S.SESSIONS_ENDED], counters[S.SESSION_TURNS]) == (1, 4)
    assert metrics.stage_times[0, S.SESSION_S] == 4 * 20 / 64 + 3 * 1.0
    assert metrics.sums[0, S.TTFT] == 4 / 64


@ENGINES
def test_a_prefix_cache_leaves_the_new_question_to_compute(engine):
    kept = run(engine, made(FOUR, pool={"prefix_cache": {"block_tokens": 1}}, duration=60.0))
    # the first prompt, then each question; the answers' last tokens count as computed
    assert column(kept, S.PREFILLED) == 100 + 3 * 30
    assert column(kept, S.CACHE_HIT) == 120 + 170 + 220


@ENGINES
def test_beyond_the_context_limit_the_beginning_is_left_out(engine):
    metrics = run(engine, made(FOUR, limit=160, duration=60.0))
    assert metrics.calls["input"].tolist() == [100, 150, 160, 160]


@ENGINES
def test_a_rejected_turn_ends_its_session(engine):
    # room for 180 tokens: the third turn, of 200 and 20, never fits
    metrics = run(engine, made(FOUR, duration=60.0), kv_capacity=180)
    counters = metrics.counters[0]
    assert (counters[S.ARRIVED], counters[S.COMPLETED], counters[S.REJECTED]) == (3, 2, 1)
    assert (counters[S.SESSIONS_ENDED], counters[S.SESSIONS_FAILED]) == (0, 1)
    assert metrics.in_flight == 0


@ENGINES
def test_no_question_is_asked_after_the_duration(engine):
    metrics = run(engine, made(FOUR, duration=2.0))
    counters = metrics.counters[0]
    assert (counters[S.ARRIVED], counters[S.COMPLETED], counters[S.REJECTED]) == (2, 2, 0)
    assert (counters[S.SESSIONS_CUT], counters[S.SESSION_TURNS]) == (1, 0)


@ENGINES
def test_a_turn_counts_from_the_end_of_the_warm_up_whenever_its_session_began(engine):
    arrivals = {"process": "deterministic", "rate_per_s": 0.1}  # one, at 0
    metrics = run(engine, made(FOUR, arrivals=arrivals, duration=9.0, warmup=2.0))
    counters = metrics.counters[0]
    assert (counters[S.ARRIVED], counters[S.COMPLETED]) == (2, 2)
    assert counters[S.SESSIONS_ENDED] == 0


@ENGINES
def test_a_client_of_a_closed_loop_holds_one_session_after_another(engine):
    arrivals = {"process": "closed", "clients": 2, "think": 5.0, "requests": 6}
    metrics = run(engine, made(FOUR, arrivals=arrivals, duration=600.0))
    assert metrics.counters[0, S.SESSIONS_ENDED] == 6
    assert metrics.counters[0, S.COMPLETED] == 24
    starts = sorted(turns[0]["arrive_s"] for turns in by_session(metrics))
    length_s = 4 * 20 / 64 + 3 * 1.0
    assert starts == [n * (length_s + 5.0) for n in range(3) for _ in range(2)]


MANY = {"process": "poisson", "rate_per_s": 20.0}
DRAWN = {"kind": "lognormal", "input": {"mean": 200, "cv": 1.0}, "output": {"mean": 40, "cv": 1.0}}


def test_means_are_those_that_are_reckoned_without_simulating():
    of = made(
        GEOMETRIC,
        {"mean": 2.0, "cv": 1.5},
        {"mean": 30, "cv": 1.0},
        arrivals=MANY,
        lengths=DRAWN,
        pool={"scheduler": {"max_batch": 512, "token_budget": 16_384}},
        duration=1000.0,
    )
    built = plans(of, [cost(kv_capacity=10_000_000, max_batch=512)])
    metrics = run_plans(built, log_requests=1 << 20)
    found = expected(program_of(of.workloads[0], of), 200, 40)
    assert found.passes == pytest.approx(3.0, rel=1e-9)
    whole = [t for t in by_session(metrics) if t[0]["arrive_s"] < 900]  # none of these is cut
    for what, each in (
        ("passes", [float(len(t)) for t in whole]),
        ("input_tokens", [float(t["input"].sum()) for t in whole]),
        ("output_tokens", [float(t["output"].sum()) for t in whole]),
    ):
        error = float(np.std(each, ddof=1)) / math.sqrt(len(each))
        assert np.mean(each) == pytest.approx(
            getattr(found, what), abs=4 * error + 0.005 * float(np.mean(each))
        ), what
    gaps = np.concatenate([t["arrive_s"][1:] - t["finish_s"][:-1] for t in whole])
    assert gaps.mean() == pytest.approx(2.0, abs=4 * gaps.std() / math.sqrt(len(gaps)))
    assert gaps.std() == pytest.approx(3.0, rel=0.15)


def test_every_turn_draws_another_answer():
    of = made(FOUR, 0.1, arrivals=MANY, lengths=DRAWN, duration=60.0)
    turns = [t["output"] for t in by_session(run("kernel", of)) if len(t) == 4]
    together = np.array(turns, float)
    assert np.abs(np.corrcoef(together.T) - np.eye(4)).max() < 0.12
    assert together.mean(axis=0) == pytest.approx([40] * 4, rel=0.15)


@ENGINES
def test_books_balance(engine):
    of = made(
        GEOMETRIC,
        {"mean": 1.0, "cv": 1.0},
        {"mean": 20, "cv": 1.0},
        arrivals={"process": "poisson", "rate_per_s": 6.0},
        lengths=DRAWN,
        pool={"replicas": 2, "prefix_cache": True, "scheduler": {"max_batch": 8, "token_budget": 512}},
        router="session",
        duration=30.0,
    )
    metrics = run(engine, of, token_s=2e-5)
    counters, stages = metrics.counters[0], metrics.stage_counters
    assert counters[S.COMPLETED] + counters[S.REJECTED] == counters[S.ARRIVED]
    assert counters[S.COMPLETED] == stages[0, S.STAGE_CALLS] == len(metrics.calls)
    assert counters[S.INPUT] == stages[0, S.STAGE_INPUT] == metrics.calls["input"].sum()
    assert counters[S.OUTPUT] == metrics.calls["output"].sum()
    assert len(metrics.passes) == 0
    ended = [counters[c] for c in (S.SESSIONS_ENDED, S.SESSIONS_FAILED, S.SESSIONS_CUT)]
    assert sum(ended) == len(by_session(metrics)) and ended[2] > 0
    assert column(metrics, S.PREFILLED) + column(metrics, S.CACHE_HIT) == pytest.approx(
        counters[S.INPUT] + column(metrics, S.RECOMPUTED)
    )
    homes = [set(t["replica"].tolist()) for t in by_session(metrics)]
    assert all(len(h) == 1 for h in homes) and len(set.union(*homes)) == 2
