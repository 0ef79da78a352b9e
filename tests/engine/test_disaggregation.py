"""Prefill and decoding on different replicas: both engines agree, and single requests are worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import state as S
from sim.engine.build import build_plans
from sim.engine.control import run_plans
from sim.engine.govern import Governor, Rung
from sim.errors import ScenarioError
from sim.metrics.run import RunMetrics
from sim.workload.program import plain
from tests.engine.programs import programs
from tests.engine.setups import MODELS, cost, plans, scenario
from tests.engine.test_differential import ARRIVALS, COMMON, COSTS, KV, LENGTHS, compare, counts
from tests.engine.test_fleet_differential import client_tables

ENGINES = pytest.mark.parametrize("engine", ["kernel", "simpy"])
ROUTERS = (
    "round-robin",
    "random",
    "power-of-two",
    "least-outstanding",
    "least-kv",
    "session",
    "efficient-first",
    "prefix-aware",
)
HANDOVERS = st.sampled_from([(0.0, 0.0), (0.05, 0.0), (0.003, 1e-5), (1.0, 0.0)])


def pool_of(draw, role: str, cells: int) -> dict[str, Any]:
    batch = draw(counts(1, 24))
    kind = draw(st.sampled_from(["chunked-prefill", "prefill-first"]))
    scheduler: dict[str, Any] = {
        "kind": kind,
        "max_batch": batch,
        "token_budget": batch + draw(counts(0, 300)),
    }
    scheduler["kv_watermark"] = draw(st.sampled_from([0.0, 0.01, 0.2]))
    if role == "prefill":
        scheduler["queue_limit"] = draw(st.one_of(st.none(), counts(1, 20)))
    else:
        scheduler["kv_reserve"] = draw(st.sampled_from(["prompt", "full"]))
    pool = {"model": MODELS[0], "role": role, "replicas": cells * draw(counts(1, 3)), "scheduler": scheduler}
    if role == "prefill" and draw(st.booleans()):
        pool["prefix_cache"] = {"block_tokens": draw(st.sampled_from([1, 16, 50]))}
    return pool


@st.composite
def setups(draw, programs: bool = False) -> tuple:
    """One model's pools apart, perhaps several of a role, and perhaps a second model served whole."""
    cells = draw(st.sampled_from([1, 1, 2]))
    roles = ["prefill", "decode", *draw(st.sampled_from([(), ("prefill",), ("decode",)]))]
    pools = [pool_of(draw, role, cells) for role in roles]
    models = MODELS[: draw(counts(1, 2))]
    if len(models) > 1:
        pools.insert(
            draw(counts(0, 2)), {"model": MODELS[1], "replicas": cells, "scheduler": {"max_batch": 8}}
        )
    costs = []
    for pool in pools:
        per_prompt, per_token = draw(HANDOVERS)
        made = draw(COSTS)
        room = {"kv_capacity": draw(KV), "max_batch": pool["scheduler"]["max_batch"], "max_tokens": 64}
        costs.append(cost(**made, **room, handover_s=per_prompt, handover_token_s=per_token))
    workloads = [
        {
            "model": models[w % len(models)],
            "arrivals": draw(ARRIVALS),
            "lengths": draw(LENGTHS),
            "slo": {"ttft": 0.3, "tpot": 0.02},
        }
        for w in range(draw(counts(len(models), 3)))
    ]
    if draw(st.booleans()):
        for workload in workloads:
            workload |= client_tables(draw, plain=not programs)
    burst = any(w["arrivals"]["process"] == "all-at-once" for w in workloads)
    made = scenario(
        workloads,
        pools,
        seed=draw(counts(0, 2**31)),
        duration=draw(st.sampled_from([1.0, 4.0])),
        warmup=0.0 if burst else draw(st.sampled_from([0.0, 0.7])),
        router=draw(st.sampled_from(ROUTERS)),
        cells=cells,
    )
    return made, costs


@settings(max_examples=60, derandomize=True, **COMMON)
@given(setups())
def test_engines_agree(setup):
    compare(*setup)


