"""Prefix caches worked by hand: what is found, what is evicted, what is rounded, what a preempted call finds again."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest

from sim.engine import state as S
from sim.engine.control import run_plans
from sim.scenario import load
from sim.study.cache_curve import ideal, lru
from sim.workload.program import Amount, Program, Read, Repeat, Stage, Tool
from sim.workload.trace import read_trace
from tests.engine.setups import MODELS, cost, plans, scenario
from tests.samples import ROOT

ENGINES = pytest.mark.parametrize("engine", ["kernel", "simpy"])
STEP: dict[str, Any] = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0, "floor_s": 1 / 64}
APART_S = 2.0
APART = {"process": "deterministic", "rate_per_s": 1 / APART_S}
"""None runs beside another."""
PROMPT = Read("prompt")
BLOCK = 512
"""Tokens of a block of a trace."""


def cached(block: int = 1, **more: object) -> dict:
    return {"prefix_cache": {"block_tokens": block}, **more}


def run(engine, program=None, pool=None, *, requests=1, kv_capacity=100_000, output=20, **workload):
    """Requests of 100 tokens, one after the other, of one program on one replica."""
    lengths = {"kind": "fixed", "input": 100, "output": output}
    given = {"arrivals": APART, "lengths": lengths, **workload}
    made = scenario([given], [cached() if pool is None else pool], duration=APART_S * (requests - 0.5))
    built = plans(made, [cost(**STEP, kv_capacity=kv_capacity, max_batch=256)], program and [program])
    return run_plans(built, engine=engine, log_requests=1000)


def one(name: str, **more) -> Stage:
    return Stage(name, MODELS[0], output=Amount(constant=20), **more)


def found(metrics) -> list[int]:
    """Tokens found in the cache, stage by stage."""
    return metrics.stage_counters[:, S.STAGE_CACHED].tolist()


def column(metrics, number: int) -> float:
    return metrics.windows[:, :, number].sum()


# ---- what is found ----


@ENGINES
@pytest.mark.parametrize(("block", "hit"), [(1, 99), (16, 96), (64, 64), (50, 99), (101, 0)])
def test_samples_of_one_prompt_compute_it_once(engine, block, hit):
    # whole blocks are found, and of a prompt that is found whole the last token is computed all the same
    samples = Program("samples", (one("sample", calls=Amount(constant=5)),))
    metrics = run(engine, samples, cached(block))
    assert found(metrics) == [4 * hit]
    assert column(metrics, S.PREFILLED) == 100 + 4 * (100 - hit)
    assert (column(metrics, S.CACHE_ASKED), column(metrics, S.CACHE_HIT)) == (500, 4 * hit)


@ENGINES
def test_nobody_reads_a_prompt_before_it_is_computed(engine):
    # 5,000 tokens in steps of 2,048: the samples get their first tokens together, at the end of the third step
    samples = Program("samples", (one("sample", calls=Amount(constant=5)),))
    metrics = run(engine, samples, lengths={"kind": "fixed", "input": 5000, "output": 20})
    assert metrics.passes["first_s"].tolist() == [3 * STEP["floor_s"]] * 5
    assert column(metrics, S.PREFILLED) == 5000 + 4


@ENGINES
def test_without_a_cache_every_sample_computes_its_prompt(engine):
    samples = Program("samples", (one("sample", calls=Amount(constant=5)),))
    metrics = run(engine, samples, {})
    assert found(metrics) == [0]
    assert column(metrics, S.PREFILLED) == 500
    assert column(metrics, S.CACHE_ASKED) == 0


@ENGINES
def test_samples_hold_their_prompt_once(engine):
    # prompt 100 and five outputs of up to 20: without sharing 600 tokens, with it 200
    samples = Program("samples", (one("sample", calls=Amount(constant=5)),))
    shared = run(engine, samples, cached(scheduler={"kv_watermark": 0.0}), kv_capacity=200)
    apart = run(engine, samples, {"scheduler": {"kv_watermark": 0.0}}, kv_capacity=200)
    assert len(np.unique(shared.passes["admit_s"])) == 1
    assert len(np.unique(apart.passes["admit_s"])) == 5


@ENGINES
def test_a_template_is_shared_by_all_requests_and_a_prompt_by_none(engine):
    check = Program("check", (one("check", reads=(Read("template", tokens=64, name="policy"), PROMPT)),))
    metrics = run(engine, check, requests=3)
    assert len(metrics.calls) == 3
    assert found(metrics) == [2 * 64]
    assert found(run(engine, check, cached(50), requests=3)) == [2 * 50]


@ENGINES
def test_templates_of_one_name_are_one_text(engine):
    def two(first: str, second: str) -> Program:
        reads = [(Read("template", tokens=64, name=n), PROMPT) for n in (first, second)]
        return Program("two", (one("a", reads=reads[0]), one("b", reads=reads[1])))

    assert found(run(engine, two("policy", "policy"))) == [0, 163]
    assert found(run(engine, two("policy", "other"))) == [0, 0]


@ENGINES
def test_what_is_read_after_another_text_is_another_text(engine):
    other = (Read("template", tokens=8, name="t"), PROMPT)
    program = Program("order", (one("a"), one("b", reads=other), one("c", reads=other)))
    assert found(run(engine, program)) == [0, 0, 107]


@ENGINES
@pytest.mark.parametrize(
    ("read", "hit"),
    [
        (Read("all", "draft"), 119),  # the draft itself is there, but for the token that must be computed
        (Read("own", "draft"), 119),  # the only output is all outputs
        (Read("all", "draft", share=0.5), 100),  # another text: not the draft from its front
    ],
)
def test_an_output_stays_behind_what_it_answered(engine, read, hit):
    program = Program("revise", (one("draft"), one("revise", reads=(PROMPT, read))))
    assert found(run(engine, program)) == [0, hit]


@ENGINES
def test_each_of_several_calls_finds_its_own_output(engine):
    three = Amount(constant=3)
    own = one("again", calls=three, reads=(PROMPT, Read("own", "draft")))
    others = one("others", calls=three, reads=(PROMPT, Read("others", "draft")))
    assert found(run(engine, Program("own", (one("draft", calls=three), own)))) == [2 * 99, 3 * 119]
    # what others wrote has been computed behind their own prompts, never in this order
    assert found(run(engine, Program("others", (one("draft", calls=three), others)))) == [2 * 99, 3 * 100]


def agent(tool: Tool, longest: int = 2**30) -> Program:
    reads = (Read("template", tokens=64, name="tools"), PROMPT, Read("transcript"))
    return Program(
        "agent",
        (
            one(
                "step",
                reads=reads,
                tool=tool,
                repeat=Repeat("step", Amount(constant=4)),
                longest_input=longest,
            ),
        ),
    )


@ENGINES
def test_an_agent_finds_its_transcript_as_it_grows(engine):
    # inputs 164 + 30, then 50 more each time (the answer of 20, the next result of 30), of which 30 are new
    metrics = run(engine, agent(Tool(tokens=Amount(constant=30))))
    assert metrics.passes["input"].tolist() == [194, 244, 294, 344]
    assert found(metrics) == [214 + 264 + 314]
    assert column(metrics, S.PREFILLED) == 194 + 3 * 30


@ENGINES
def test_an_agents_first_answer_is_found_by_its_second_step(engine):
    # inputs 164, 214, 264, 314: all but the tool's result (30) has been computed
    metrics = run(engine, agent(Tool(tokens=Amount(constant=30), first=False)))
    assert metrics.passes["input"].tolist() == [164, 214, 264, 314]
    assert found(metrics) == [184 + 234 + 284]


@ENGINES
def test_a_second_request_finds_the_agents_template_only(engine):
    metrics = run(engine, agent(Tool(tokens=Amount(constant=30))), requests=2)
    assert found(metrics) == [2 * (214 + 264 + 314) + 64]


@ENGINES
def test_a_transcript_that_is_cut_is_found_no_more(engine):
    # 194, 244, then cut to 250: its beginning is left out, and what stands behind the prompt is another text
    metrics = run(engine, agent(Tool(tokens=Amount(constant=30)), longest=250))
    assert metrics.passes["input"].tolist() == [194, 244, 250, 250]
    assert found(metrics) == [214 + 164 + 164]


@ENGINES
def test_passes_find_nothing_on_another_replica(engine):
    program = Program("revise", (one("draft"), one("revise", reads=(PROMPT, Read("all", "draft")))))

    def routed(router: str) -> list[int]:
        given = {"arrivals": APART, "lengths": {"kind": "fixed", "input": 100, "output": 20}}
        made = scenario([given], [cached(replicas=2)], duration=3.5 * APART_S, router=router)
        return found(run_plans(plans(made, [cost(**STEP, max_batch=256)], [program]), engine=engine))

    assert routed("session") == [0, 4 * 119]
    assert routed("round-robin") == [0, 0]


# ---- traces ----


def replay(engine, path, rows, *, kv_capacity=1_000_000, block=16, apart_s=0.5):
    """Prompts given as lists of block names, the last block `short` tokens short."""
    lines = [
        {"timestamp": 1000 * apart_s * i, "input_length": BLOCK * len(names) - short, "output_length": 1}
        | {"hash_ids": names}
        for i, (names, short) in enumerate(rows)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    arrivals = {"process": "trace", "path": str(path)}
    pool = cached(block, scheduler={"kv_watermark": 0.0})
    made = scenario([{"arrivals": arrivals, "lengths": "trace"}], [pool], duration=apart_s * len(rows))
    built = plans(made, [cost(**STEP, kv_capacity=kv_capacity, max_batch=256)])
    return run_plans(built, engine=engine, log_requests=1000)


@ENGINES
def test_a_traces_hashes_say_what_is_shared(engine, tmp_path):
    rows = [([0, 1, 2], 0), ([0, 1, 3], 100), ([0, 1, 2], 0), ([4, 1], 0), ([0, 1, 3, 5], 7)]
    # 1,024 of the second; all of the third but a token; nothing of the fourth, whose front is new; of the fifth the
    # first two blocks (the third is longer here than where it was computed, 412 tokens of it are there)
    metrics = replay(engine, tmp_path / "t.jsonl", rows)
    assert column(metrics, S.CACHE_HIT) == 1024 + 1535 + 0 + (1024 + 412) // 16 * 16


@ENGINES
def test_with_room_for_all_a_trace_finds_what_it_has_in_common(engine, tmp_path):
    rng = np.random.default_rng(3)
    rows, next_name = [], 100
    known: list[list[int]] = [[]]
    for _ in range(60):
        front = known[rng.integers(len(known))]
        names = [*front, *range(next_name, next_name + int(rng.integers(1, 6)))]
        next_name += 10
        known.append(names)
        rows.append((names, 0))
        if rng.random() < 0.3:
            rows.append((names, 0))
    metrics = replay(engine, tmp_path / "t.jsonl", rows)
    limit = ideal(read_trace(tmp_path / "t.jsonl"))
    assert 0.3 < limit.token_rate < 1
    assert column(metrics, S.CACHE_HIT) == limit.hit_tokens
    assert column(metrics, S.CACHE_ASKED) == limit.tokens


# ---- eviction ----

ROOM = 2304
"""Two prompts of two blocks (2,048) and 256 tokens."""


@ENGINES
@pytest.mark.parametrize(
    ("last", "hit"),
    [
        # kept after A, B, A in order of last use: output of A, output of B, b1, b0, output of A, a1, a0 (2,051 tokens).
        # C takes 1,025, 772 too many: both outputs go, b1, and of b0 272 tokens (17 blocks of 16), its end first.
        ([0, 1], 1023),
        ([2, 3], 240),
        ([4, 5], 1023),
    ],
)
def test_what_is_longest_unused_goes_first_and_ends_before_fronts(engine, tmp_path, last, hit):
    a, b, c = ([0, 1], 0), ([2, 3], 0), ([4, 5], 0)
    metrics = replay(engine, tmp_path / "t.jsonl", [a, b, a, c, (last, 0)], kv_capacity=ROOM)
    assert column(metrics, S.CACHE_HIT) == 1023 + hit


@ENGINES
def test_what_a_running_call_reads_is_not_evicted(engine):
    # four calls read one prompt of 100 and hold their outputs, 180 in all at the end: of 185 nothing of it may go
    samples = Program("samples", (one("sample", calls=Amount(constant=4)),))
    metrics = run(engine, samples, cached(scheduler={"kv_watermark": 0.0}), kv_capacity=185)
    assert column(metrics, S.PREEMPTED) == 0
    assert found(metrics) == [3 * 99]


@ENGINES
def test_a_cache_never_keeps_a_call_waiting(engine):
    # ten prompts of 100, one after the other, in room for one and a half: as fast as without a cache
    kept = run(engine, pool=cached(), requests=10, kv_capacity=170)
    none = run(engine, pool={}, requests=10, kv_capacity=170)
    np.testing.assert_array_equal(kept.calls["finish_s"], none.calls["finish_s"])


@ENGINES
def test_a_preempted_call_finds_its_prompt_and_computes_anew_what_it_had_emitted(engine):
    # Two calls of 20 tokens in and 20 out in room for 64. After the first step each holds 21, after k more 21 + k; at
    # k = 12 they want 66, and the second gives way with 13 emitted. It returns when the first has ended, finds its
    # prompt (20) and computes 13. Without a cache it computes 33.
    def two(pool):
        return run(
            engine,
            pool={**pool, "scheduler": {"kv_watermark": 0.0}},
            kv_capacity=64,
            arrivals={"process": "all-at-once", "requests": 2},
            lengths={"kind": "fixed", "input": 20, "output": 20},
        )

    kept, none = two(cached()), two({})
    assert column(kept, S.PREEMPTED) == column(none, S.PREEMPTED) == 1
    assert column(kept, S.PREFILLED) == 20 + 20 + 13
    assert column(none, S.PREFILLED) == 20 + 20 + 33
    assert (column(kept, S.CACHE_ASKED), column(kept, S.CACHE_HIT)) == (60, 20)
    assert column(kept, S.RECOMPUTED) == 13
    assert column(none, S.RECOMPUTED) == 32


# ---- the recorded trace ----

TRACE = os.environ.get("DATACENTER_SIM_MOONCAKE", "")


@pytest.mark.skipif(not TRACE, reason="set DATACENTER_SIM_MOONCAKE to the file of Mooncake's synthetic trace")
def test_mooncakes_trace_comes_to_its_ideal_and_falls_as_the_cache_shrinks():
    from sim.run import run as simulate

    trace = read_trace(TRACE)
    limit = ideal(trace)
    assert limit.block_rate == pytest.approx(0.64, abs=0.005)
    rates = []
    for share in (0.9, 0.3, 0.1, 0.03):
        changes = [f"workload.0.arrivals.path={TRACE}", f"pool.0.memory_fraction={share}"]
        summary = simulate(load(ROOT / "scenarios" / "mooncake.toml", changes)).summary
        rates.append(summary["prefix_cache"]["hit_rate"])
        alone = lru(trace, summary["pools"][0]["kv"]["capacity_tokens"])
        assert alone.token_rate - 0.01 < rates[-1] <= limit.token_rate
    assert rates[0] == pytest.approx(limit.token_rate, abs=0.001)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.2
