"""The router that looks into prefix caches, on cases small enough to follow by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from sim.engine import state as S
from sim.engine.control import run_plans
from sim.metrics.run import RunMetrics
from tests.engine.setups import cost, plans, scenario

ENGINES = pytest.mark.parametrize("engine", ["kernel", "simpy"])
STEPS: dict[str, Any] = {"token_s": 1e-6, "kv_s": 0.0, "attention_s": 0.0, "host_s": 0.0, "floor_s": 1 / 64}
BLOCK = 512


@pytest.fixture
def trace(tmp_path):
    def written(rows: list[tuple[float, list[int]]], output: int = 2) -> dict:
        """Requests of whole blocks: time [s] and the blocks' hashes."""
        path = tmp_path / "trace.jsonl"
        lines = (
            {
                "timestamp": 1000 * t,
                "input_length": BLOCK * len(ids),
                "output_length": output,
                "hash_ids": ids,
            }
            for t, ids in rows
        )
        path.write_text("\n".join(map(json.dumps, lines)))
        return {"process": "trace", "path": str(path)}

    return written


def run(engine: str, arrivals: dict, router: str = "prefix-aware", replicas: int = 2, **pool) -> RunMetrics:
    scheduler = {"max_batch": 8, "token_budget": 8192}
    made = scenario(
        [{"arrivals": arrivals, "lengths": "trace"}],
        [{"replicas": replicas, "prefix_cache": True, "scheduler": scheduler, **pool}],
        router=router,
        duration=1000.0,
    )
    return run_plans(plans(made, [cost(**STEPS, max_batch=8)]), engine=engine, log_requests=1000)


def replicas_of(metrics: RunMetrics) -> list[int]:
    return np.sort(metrics.calls, order="id")["replica"].tolist()


@ENGINES
def test_a_call_goes_where_its_beginning_is(engine, trace):
    # the second finds nothing anywhere, and replica 0 idle again: ties go to it; the third's beginning is there
    metrics = run(engine, trace([(0, [1, 2]), (0, [3, 4]), (10, [3, 4, 5]), (20, [1, 2, 6])]))
    assert replicas_of(metrics) == [0, 1, 1, 0]
    assert metrics.windows[:, :, S.CACHE_HIT].sum() == 2 * 2 * BLOCK


@ENGINES
def test_a_full_replica_is_passed_over_where_that_is_less_to_compute(engine, trace):
    # at 10 s replica 0 holds 4 blocks of the running call; what a call would find there is 1 of 2
    long = trace([(0, [1]), (10, [1, 7, 8, 9]), (10.005, [1, 2])], output=64)
    assert replicas_of(run(engine, long)) == [0, 0, 1]


@ENGINES
def test_without_caches_it_is_least_kv(engine, trace):
    rows = trace([(0.1 * i, [i, i + 100, i % 3]) for i in range(40)], output=30)
    aware = run(engine, rows, prefix_cache=False, replicas=3)
    least = run(engine, rows, "least-kv", prefix_cache=False, replicas=3)
    np.testing.assert_array_equal(aware.calls, least.calls)


def test_it_finds_more_than_routers_that_do_not_look(trace):
    groups = np.random.default_rng(5).integers(0, 100, 800).tolist()
    arrivals = trace([(0.05 * i, [g, g + 200, 1000 + i]) for i, g in enumerate(groups)], output=50)
    found = {
        router: float(run("kernel", arrivals, router, replicas=4).windows[:, :, S.CACHE_HIT].sum())
        for router in ("round-robin", "least-outstanding", "least-kv", "prefix-aware")
    }
    assert found["prefix-aware"] > 1.05 * max(v for k, v in found.items() if k != "prefix-aware")