@st.composite
def program_setups(draw) -> tuple:
    made, costs = draw(setups(programs=True))
    served = list(dict.fromkeys(p.model for p in made.pools))
    return made, costs, [draw(st.one_of(programs(served), st.just(plain(w.model)))) for w in made.workloads]


@settings(max_examples=40, derandomize=True, **COMMON)
@given(program_setups())
def test_engines_agree_on_programs_and_prefix_caches(setup):
    compare(*setup)


@settings(max_examples=15, derandomize=True, **COMMON)
@given(program_setups(), st.sampled_from([0.1, 1.0]), st.floats(0.2, 0.8))
def test_engines_agree_under_a_governor(setup, every_s, share):
    made, costs, run = setup
    slower = [
        cost(floor_s=1e-2, joules=0.3, max_batch=p.scheduler.max_batch, max_tokens=64) for p in made.pools
    ]
    count = len(made.pools)
    rungs = (Rung(tuple(range(count))), Rung(tuple(range(count, 2 * count)), shed=(0,)))
    brake_w = share * 400.0 * count
    governor = Governor(lambda watts, _: float(watts.sum()), brake_w, brake_w / 2, every_s, rungs)
    try:
        built = build_plans(made, costs, {}, run, [slower])
    except ScenarioError:
        return
    kernel = run_plans(built, log_requests=1 << 18, governor=governor)
    reference = run_plans(built, engine="simpy", log_requests=1 << 18, governor=governor)
    np.testing.assert_array_equal(kernel.counters, reference.counters)
    for rows, expected in zip(kernel.governed, reference.governed, strict=True):
        np.testing.assert_array_equal(rows["rung"], expected["rung"])
    totals, expected = kernel.windows.sum(axis=1), reference.windows.sum(axis=1)
    np.testing.assert_allclose(totals, expected, rtol=1e-9, atol=1e-7)


# ---- worked by hand ----

STEP: dict[str, Any] = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0}
BURST = {"process": "all-at-once", "requests": 1}


def apart(
    engine: str,
    *,
    requests: int = 1,
    input_tokens: int = 100,
    output_tokens: int = 20,
    prefill: dict[str, Any] | None = None,
    decode: dict[str, Any] | None = None,
    kv: tuple[int, int] = (100_000, 100_000),
    handover: tuple[float, float] = (0.25, 1 / 1024),
    **rest: Any,
) -> RunMetrics:
    """Prefill in steps of 1/8 s, decoding in steps of 1/64 s, on one replica each."""
    pools = [{"role": "prefill", **(prefill or {})}, {"role": "decode", **(decode or {})}]
    lengths = {"kind": "fixed", "input": input_tokens, "output": output_tokens}
    workload: dict[str, Any] = {"arrivals": {**BURST, "requests": requests}, "lengths": lengths, **rest}
    made = scenario([workload], pools, duration=20.0)
    batch = [p.scheduler.max_batch for p in made.pools]
    costs = [
        cost(
            **STEP,
            floor_s=1 / 8,
            max_batch=batch[0],
            kv_capacity=kv[0],
            handover_s=handover[0],
            handover_token_s=handover[1],
        ),
        cost(**STEP, floor_s=1 / 64, max_batch=batch[1], kv_capacity=kv[1]),
    ]
    return run_plans(plans(made, costs), engine=engine, log_requests=1000)


def column(metrics: RunMetrics, number: int) -> list[float]:
    return metrics.windows[:, :, number].sum(axis=1).tolist()


@ENGINES
def test_a_request_alone(engine):
    # prefill 1/8 s, then 1/4 s and 100/1024 s on the way, then 19 steps of 1/64 s
    metrics = apart(engine)
    (call,) = metrics.calls
    on_the_way = 0.25 + 100 / 1024
    assert (call["first_s"], call["replica"]) == (0.125, 1)
    assert call["finish_s"] == 0.125 + on_the_way + 19 / 64
    assert metrics.sums[0, S.TPOT] == (on_the_way + 19 / 64) / 19
    assert column(metrics, S.PREFILLED) == [100, 0]
    assert column(metrics, S.DECODED) == [0, 19]
    assert column(metrics, S.HANDED) == [1, 0]
    assert column(metrics, S.HANDED_KV) == [100, 0]
    # time on the way counts as time in the system of the side that decodes, and as waiting of neither
    assert column(metrics, S.SYSTEM_S) == [0.125, on_the_way + 19 / 64]
    assert column(metrics, S.WAITING_S) == [0, 0]


