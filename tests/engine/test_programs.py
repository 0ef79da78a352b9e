"""Programs of passes: what goes in comes out, and the engines' means are those reckoned without simulating."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sim.catalog.techniques import techniques
from sim.engine import state as S
from sim.engine.control import run_plans
from sim.engine.kernel.ident import PASS_BITS
from sim.metrics.run import RunMetrics
from sim.scenario.mitigation import catalog_technique
from sim.workload.expected import expected
from sim.workload.program import Amount, Program, Read, Repeat, Stage, Tool
from sim.workload.programs import program_from
from tests.engine.setups import MODELS, cost, plans, scenario

ENGINES = pytest.mark.parametrize("engine", ["kernel", "simpy"])
OWN, SMALL = MODELS[1], MODELS[0]
PROMPT, ANSWER = 1155, 211
"""Means of Azure's conversation service of 2023."""
BATCH = 512
JOULES = {"step": 1.0, "token": 0.1, "sequence": 0.01, "kv": 1e-4, "attention": 1e-6, "static_w": 100.0}
"""What `tests.engine.setups.cost` charges."""
DRAWN_SHORT = 2e-3
"""Relative: a part of a text, and the mean length of several, are whole tokens in the engine, rounded down."""


def run(
    engine: str,
    program: Program,
    requests: int,
    *,
    prompt: int = PROMPT,
    answer: int = ANSWER,
    pool: dict[str, Any] | None = None,
    kv_capacity: int = 50_000_000,
    **rest: Any,
) -> RunMetrics:
    """`requests` of one program, all at once, on a replica of each model that they need, with room for all."""
    models = [OWN, *({s.model for s in program.stages} - {OWN})]
    workload = {
        "model": OWN,
        "arrivals": {"process": "all-at-once", "requests": requests},
        "lengths": {"kind": "fixed", "input": prompt, "output": answer},
    }
    scheduler = {"max_batch": BATCH, "token_budget": 16_384}
    pools = [{"model": m, "scheduler": scheduler, **(pool or {})} for m in models]
    if len(models) > 1:  # so that the scenario knows what the second pool is for
        workload["mitigation"] = {
            "technique": program.name,
            "models": dict.fromkeys(roles_of(program), SMALL),
        }
    made = scenario([{**workload, **rest}], pools, duration=1.0, seed=11)
    costs = [cost(kv_capacity=kv_capacity, max_batch=BATCH) for _ in pools]
    return run_plans(plans(made, costs, [program]), engine=engine, log_requests=1 << 20)


def roles_of(program: Program) -> list[str]:
    return list(catalog_technique(program.name).roles)


def of_catalog(name: str, **parameters: float) -> Program:
    made = catalog_technique(name)
    return program_from(made, {**made.defaults, **parameters}, {"": OWN, **dict.fromkeys(made.roles, SMALL)})


def column(metrics: RunMetrics, number: int) -> float:
    return float(metrics.windows[:, :, number].sum())


def of_requests(metrics: RunMetrics) -> dict[str, np.ndarray]:
    """Passes, tokens read and tokens emitted of each request, from the log of passes (or of plain requests)."""
    log = metrics.passes if len(metrics.passes) else metrics.calls
    _, request = np.unique(log["id"] >> PASS_BITS, return_inverse=True)
    return {
        "passes": np.bincount(request).astype(float),
        "input_tokens": np.bincount(request, weights=log["input"]),
        "output_tokens": np.bincount(request, weights=log["output"]),
    }


def check_books(metrics: RunMetrics, requests: int, *, plain: bool) -> None:
    """What holds for every run in which nothing is preempted or rejected."""
    counters, stages = metrics.counters[0], metrics.stage_counters
    log = metrics.calls if plain else metrics.passes
    assert counters[S.ARRIVED] == counters[S.COMPLETED] == requests
    assert column(metrics, S.PREEMPTED) == column(metrics, S.RECOMPUTED) == 0
    # tokens: every stage, every pass and every request tell the same
    if not plain:
        assert counters[S.PASSED] == stages[:, S.STAGE_CALLS].sum() == len(log)
        assert counters[S.INPUT] == stages[:, S.STAGE_INPUT].sum()
        assert counters[S.OUTPUT] == stages[:, S.STAGE_OUTPUT].sum()
        assert column(metrics, S.CACHE_HIT) == stages[:, S.STAGE_CACHED].sum()
    assert counters[S.INPUT] == log["input"].sum()
    assert counters[S.OUTPUT] == log["output"].sum()
    assert column(metrics, S.PREFILLED) + column(metrics, S.CACHE_HIT) == pytest.approx(log["input"].sum())
    # a prefill emits a token, decoding the others
    assert column(metrics, S.DECODED) == pytest.approx(np.maximum(log["output"] - 1, 0).sum())
    assert column(metrics, S.SYSTEM_S) == pytest.approx((log["finish_s"] - log["arrive_s"]).sum())
    assert column(metrics, S.WAITING_S) == pytest.approx((log["admit_s"] - log["arrive_s"]).sum(), abs=1e-6)
    # joules: those of every step, token and pair, and of the time that steps took
    tokens = column(metrics, S.DECODED) + column(metrics, S.PREFILLED)
    assert column(metrics, S.ENERGY_J) == pytest.approx(
        JOULES["step"] * column(metrics, S.STEPS)
        + JOULES["token"] * tokens
        + JOULES["sequence"] * column(metrics, S.DECODED)
        + JOULES["kv"] * column(metrics, S.READ_KV)
        + JOULES["attention"] * column(metrics, S.PAIRS)
        + JOULES["static_w"] * column(metrics, S.BUSY_S)
    )


