"""The kernel against the reference engine: every request's times, the order of completions, tokens and energy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.engine import state as S
from sim.engine.control import run_plans
from sim.scenario.adapters import Adapters
from sim.scenario.session import Session
from sim.workload.program import plain
from sim.workload.programs import program_of
from tests.engine.programs import programs
from tests.engine.setups import MODELS, cost, plans, scenario

TOLERANCE = 1e-9
TIMES = ("arrive_s", "admit_s", "first_s", "finish_s")


def counts(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


LENGTHS = st.one_of(
    st.builds(lambda i, o: {"kind": "fixed", "input": i, "output": o}, counts(1, 300), counts(0, 60)),
    st.builds(
        lambda i, o: {"kind": "uniform", "input": [1, i], "output": [0, o]}, counts(1, 900), counts(0, 40)
    ),
    st.builds(
        lambda i, o, cv: {
            "kind": "lognormal",
            "input": {"mean": i, "cv": cv},
            "output": {"mean": o, "cv": cv},
        },
        counts(1, 400),
        counts(1, 60),
        st.floats(0, 3),
    ),
    st.just(
        {
            "kind": "quantiles",
            "input": [[0, 1], [0.7, 30], [1, 2500]],
            "output": [[0, 0], [0.9, 10], [1, 300]],
        }
    ),
)
ARRIVALS = st.one_of(
    st.builds(lambda r: {"process": "poisson", "rate_per_s": r}, st.floats(0.5, 40)),
    st.builds(
        lambda r, cv: {"process": "gamma", "rate_per_s": r, "cv": cv}, st.floats(0.5, 20), st.floats(0.2, 8)
    ),
    st.builds(
        lambda r, cv: {"process": "weibull", "rate_per_s": r, "cv": cv}, st.floats(0.5, 20), st.floats(0.2, 8)
    ),
    st.builds(
        lambda r: {"process": "deterministic", "rate_per_s": r}, st.sampled_from([1.0, 5.0, 10.0, 20.0])
    ),
    st.builds(lambda n: {"process": "all-at-once", "requests": n}, counts(1, 120)),
    st.builds(
        lambda n, think, most: {"process": "closed", "clients": 2 * n, "think": think, "requests": most},
        counts(1, 12),
        st.sampled_from([0.0, 0.05, 1.0]),
        st.one_of(st.none(), counts(1, 150)),
    ),
    st.builds(
        lambda n, h: {
            "process": "users",
            "users": n,
            "requests_per_user_per_day": 86400,
            "shape": [1.0, 3.0] * 12,
            "start_hour": h,
        },
        counts(1, 15),
        st.floats(0, 23.999),
    ),
)
SCHEDULERS = st.builds(
    lambda kind, batch, more, reserve, watermark, queue: {
        "kind": kind,
        "max_batch": batch,
        "token_budget": batch + more,
        "kv_reserve": reserve,
        "kv_watermark": watermark,
        "queue_limit": queue,
    },
    st.sampled_from(["chunked-prefill", "prefill-first", "static"]),
    counts(1, 24),
    counts(0, 300),
    st.sampled_from(["prompt", "full"]),
    st.sampled_from([0.0, 0.01, 0.2]),
    st.one_of(st.none(), counts(1, 20)),
)
ROUND = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0, "floor_s": 0.05}
"""Steps of exactly 50 ms, so that arrivals and step ends coincide."""
COSTS = st.one_of(
    st.just(ROUND),
    st.builds(
        lambda token, kv, host, per_sequence, prefill, admit: {
            "token_s": token,
            "kv_s": kv,
            "host_s": host,
            "host_sequence_s": per_sequence,
            "host_prefill_s": prefill,
            "admit_s": admit,
            "sequence_s": 1e-5,
        },
        st.floats(1e-6, 1e-4),
        st.sampled_from([0.0, 1e-8, 3e-6]),
        st.sampled_from([0.0, 5.5e-3, 8e-3]),
        st.sampled_from([0.0, 1e-4]),
        st.sampled_from([0.0, 1e-5]),
        st.sampled_from([0.0, 2e-3]),
    ),
)
KV = st.one_of(counts(20, 3000), st.just(100_000))


@st.composite
def setups(draw, caches: bool = False) -> tuple:
    cells = draw(st.sampled_from([1, 1, 2]))
    models = MODELS[: draw(counts(1, 2))]
    pools, costs = [], []
    for model in [*models, *(models[:1] if draw(st.booleans()) else ())]:
        scheduler = draw(SCHEDULERS)
        pools.append({"model": model, "replicas": cells * draw(counts(1, 4)), "scheduler": scheduler})
        if caches and draw(st.booleans()):
            pools[-1]["prefix_cache"] = {"block_tokens": draw(st.sampled_from([1, 16, 50]))}
        costs.append(
            cost(**draw(COSTS), kv_capacity=draw(KV), max_batch=scheduler["max_batch"], max_tokens=64)
        )
    workloads = [
        {
            "model": models[w % len(models)],
            "arrivals": draw(ARRIVALS),
            "lengths": draw(LENGTHS),
            "slo": {"ttft": 0.3, "tpot": 0.02},
        }
        for w in range(draw(counts(len(models), 3)))
    ]
    burst = any(w["arrivals"]["process"] == "all-at-once" for w in workloads)
    made = scenario(
        workloads,
        pools,
        seed=draw(counts(0, 2**31)),
        duration=draw(st.sampled_from([1.0, 4.0, 8.0])),
        warmup=0.0 if burst else draw(st.sampled_from([0.0, 0.0, 0.7])),
        router=draw(
            st.sampled_from(
                [
                    *("round-robin", "random", "power-of-two", "least-outstanding", "least-kv", "session"),
                    "prefix-aware",
                ]
            )
        ),
        overlap_weight=draw(st.sampled_from([1.0, 1.0, 16.0])),
        cells=cells,
    )
    return made, costs


def compare(made, costs, programs=None, processes=()) -> tuple[int, float]:
    """Run both engines; returns (requests and passes compared, worst relative difference of a time)."""
    try:
        built = plans(made, costs, programs)
    except Exception as error:
        if "none could ever be admitted" in str(error):
            return 0, 0.0
        raise
    kernel = run_plans(built, log_requests=1 << 20, processes=processes)
    reference = run_plans(built, engine="simpy", log_requests=1 << 20, processes=processes)
    np.testing.assert_array_equal(kernel.counters, reference.counters)
    np.testing.assert_array_equal(kernel.stage_counters, reference.stage_counters)
    assert len(kernel.calls) == kernel.counters[:, S.COMPLETED].sum() - kernel.counters[:, S.SPILLED].sum()
    worst = 0.0
    for log, expected in ((kernel.calls, reference.calls), (kernel.passes, reference.passes)):
        assert len(log) == len(expected)
        for name in ("id", "replica", "input", "output"):
            np.testing.assert_array_equal(log[name], expected[name], err_msg=name)
        for name in TIMES:
            np.testing.assert_allclose(log[name], expected[name], rtol=TOLERANCE, atol=1e-12)
            scale = np.maximum(np.abs(expected[name]), 1e-3)
            worst = max(worst, float(np.max(np.abs(log[name] - expected[name]) / scale, initial=0)))
    totals, expected = kernel.windows.sum(axis=1), reference.windows.sum(axis=1)
    np.testing.assert_allclose(totals, expected, rtol=TOLERANCE, atol=1e-7)
    np.testing.assert_allclose(kernel.sums, reference.sums, rtol=TOLERANCE, atol=1e-9)
    np.testing.assert_allclose(kernel.stage_times, reference.stage_times, rtol=TOLERANCE, atol=1e-9)
    assert kernel.in_flight == reference.in_flight == 0
    return len(kernel.calls) + len(kernel.passes), worst


COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=200, derandomize=True, **COMMON)
@given(setups())
def test_engines_agree(setup):
    compare(*setup)


@st.composite
def program_setups(draw) -> tuple:
    made, costs = draw(setups(caches=True))
    served = [p.model for p in made.pools]
    return made, costs, [draw(st.one_of(programs(served), st.just(plain(w.model)))) for w in made.workloads]


@settings(max_examples=120, derandomize=True, **COMMON)
@given(program_setups())
def test_engines_agree_on_programs_and_prefix_caches(setup):
    compare(*setup)


SESSIONS = st.builds(
    lambda turns, mean, cv, question, spread, limit: {
        "turns": turns,
        "think": {"mean": mean, "cv": cv},
        "question": {"mean": question, "cv": spread},
        **({} if limit is None else {"context_limit": limit}),
    },
    st.one_of(
        st.builds(lambda m: {"kind": "geometric", "mean": m}, st.sampled_from([1.0, 2.0, 5.0])),
        st.builds(lambda n: {"kind": "fixed", "turns": n}, counts(1, 5)),
        st.just({"kind": "lognormal", "mean": 3, "cv": 1.0, "most": 6}),
    ),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from([0.0, 1.2]),
    counts(1, 60),
    st.sampled_from([0.0, 0.7]),
    st.sampled_from([None, None, 80, 400]),
)
ADAPTERS = st.builds(
    lambda count, resident, zipf: {"count": count, "resident": resident, "zipf": zipf},
    counts(1, 30),
    counts(1, 12),
    st.sampled_from([0.0, 1.0, 2.5]),
)


def with_sessions(draw, made, costs) -> tuple:
    """Some workloads hold sessions, some run programs; some models are served with adapters."""
    workloads = [
        w.model_copy(update={"session": Session.model_validate(draw(SESSIONS))})
        if draw(st.sampled_from([True, True, False]))
        else w
        for w in made.workloads
    ]
    served = [p.model for p in made.pools]
    adapters = {m: Adapters.model_validate(draw(ADAPTERS)) for m in served if draw(st.booleans())}
    pools = [p.model_copy(update={"adapters": adapters.get(p.model)}) for p in made.pools]
    costs = [replace(c, adapter_load_s=draw(st.sampled_from([0.0, 2.0**-9, 0.03]))) for c in costs]
    made = made.model_copy(update={"workloads": tuple(workloads), "pools": tuple(pools)})
    ran = [
        program_of(w, made)
        if w.session is not None
        else draw(st.one_of(programs(served), st.just(plain(w.model))))
        for w in made.workloads
    ]
    return made, costs, ran


@st.composite
def session_setups(draw) -> tuple:
    return with_sessions(draw, *draw(setups(caches=True)))


@settings(max_examples=120, derandomize=True, **COMMON)
@given(session_setups())
def test_engines_agree_on_sessions_and_adapters(setup):
    compare(*setup)


@pytest.mark.slow
@settings(max_examples=2000, **COMMON)
@given(setups())
def test_engines_agree_widely(setup):
    compare(*setup)


@pytest.mark.slow
@settings(max_examples=2000, **COMMON)
@given(program_setups())
def test_engines_agree_widely_on_programs_and_prefix_caches(setup):
    compare(*setup)


@pytest.mark.slow
@settings(max_examples=2000, **COMMON)
@given(session_setups())
def test_engines_agree_widely_on_sessions_and_adapters(setup):
    compare(*setup)
