"""Bytes and time of adapters, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.cost.adapters import Adapters, adapter_bytes, distinct, popularity, with_adapters
from sim.cost.deployment import Deployment
from sim.cost.step import step_cost
from sim.errors import ScenarioError

SOME = Adapters(
    count=1000, rank=16, places=32, zipf=1.0, all_linear=False, load_bytes_per_s=25e9, step_s=0.002
)
LLAMA, H100 = model("Llama-3.1-8B"), accelerator("H100-SXM-80GB")


def test_zipf_by_hand():
    assert popularity(3, 1.0) == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    assert popularity(4, 0.0) == pytest.approx([0.25] * 4)


def test_distinct_adapters_of_a_batch():
    p = popularity(3, 1.0)
    by_hand = [sum(1 - (1 - q) ** n for q in p) for n in range(4)]
    assert distinct(p, np.arange(4)) == pytest.approx(by_hand)
    assert distinct(p, np.array([0, 1])) == pytest.approx([0, 1])
    assert distinct(popularity(1, 1.0), np.array([0, 1, 7])) == pytest.approx([0, 1, 1])


def test_bytes_of_an_adapter_of_llama_8b():
    # 32 layers, hidden 4096, 32 heads and 8 KV heads of 128: q and o are 4096 x 4096, k and v 4096 x 1024
    attention = 32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024))
    assert adapter_bytes(LLAMA, SOME) == 2 * attention == 27_262_976
    feed_forward = 32 * 16 * 3 * (4096 + 14_336)
    assert adapter_bytes(LLAMA, replace(SOME, all_linear=True)) == 2 * (attention + feed_forward)


@pytest.mark.parametrize(("name", "linear"), [("DeepSeek-V3", False), ("Mixtral-8x7B", True)])
def test_unknown_matrices_are_refused(name, linear):
    with pytest.raises(ScenarioError, match="adapters"):
        adapter_bytes(model(name), replace(SOME, all_linear=linear))


def costs(d: Deployment, adapters: Adapters | None = SOME):
    plain = step_cost(LLAMA, H100, d, max_batch=64, max_step_tokens=256)
    return plain, with_adapters(plain, adapters, LLAMA, H100, d)


@pytest.mark.parametrize("tensor", [1, 2, 4])
def test_a_replica_with_adapters_loads_reads_and_holds_its_share_of_them(tensor):
    d = Deployment(tensor_parallel=tensor)
    plain, served = costs(d)
    each = adapter_bytes(LLAMA, SOME) / tensor
    assert served.adapter_load_s == pytest.approx(each / 25e9)
    assert served.token_s[0] == plain.token_s[0]
    assert served.token_s[1:] - plain.token_s[1:] == pytest.approx(0.002)
    reading = served.sequence_s - plain.sequence_s
    assert reading[0] == 0
    # no faster than the datasheet, and within a factor of two of it
    least_s = each / H100.memory_bytes_per_s
    assert least_s <= reading[1] <= 2 * least_s
    assert reading[10] == pytest.approx(reading[1] * distinct(popularity(1000, 1.0), np.array([10]))[0])
    lost = plain.memory.kv_capacity_tokens - served.memory.kv_capacity_tokens
    assert lost == pytest.approx(32 * each / plain.memory.kv_bytes_per_token, abs=1.5)


def test_a_batch_has_no_more_adapters_than_places():
    d = Deployment()
    plain, served = costs(d, replace(SOME, places=4))
    reading = served.sequence_s - plain.sequence_s
    assert reading[64] == pytest.approx(4 * reading[1])


def test_places_limit_the_batch():
    p = popularity(1000, 1.0)
    served = costs(Deployment(), replace(SOME, places=16))[1]
    n = served.most_sequences
    assert distinct(p, np.array([math.floor(n), math.ceil(n)])) == pytest.approx([16, 16], abs=1)
    assert math.isinf(costs(Deployment(), replace(SOME, places=64))[1].most_sequences)
    assert math.isinf(costs(Deployment(), replace(SOME, count=4, places=4))[1].most_sequences)


def test_no_adapters_change_nothing():
    plain, same = costs(Deployment(), None)
    assert same is plain


def test_adapters_that_leave_no_room_are_refused():
    with pytest.raises(ScenarioError, match="leave no room"):
        costs(Deployment(), replace(SOME, places=1000, rank=512))
    assert math.isfinite(costs(Deployment())[1].memory.kv_bytes)