def check_means(metrics: RunMetrics, program: Program) -> None:
    """Means per request against `sim.workload.expected`, to within five standard errors."""
    found = expected(program, PROMPT, ANSWER)
    for what, values in of_requests(metrics).items():
        error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        assert values.mean() == pytest.approx(getattr(found, what), rel=DRAWN_SHORT, abs=5 * error), what


REQUESTS = {"coding-agent": 400, "reasoning": 800, "reflexion": 400}
"""More where lengths or numbers of passes are drawn from wide distributions."""


@pytest.mark.parametrize("name", sorted(techniques()))
def test_the_kernel_does_what_is_expected_of_each_technique(name):
    program, requests = of_catalog(name), REQUESTS.get(name, 30)
    metrics = run("kernel", program, requests)
    check_books(metrics, requests, plain=program.is_plain)
    check_means(metrics, program)


@pytest.mark.parametrize("name", sorted(techniques()))
def test_the_reference_does_what_is_expected_of_each_technique(name):
    program, requests = of_catalog(name), 2 if name == "autogpt" else 8  # a whole task of many steps
    metrics = run("simpy", program, requests)
    check_books(metrics, requests, plain=program.is_plain)
    check_means(metrics, program)


@pytest.mark.parametrize("name", sorted(techniques()))
def test_a_prefix_cache_changes_what_is_computed_and_nothing_else(name):
    program, requests = of_catalog(name), 12
    without = run("kernel", program, requests)
    kept = run("kernel", program, requests, pool={"prefix_cache": True})
    check_books(kept, requests, plain=program.is_plain)
    np.testing.assert_array_equal(
        np.delete(kept.stage_counters, [S.STAGE_CACHED, S.STAGE_GOOD], axis=1),
        np.delete(without.stage_counters, [S.STAGE_CACHED, S.STAGE_GOOD], axis=1),
    )
    assert column(kept, S.DECODED) == pytest.approx(column(without, S.DECODED))
    assert column(kept, S.PREFILLED) <= column(without, S.PREFILLED)
    if name not in ("none", "reasoning", "chain-of-thought", "retrieval"):  # one pass, with nothing to share
        assert column(kept, S.PREFILLED) < column(without, S.PREFILLED)


# ---- joins, names, draws, failures, what the user sees ----

STEPS: dict[str, Any] = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0, "floor_s": 1 / 64}
DRAFT = Stage("draft", SMALL, calls=Amount(constant=3), output=Amount(constant=20, cv=0.8, least=1))
MERGE = Stage("merge", SMALL, reads=(Read("prompt"), Read("all", "draft")), output=Amount(constant=8))


def small_run(
    engine: str, program: Program, *, requests: int = 1, replicas: int = 1, step=STEPS, **scheduler
):
    """Requests of 100 tokens, all at once."""
    workload = {
        "arrivals": {"process": "all-at-once", "requests": requests},
        "lengths": {"kind": "fixed", "input": 100, "output": 20},
    }
    pool = {"replicas": replicas, "scheduler": {"max_batch": 64, "token_budget": 16_384} | scheduler}
    made = scenario([workload], [pool], duration=1.0)
    costs = [cost(**step, max_batch=pool["scheduler"]["max_batch"])]
    return run_plans(plans(made, costs, [program]), engine=engine, log_requests=1000)


@ENGINES
def test_a_stage_begins_when_the_last_call_of_the_one_before_has_ended(engine):
    metrics = small_run(engine, Program("merge", (DRAFT, MERGE)))
    (*drafts, merge) = np.sort(metrics.passes, order="id")
    ended = [d["finish_s"] for d in drafts]
    assert len(set(ended)) > 1
    assert merge["arrive_s"] == max(ended)
    assert merge["input"] == 100 + sum(d["output"] for d in drafts)


