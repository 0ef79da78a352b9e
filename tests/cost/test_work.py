from __future__ import annotations

import math

import numpy as np
import pytest

from sim.catalog.types import LatentAttention
from sim.cost.work import (
    attention_work,
    block_parts,
    busiest,
    busiest_share,
    cache,
    full_and_window_layers,
    touched_fraction,
    weights,
)
from tests.cost.examples import DEEPSEEK_V3, FALCON_7B, GPT_OSS_120B, HYBRID, LLAMA_8B, LLAMA_70B, MIXTRAL


def test_llama_70b_parameters_by_hand():
    # attention: 8192 x 128 x (2 x 64 + 2 x 8) = 150,994,944;  FFN: 3 x 8192 x 28672 = 704,643,072
    # 80 layers of 855,638,016 = 68,451,041,280;  head and embedding 128256 x 8192 = 1,050,673,152 each
    w = weights(LLAMA_70B)
    assert w.dense == 68_451_041_280
    assert w.head == w.embedding == 1_050_673_152
    assert w.experts == w.active_experts == 0


@pytest.mark.parametrize(
    ("model", "total", "active"),
    [
        (LLAMA_8B, 8.03e9, 8.03e9),
        (LLAMA_70B, 70.6e9, 70.6e9),
        (MIXTRAL, 46.7e9, 12.9e9),
        (DEEPSEEK_V3, 671e9, 37.6e9),
        (GPT_OSS_120B, 116.8e9, 5.7e9),
    ],
    ids=lambda v: getattr(v, "name", None),
)
def test_parts_add_up_to_published_totals(model, total, active):
    w = weights(model)
    assert w.dense + w.experts + w.head + w.embedding == pytest.approx(total, rel=0.01)
    assert w.dense + w.active_experts + w.head + w.embedding == pytest.approx(active, rel=0.02)


def test_tied_embedding_is_held_once():
    assert weights(FALCON_7B).embedding == 0
    assert weights(FALCON_7B).head == 65024 * 4544


def test_touched_fraction_by_hand():
    # 8 experts, 2 per token: one token wakes 2/8; two tokens 1 - (6/8)^2 = 7/16
    assert touched_fraction(8, 2, 1.0) == pytest.approx(2 / 8)
    assert touched_fraction(8, 2, 2.0) == pytest.approx(7 / 16)
    assert touched_fraction(8, 2, 0.0) == 0
    assert touched_fraction(8, 8, 5.0) == 1


@pytest.mark.parametrize("tokens", [1, 3, 10, 40])
def test_touched_fraction_against_monte_carlo(tokens):
    rng, trials, experts, top_k = np.random.default_rng(1), 2000, 32, 4
    scores = rng.random((trials, tokens, experts))
    chosen = np.argpartition(scores, top_k, axis=2)[:, :, :top_k]
    woken = np.zeros((trials, experts), dtype=bool)
    np.put_along_axis(woken, chosen.reshape(trials, -1), True, axis=1)
    share = woken.mean(axis=1)
    standard_error = share.std(ddof=1) / math.sqrt(trials)
    assert abs(share.mean() - touched_fraction(experts, top_k, float(tokens))) < 4 * standard_error + 1e-12


@pytest.mark.parametrize(("tokens", "ranks"), [(64, 8), (512, 8), (512, 32)])
def test_busiest_rank_against_monte_carlo(tokens, ranks):
    # Tokens land on ranks uniformly.
    rng = np.random.default_rng(2)
    loads = rng.multinomial(tokens, [1 / ranks] * ranks, size=4000).max(axis=1).mean()
    mean = tokens / ranks
    assert busiest(mean, mean, ranks) == pytest.approx(loads, rel=0.05)


def test_busiest_of_one_is_the_mean():
    assert busiest(5.0, 3.0, 1) == 5.0


def test_busiest_share_deals_evenly():
    # 9 over 4 lanes: the fullest has 3; nothing counts as one
    assert busiest_share(np.array([0, 1, 4, 9]), 4) == pytest.approx([1, 1, 1 / 4, 3 / 9])


def test_kv_bytes_of_grouped_queries_by_hand():
    # 80 layers x 2 x 8 heads x 128 x 2 B = 327,680 B per token; halves until TP exceeds the 8 heads
    sizes = [cache(LLAMA_70B, tp, 2.0, 1024).token_bytes for tp in (1, 2, 8, 16)]
    assert sizes == [327_680, 163_840, 40_960, 40_960]
    assert cache(LLAMA_70B, 1, 1.0, 1024).token_bytes == 163_840


def test_one_kv_head_and_latent_cache_are_not_split():
    for model in (FALCON_7B, DEEPSEEK_V3):
        assert cache(model, 1, 2.0, 1024).token_bytes == cache(model, 8, 2.0, 1024).token_bytes
    # 61 layers x (512 + 64) x 2 B, the published 70,272 B per token
    assert cache(DEEPSEEK_V3, 1, 2.0, 1024).token_bytes == 70_272


def test_short_windows_are_constant_and_long_ones_full():
    assert full_and_window_layers(GPT_OSS_120B, 1024) == (18, 18)
    assert full_and_window_layers(GPT_OSS_120B, 100) == (36, 0)
    c = cache(GPT_OSS_120B, 1, 2.0, 1024)
    # one layer: 2 x 8 x 64 x 2 B = 2,048 B per token; 18 full layers; 18 windows of 128 tokens
    assert c.token_bytes == 18 * 2048
    assert c.sequence_bytes == c.sequence_traffic_bytes == 18 * 128 * 2048
    assert cache(GPT_OSS_120B, 1, 2.0, 100).token_bytes == 73_728


def test_recurrent_state_is_read_and_written():
    c = cache(HYBRID, 1, 2.0, 1024)
    assert c.token_bytes == 8 * 2 * 8 * 128 * 2
    assert c.sequence_bytes == 64e6
    assert c.sequence_traffic_bytes == 128e6
    assert cache(HYBRID, 4, 2.0, 1024).sequence_bytes == 16e6


def test_attention_flops_by_hand():
    # per pair, layer and head: q.k and p.v, 128 multiply-adds each = 512 FLOPs; 64 heads, 80 layers
    work = attention_work(LLAMA_70B, 1024)
    assert work.prefill_pair == work.decode_token == 512 * 64 * 80
    assert work.window_token == 0


def test_latent_attention_flops_by_hand():
    latent = DEEPSEEK_V3.latent
    assert isinstance(latent, LatentAttention)
    work = attention_work(DEEPSEEK_V3, 1024)
    # prefill: 2 x (128 + 64 + 128) per head; absorbed decode: 2 x (512 + 64 + 512) per head
    assert work.prefill_pair == 61 * 128 * 640
    assert work.decode_token == 61 * 128 * 2176


def test_block_parts():
    assert block_parts(LLAMA_70B) == 160
    # 8 attention, 32 recurrent, 40 FFN
    assert block_parts(HYBRID) == 80
