"""What a trace's prompts have in common, and the curve of hit rate against room."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sim.errors import UserError
from sim.report.cache_files import write_cache_curve
from sim.study.cache_curve import cache_curve, ideal, lru
from sim.workload.trace import Trace, read_trace
from tests.samples import ROOT

BLOCK = 512


def trace_of(path: Path, prompts: list[list[int]], gap_ms: float = 400.0, short: int = 0) -> Trace:
    lines = [
        {"timestamp": gap_ms * i, "input_length": BLOCK * len(p) - short, "output_length": 5, "hash_ids": p}
        for i, p in enumerate(prompts)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_trace(path)


def conversations(count: int, turns: int, blocks: int) -> list[list[int]]:
    """`count` conversations that take turns; each turn adds `blocks` blocks to what was said before."""
    return [[1000 * c + b for b in range(blocks * (t + 1))] for t in range(turns) for c in range(count)]


def test_hits_are_counted_from_the_front_and_without_gaps(tmp_path):
    found = ideal(trace_of(tmp_path / "t.jsonl", [[0, 1], [0, 1, 2], [3, 1], [0, 1], [0, 4, 2]]))
    assert (found.requests, found.blocks, found.hit_blocks) == (5, 12, 0 + 2 + 0 + 2 + 1)
    assert found.tokens == 12 * BLOCK
    assert found.hit_tokens == 5 * BLOCK - 1  # a prompt that is found whole computes its last token
    assert found.distinct_tokens == 5 * BLOCK


def test_the_last_block_is_as_long_as_the_prompt_leaves_it(tmp_path):
    found = ideal(trace_of(tmp_path / "t.jsonl", [[0, 1], [0, 1]], short=500))
    assert found.tokens == 2 * 524
    assert (found.hit_tokens, found.distinct_tokens) == (523, 524)


def test_least_recently_used_blocks_go_first_and_a_prompts_end_before_its_front(tmp_path):
    # room for three blocks: after [0, 1] and [2], 0 and 1 and 2; [3] evicts 1, the longest unused of them
    prompts = [[0, 1], [2], [3], [0, 1], [2]]
    trace = trace_of(tmp_path / "t.jsonl", prompts)
    assert lru(trace, 3 * BLOCK).hit_blocks == 1
    assert lru(trace, 4 * BLOCK).hit_blocks == 3
    assert lru(trace, 4 * BLOCK) == ideal(trace)


def test_more_room_never_finds_less(tmp_path):
    rng = np.random.default_rng(5)
    prompts = [
        [int(a), 10 + int(a), *(100 * i + b for b in range(3))] for i, a in enumerate(rng.integers(0, 9, 200))
    ]
    trace = trace_of(tmp_path / "t.jsonl", prompts)
    found = [lru(trace, n * BLOCK).hit_tokens for n in (0, 5, 10, 20, 40, 1000)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, ideal(trace).hit_tokens)


def test_a_trace_without_hashes_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,10,2\n1,20,1\n")
    with pytest.raises(UserError, match="hash_ids"):
        ideal(read_trace(path))


SCENARIO = ROOT / "scenarios" / "mooncake.toml"


@pytest.fixture(scope="module")
def curve(tmp_path_factory):
    path = tmp_path_factory.mktemp("curve") / "t.jsonl"
    trace = trace_of(path, conversations(count=12, turns=5, blocks=8))
    changes = [f"workload.0.arrivals.path={path}", "pool.0.accelerator=L4", "pool.0.tensor_parallel=2"]
    changes += ["pool.0.scheduler.token_budget=2048", "workload.0.slo.ttft=3 s"]
    report = cache_curve(SCENARIO, changes, fractions=(0.9, 0.4, 0.35), splits=(2,), chips=("L40S",))
    return report, trace


def series(report: dict, name: str) -> list[dict]:
    return [r for r in report["rows"] if r["series"] == name]


def test_with_room_for_all_the_replay_finds_what_the_file_allows(curve):
    report, trace = curve
    best = series(report, "room")[0]
    assert best["kv_tokens_per_replica"] > report["ideal"]["distinct_tokens"]
    assert best["hit_tokens"] == ideal(trace).hit_tokens
    assert best["hit_rate"] == pytest.approx(report["ideal"]["token_rate"], abs=1e-9)
    assert best["lru_hit_rate"] == best["hit_rate"]


def test_hits_fall_as_room_shrinks_and_prefill_is_what_was_not_found(curve):
    report, trace = curve
    room = series(report, "room")
    rates = [r["hit_rate"] for r in room]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0]
    for r in report["rows"]:
        assert r["completed"] == len(trace.arrival_s)
        assert r["preemptions"] == 0
        assert r["hit_tokens"] + r["prefill_computed"] == trace.input_tokens.sum()
        assert r["hit_rate"] <= report["ideal"]["token_rate"] + 1e-9


def test_a_cache_carries_more_load_at_less_cost(curve):
    report, _ = curve
    (without,), with_cache = series(report, "no cache"), series(report, "room")[0]
    assert with_cache["ttft_mean_s"] < without["ttft_mean_s"]
    assert with_cache["wh_per_request"] < without["wh_per_request"]
    assert with_cache["held"]["requests_per_s"] > without["held"]["requests_per_s"]
    assert with_cache["held"]["usd_per_request"] < without["held"]["usd_per_request"]
    assert with_cache["held"]["attainment"] >= report["attainment"]


def test_replicas_that_share_nothing_find_less(curve):
    report, _ = curve
    (split,) = series(report, "split")
    assert split["replicas"] == 2
    assert split["hit_rate"] < series(report, "room")[0]["hit_rate"]


def test_files(curve, tmp_path):
    pytest.importorskip("matplotlib")
    report, _ = curve
    write_cache_curve(report, tmp_path)
    rows = (tmp_path / "cache_curve.csv").read_text().splitlines()
    assert len(rows) == 1 + len(report["rows"])
    assert (tmp_path / "cache_curve.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_no_replay_is_refused():
    with pytest.raises(UserError, match="one workload that replays a trace"):
        cache_curve(ROOT / "scenarios" / "quickstart.toml")