@ENGINES
def test_a_tool_delays_the_calls_that_wait_for_it_and_nobody_else(engine):
    search = Stage(
        "search", SMALL, tool=Tool(delay_s=1.5, tokens=Amount(constant=40)), output=Amount(constant=4)
    )
    after = Stage("after", SMALL, output=Amount(constant=4))
    first, second = small_run(engine, Program("search", (search, after))).passes
    assert (first["arrive_s"], first["input"]) == (1.5, 140)
    assert (second["arrive_s"], second["input"]) == (first["finish_s"], 100)


@ENGINES
def test_passes_are_numbered_through_in_order_of_issue(engine):
    loop = Repeat("draft", Amount(constant=2))
    merge = Stage("merge", SMALL, reads=MERGE.reads, output=MERGE.output, repeat=loop)
    metrics = small_run(engine, Program("loop", (DRAFT, merge)))
    by_name = np.sort(metrics.passes, order="id")
    assert (by_name["id"] & ((1 << PASS_BITS) - 1)).tolist() == list(range(1, 9))
    assert (np.diff(by_name["arrive_s"]) >= 0).all()


@ENGINES
def test_draws_depend_on_the_pass_and_not_on_the_fleet(engine):
    program = Program("merge", (DRAFT, MERGE))
    lengths = []
    for replicas, step in ((1, STEPS), (3, {**STEPS, "floor_s": 0.003, "token_s": 1e-5})):
        log = np.sort(
            small_run(engine, program, requests=20, replicas=replicas, step=step).passes, order="id"
        )
        lengths.append((log["id"].tolist(), log["input"].tolist(), log["output"].tolist()))
    assert lengths[0] == lengths[1]
    assert len(set(lengths[0][2])) > 10


@ENGINES
def test_a_rejected_pass_fails_the_request_once_the_others_of_its_stage_have_ended(engine):
    # three calls at one instant at a replica that runs one and lets two wait: the third finds no place
    metrics = small_run(engine, Program("merge", (DRAFT, MERGE)), max_batch=1, queue_limit=2)
    counters, stages = metrics.counters[0], metrics.stage_counters
    assert (counters[S.ARRIVED], counters[S.REJECTED], counters[S.COMPLETED]) == (1, 1, 0)
    assert stages[:, S.STAGE_CALLS].tolist() == [2, 0]
    assert stages[:, S.STAGE_REJECTED].tolist() == [1, 0]
    assert metrics.in_flight == 0


@ENGINES
def test_the_first_token_that_counts_is_that_of_the_last_stage(engine):
    # 3 drafts, then a merge of 8 tokens: streamed, its first shows a step after it arrives; else all 8 at the end
    streamed = small_run(engine, Program("merge", (DRAFT, MERGE)))
    whole = small_run(engine, Program("merge", (DRAFT, MERGE), streamed=False))
    merge = streamed.passes[-1]
    assert streamed.sums[0, S.TTFT] == merge["first_s"] == merge["arrive_s"] + STEPS["floor_s"]
    assert streamed.sums[0, S.TPOT] == STEPS["floor_s"]
    assert whole.sums[0, S.TTFT] == whole.sums[0, S.E2E] == merge["finish_s"]
    assert whole.counters[0, S.WITH_TPOT] == 0
    assert streamed.sums[0, S.E2E] == whole.sums[0, S.E2E]


@ENGINES
def test_joules_and_tokens_do_not_depend_on_how_time_is_cut_into_windows(engine):
    program = of_catalog("chain-of-verification")
    short = run(engine, program, 4)
    workload = {"arrivals": {"process": "all-at-once", "requests": 4}}
    made = scenario(
        [{"model": OWN, **workload, "lengths": {"kind": "fixed", "input": PROMPT, "output": ANSWER}}],
        [{"model": OWN, "scheduler": {"max_batch": BATCH, "token_budget": 16_384}}],
        duration=4000.0,
        seed=11,
    )
    built = plans(made, [cost(kv_capacity=50_000_000, max_batch=BATCH)], [program])
    long = run_plans(built, engine=engine, log_requests=1000)
    assert long.window_s > 10 * short.window_s
    np.testing.assert_allclose(long.windows.sum(axis=1), short.windows.sum(axis=1), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("engine", ["kernel", "simpy"])
def test_a_client_whose_request_needs_no_pass_does_not_ask_for_ever_at_once(engine):
    nothing = Program("nothing", (Stage("none", MODELS[0], calls=Amount(constant=0)),))
    closed = {"process": "closed", "clients": 2, "think": 0.0}
    made = scenario([{"arrivals": closed}], duration=3.0)
    run = run_plans(plans(made, programs=[nothing]), engine=engine)
    assert run.counters[0, S.ARRIVED] == run.counters[0, S.COMPLETED] == 2 * 3  # once a second
