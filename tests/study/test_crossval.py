from __future__ import annotations

import numpy as np
import pytest

from sim.cost.calibration import prior_catalog
from sim.study.crossval import cross_validate
from sim.study.fit import Problem, fit
from sim.study.held_out import expected_errors, metric_kind, summary
from sim.study.observe import Pool, observations
from sim.study.tree import TIMING
from sim.study.validate import read_files
from tests.study.measured import CLOSED, STATIC, write_rows


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    rows = [
        {**base, "accelerator": chip, "framework": framework, "value": value, "batch_or_concurrency": c}
        for base, framework in ((CLOSED, "vllm 0.18"), (STATIC, "vLLM 0.5"))
        for chip, value in (("H100", "40"), ("A100-80GB", "60"))
        for c in ("4", "16")
    ]
    path = write_rows(tmp_path_factory.mktemp("cv") / "m.csv", rows)
    seen = observations(read_files([path]).answered, ("tpot_ms", "latency_ms"))
    problem = Problem(seen, TIMING, prior_catalog())
    with Pool(seen, TIMING, prior_catalog(), 1) as pool:
        _, line = fit(problem, pool, 2)
        return len(seen), cross_validate(problem, line, pool, prior_catalog(), lambda _: None)


def test_every_observation_is_left_out_once_in_each_way(held):
    count, found = held
    for kind in ("accelerator x model", "stack", "generation"):
        part = [h for h in found if h.kind == kind]
        assert len(part) == len({id(h.observation) for h in part}) == count
        assert all(np.isfinite(h.predicted).all() for h in part)


def test_a_left_out_stack_is_not_seen(held):
    for h in held[1]:
        if h.kind == "stack":
            assert h.group == h.observation.place.stack
            assert not h.seen_stack


def test_the_summary_counts_rows_and_errors(held):
    count, found = held
    table = summary(found)
    everything = [r for r in table if r["by"] == "all" and r["left_out"] == "stack"]
    assert sum(r["rows"] for r in everything) == count
    assert all(0 <= r["median_ape"] <= r["p90_ape"] for r in everything)
    expected = expected_errors(found)
    assert set(expected) == {"measured", "same family", "datasheet only"}
    assert expected["same family"]["tpot"] > 0


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ("ttft_ms_p50", "ttft"),
        ("tpot_ms", "tpot"),
        ("tokens_per_s_output", "throughput"),
        ("output_tokens_per_s_per_gpu", "throughput"),
        ("joules_per_request", "energy"),
        ("gpu_joules_per_batch", "energy"),
        ("latency_ms", "latency"),
    ],
)
def test_kinds_of_metrics(metric, kind):
    assert metric_kind(metric) == kind