@ENGINES
@pytest.mark.parametrize("output_tokens", [0, 1])
def test_an_answer_of_one_token_ends_where_it_was_prefilled(engine, output_tokens):
    (call,) = apart(engine, output_tokens=output_tokens).calls
    assert (call["replica"], call["finish_s"]) == (0, 0.125)


@ENGINES
def test_a_full_decoding_side_holds_prefill_up(engine):
    # 3 requests of 100 + 20; decoding has a place for one, and prefill KV room for one prompt and its token: the
    # second prompt begins when the first is taken in, the third when the second is, after the first has ended
    metrics = apart(
        engine,
        requests=3,
        handover=(0.0, 0.0),
        kv=(101 + 99, 100_000),
        decode={"scheduler": {"max_batch": 1}},
    )
    first, second, third = metrics.calls
    assert first["admit_s"] == 0 and first["finish_s"] == 0.125 + 19 / 64
    assert second["admit_s"] == 0.125 and second["first_s"] == 0.25
    assert third["admit_s"] == first["finish_s"] == second["finish_s"] - 19 / 64


@ENGINES
def test_what_runs_out_of_room_where_it_decodes_is_computed_again_there(engine):
    # two calls of 20 + 20 in room for 64: they join with 21 each, and after 11 steps hold 64; a step later one gives
    # way with 13 emitted, and returns when the other has ended
    metrics = apart(
        engine,
        requests=2,
        input_tokens=20,
        handover=(0.0, 0.0),
        kv=(100_000, 64),
        decode={"scheduler": {"kv_watermark": 0.0}},
    )
    assert column(metrics, S.PREEMPTED) == [0, 1]
    assert column(metrics, S.RECOMPUTED) == [0, 20 + 13 - 1]
    assert column(metrics, S.PREFILLED) == [40, 33]
    assert column(metrics, S.DECODED) == [0, 2 * 19 - 1]  # the prefill that is done again emits a token


@ENGINES
def test_tokens_and_time_are_conserved(engine):
    metrics = apart(engine, requests=40, kv=(900, 1000), prefill={"prefix_cache": True})
    counters, calls = metrics.counters[0], metrics.calls
    assert counters[S.ARRIVED] == counters[S.COMPLETED] == 40
    assert counters[S.OUTPUT] == 40 * 20
    assert sum(column(metrics, S.SYSTEM_S)) == pytest.approx((calls["finish_s"] - calls["arrive_s"]).sum())
    again = column(metrics, S.PREEMPTED)
    assert again[0] == 0
    assert column(metrics, S.DECODED)[1] == pytest.approx(40 * 19 - again[1])


@ENGINES
def test_a_request_that_no_decoding_replica_could_hold_is_rejected_on_arrival(engine):
    lengths = {"kind": "quantiles", "input": [[0, 100], [1, 100]], "output": [[0, 1], [0.01, 20], [1, 20]]}
    metrics = apart(engine, kv=(100_000, 119), lengths=lengths)
    assert metrics.counters[0, S.REJECTED] == 1
    assert column(metrics, S.PREFILLED) == [0, 0]


def test_the_choice_of_a_decoding_replica_does_not_follow_that_of_the_prefilling_one():
    pools = [{"role": r, "replicas": 4} for r in ("prefill", "decode")]
    made = scenario([{"arrivals": {**BURST, "requests": 400}}], pools, router="random")
    (plan,) = plans(made)
    assert plan.groups["first_draw"].tolist() == [0, 2]
    metrics = run_plans((plan,), log_requests=1000)
    assert np.bincount(metrics.calls["replica"], minlength=8)[4:].min() > 60
