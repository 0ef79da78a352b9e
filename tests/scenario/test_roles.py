"""Which roles pools may have, and what drafts are allowed."""

from __future__ import annotations

import pytest

from sim.errors import ScenarioError
from sim.scenario.load import build

WORKLOAD = {
    "model": "Llama-3.1-70B",
    "arrivals": {"process": "poisson", "rate_per_s": 1},
    "lengths": {"kind": "fixed", "input": 100, "output": 20},
}
POOL = {"accelerator": "H100", "model": "Llama-3.1-70B", "precision": "fp8", "tensor_parallel": 4}


def made(*pools):
    return build(
        {"name": "x", "duration": "1 min", "workload": [WORKLOAD], "pool": [{**POOL, **p} for p in pools]}
    )


def faults(*pools) -> str:
    with pytest.raises(ScenarioError) as error:
        made(*pools)
    return "\n".join(f"{f.path}: {f.message} {f.hint}" for f in error.value.faults)


PREFILL, DECODE = {"role": "prefill"}, {"role": "decode"}


def test_both_is_what_a_pool_does_by_itself():
    assert made({"role": "both"}) == made({})
    assert made({}).pools[0].role is None


def test_roles_that_go_together():
    pools = made({**PREFILL, "transfer": {"latency": "2 ms", "overlap": 0.5}}, DECODE, DECODE).pools
    assert [p.role for p in pools] == ["prefill", "decode", "decode"]
    assert pools[0].transfer is not None and pools[0].transfer.latency_s == 0.002


@pytest.mark.parametrize(
    ("pools", "words"),
    [
        ((PREFILL,), 'pool[0].role: no pool of "Llama-3.1-70B" has role = "decode"'),
        ((DECODE, DECODE), 'has role = "prefill"'),
        ((PREFILL, DECODE, {}), "pool[2].role: the pools of"),
        (({**PREFILL, "scheduler": {"kind": "static"}}, DECODE), "pool[0].scheduler.kind: static batches"),
        ((PREFILL, {**DECODE, "scheduler": {"queue_limit": 3}}), "pool[1].scheduler.queue_limit"),
        (({**PREFILL, "scheduler": {"kv_reserve": "full"}}, DECODE), "pool[0].scheduler.kv_reserve"),
        ((PREFILL, {**DECODE, "prefix_cache": True}), "pool[1].prefix_cache"),
        ((PREFILL, {**DECODE, "kv_precision": "fp8"}), "pool[1].kv_precision: fp8 cannot take over the bf16"),
        ((PREFILL, {**DECODE, "transfer": {}}), "pool[1].transfer: only a pool that prefills"),
        (({"transfer": {}},), "pool[0].transfer"),
        (({**PREFILL, "failures": {}}, DECODE), "pool[0].failures: pools that prefill and decode apart"),
        (({**PREFILL, "adapters": {"count": 10}}, DECODE), "pool[0].adapters"),
        (({"role": "decoding"},), "pool[0].role"),
    ],
)
def test_what_contradicts_itself_is_told(pools, words):
    assert words in faults(*pools)


DRAFT = {"draft": "Llama-3.2-1B", "length": 3, "acceptance": 0.7}


def test_drafts():
    (pool,) = made({"speculation": DRAFT}).pools
    assert pool.speculation is not None
    assert pool.speculation.tokens_per_step == pytest.approx((1 - 0.7**4) / (1 - 0.7))
    assert (
        made({"speculation": {"method": "eagle", "length": 1, "acceptance": 1}}).pools[0].speculation
        is not None
    )


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        ({"speculation": {**DRAFT, "draft": "Llama-3.2-1"}}, "did you mean"),
        ({"speculation": {"length": 3, "acceptance": 0.7}}, "speculation.draft: is needed"),
        ({"speculation": {**DRAFT, "method": "mtp"}}, "speculation.draft: has no meaning"),
        ({"speculation": {**DRAFT, "draft": "Mistral-7B"}}, "vocabulary of 32,000 tokens"),
        ({"speculation": {**DRAFT, "acceptance": 1.2}}, "acceptance"),
        ({"speculation": DRAFT, "scheduler": {"kind": "static"}}, "static batches do not speculate"),
        ({"speculation": DRAFT, "cost_model": "silicon"}, "measured kernels do not cover verification"),
        ({"speculation": DRAFT, "pipeline_parallel": 2}, "pipeline stages"),
        ({"speculation": DRAFT, "scheduler": {"token_budget": 600}}, "raise token_budget to 1024"),
    ],
)
def test_drafts_that_cannot_be(pool, words):
    assert words in faults(pool)


def test_a_pool_that_prefills_does_not_draft():
    assert "drafts are for decoding" in faults({**PREFILL, "speculation": DRAFT}, DECODE)
