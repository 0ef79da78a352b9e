"""Adapters on replicas: loads counted by hand, hit rates against theory, and what a load costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from sim.cost.adapters import popularity
from sim.engine import state as S
from sim.engine.control import run_plans
from sim.engine.kernel.ident import PASS_BITS
from sim.engine.reference.adapters import Adapters as Places
from sim.metrics.run import RunMetrics
from sim.workload.program import Amount, Program, Read, Stage
from tests.engine.setups import MODELS, cost, plans, scenario

ENGINES = pytest.mark.parametrize("engine", ["kernel", "simpy"])
STEP_S, LOAD_S = 1 / 64, 1 / 8
STEPS: dict[str, Any] = {"token_s": 0.0, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0, "floor_s": STEP_S}


def built(
    adapters: dict | None, arrivals: dict, *, output: int = 4, load_s: float = LOAD_S, programs=None, **pool
):
    pool = {"scheduler": {"max_batch": 16, "token_budget": 4096}, **pool}
    made = scenario(
        [{"arrivals": arrivals, "lengths": {"kind": "fixed", "input": 10, "output": output}}],
        [{**pool, **({} if adapters is None else {"adapters": adapters})}],
        duration=4000.0,
    )
    return plans(made, [cost(**STEPS, adapter_load_s=load_s, max_batch=16)], programs)


def run(engine: str, of) -> RunMetrics:
    return run_plans(of, engine=engine, log_requests=1 << 20)


def column(metrics: RunMetrics, number: int) -> float:
    return float(metrics.windows[:, :, number].sum())


class _Named:
    """Enough of a call to ask which adapter it is for."""

    def __init__(self, number: int):
        self.id, self.workload = number << PASS_BITS, 0


def adapters_of(plan, count: int) -> np.ndarray:
    """The adapter of each of the first requests."""
    places = Places(plan, plan.pools[0])
    return np.array([places.of(_Named(i)) for i in range(count)])  # pyright: ignore[reportArgumentType]


def lru_loads(asked: np.ndarray, places: int) -> int:
    """Loads where one request after another asks, the longest unused giving way."""
    held: list[int] = []
    loads = 0
    for adapter in asked.tolist():
        if adapter in held:
            held.remove(adapter)
        else:
            loads += 1
            held = held[1:] if len(held) == places else held
        held.append(adapter)
    return loads


ONE_BY_ONE = {"process": "closed", "clients": 1, "requests": 400}


@ENGINES
@pytest.mark.parametrize("places", [1, 3, 10])
def test_requests_one_by_one_load_as_a_list_in_order_of_use_says(engine, places):
    of = built({"count": 20, "resident": places}, ONE_BY_ONE)
    metrics = run(engine, of)
    loads = lru_loads(adapters_of(of[0], 400), places)
    assert column(metrics, S.ADAPTERS_ASKED) == 400
    assert column(metrics, S.ADAPTERS_LOADED) == loads
    # a load delays the first token of the call that needs it, and nothing else
    assert metrics.sums[0, S.TTFT] == pytest.approx(400 * STEP_S + loads * LOAD_S)
    assert metrics.sums[0, S.TPOT] == pytest.approx(400 * STEP_S)


@ENGINES
def test_calls_of_one_adapter_share_its_place_and_others_wait_for_it(engine):
    of = built({"count": 2, "resident": 1, "zipf": 0.0}, {"process": "all-at-once", "requests": 8})
    metrics = run(engine, of)
    asked = adapters_of(of[0], 8)
    runs = 1 + int((np.diff(asked) != 0).sum())  # calls are admitted in order
    assert runs > 1
    assert column(metrics, S.ADAPTERS_LOADED) == runs
    answer_s = LOAD_S + 4 * STEP_S
    by_request = np.sort(metrics.calls, order="id")
    group = np.concatenate([[0], np.cumsum(np.diff(asked) != 0)])
    assert by_request["finish_s"] == pytest.approx((group + 1) * answer_s)


@ENGINES
def test_a_step_loads_all_that_its_admissions_need(engine):
    of = built({"count": 8, "resident": 8, "zipf": 0.0}, {"process": "all-at-once", "requests": 8})
    metrics = run(engine, of)
    distinct = len(set(adapters_of(of[0], 8).tolist()))
    assert column(metrics, S.ADAPTERS_LOADED) == distinct
    assert set(metrics.calls["first_s"].tolist()) == {STEP_S + distinct * LOAD_S}


def test_popularity_follows_zipf():
    of = built({"count": 50, "zipf": 1.2}, ONE_BY_ONE)
    found = np.bincount(adapters_of(of[0], 20_000), minlength=50) / 20_000
    p = popularity(50, 1.2)
    assert np.abs(found - p).max() < 5 * np.sqrt(p[0] / 20_000)


def che(p: np.ndarray, places: int) -> float:
    """Hit rate of a cache of `places` that drops the least recently used: 1 - e^(-p t), where t fills the cache
    (Che, Tung and Wang 2002, doi:10.1109/JSAC.2002.801752)."""
    filled = brentq(lambda t: (1 - np.exp(-p * t)).sum() - places, 0, 1e9)
    return float((p * (1 - np.exp(-p * filled))).sum())


@pytest.mark.parametrize(("count", "places", "zipf"), [(1000, 50, 1.0), (200, 20, 0.6), (1000, 200, 1.5)])
def test_the_hit_rate_is_that_of_ches_approximation(count, places, zipf):
    requests = 20_000
    of = built(
        {"count": count, "resident": places, "zipf": zipf},
        {"process": "closed", "clients": 1, "requests": requests},
        output=1,
        load_s=0.0,
    )
    metrics = run("kernel", of)
    assert column(metrics, S.ADAPTERS_ASKED) == requests
    hit = 1 - (column(metrics, S.ADAPTERS_LOADED) - places) / requests  # but for the first filling
    assert hit == pytest.approx(che(popularity(count, zipf), places), abs=0.015)


@ENGINES
def test_all_passes_of_a_request_are_for_its_adapter(engine):
    chain = tuple(
        Stage(f"s{i}", MODELS[0], reads=(Read("prompt"),), output=Amount(constant=2)) for i in range(3)
    )
    of = built({"count": 500, "resident": 4, "zipf": 0.0}, ONE_BY_ONE, programs=[Program("chain", chain)])
    metrics = run(engine, of)
    assert column(metrics, S.ADAPTERS_ASKED) == 1200
    assert column(metrics, S.ADAPTERS_LOADED) == lru_loads(adapters_of(of[0], 400), 4)


@ENGINES
def test_a_preempted_call_lets_go_of_its_adapter(engine):
    made = scenario(
        [
            {
                "arrivals": {"process": "all-at-once", "requests": 12},
                "lengths": {"kind": "fixed", "input": 50, "output": 60},
            }
        ],
        [
            {
                "adapters": {"count": 6, "resident": 3, "zipf": 0.0},
                "scheduler": {"max_batch": 12, "token_budget": 512},
            }
        ],
    )
    of = plans(made, [cost(**STEPS, adapter_load_s=LOAD_S, max_batch=12, kv_capacity=250)])
    metrics = run(engine, of)
    assert metrics.counters[0, S.COMPLETED] == 12
    assert column(metrics, S.PREEMPTED) > 0
    assert column(metrics, S.ADAPTERS_ASKED) == 12 + column(metrics, S.PREEMPTED)


def test_without_adapters_nothing_changes():
    load = {"process": "poisson", "rate_per_s": 0.05}
    plain, same = (
        run("kernel", built(None, load)),
        run("kernel", built({"count": 1, "resident": 1}, load, load_s=0.0)),
    )
    np.testing.assert_array_equal(plain.calls, same.calls)
