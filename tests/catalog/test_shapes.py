"""Parameters, cache and FLOPs: published totals, and figures worked by hand."""

from __future__ import annotations

import pytest

from sim.catalog.models import model, models
from sim.catalog.shapes import (
    attention_flops_per_context_token,
    attention_parameters_per_layer,
    embedding_parameters,
    ffn_parameters_per_layer,
    flops_per_token,
    kv_bytes_per_token,
    parameters_active,
    parameters_total,
    state_bytes_per_sequence,
)

# name, total, active (billions, embeddings included), KV bytes per token at 16 bits: as published.
PUBLISHED = [
    ("GPT-J-6B", 6.05, 6.05, 458_752),
    ("OPT-66B", 65.7, 65.7, 2_359_296),
    ("GPT-3-175B", 174.6, 174.6, 4_718_592),
    ("Llama-2-7B", 6.74, 6.74, 524_288),
    ("Llama-2-13B", 13.0, 13.0, 819_200),
    ("Llama-2-70B", 69.0, 69.0, 327_680),
    ("Llama-3.1-8B", 8.03, 8.03, 131_072),
    ("Llama-3.1-70B", 70.6, 70.6, 327_680),
    ("Llama-3.1-405B", 405.9, 405.9, 516_096),
    ("Mistral-7B", 7.24, 7.24, 131_072),
    ("Mixtral-8x7B", 46.7, 12.9, 131_072),
    ("Mixtral-8x22B", 140.6, 39.2, 229_376),
    ("Qwen2.5-7B", 7.62, 7.62, 57_344),
    ("Qwen2.5-32B", 32.8, 32.8, 262_144),
    ("Qwen2.5-72B", 72.7, 72.7, 327_680),
    ("Qwen3-8B", 8.19, 8.19, 147_456),
    ("Qwen3-32B", 32.8, 32.8, 262_144),
    ("Qwen3-30B-A3B", 30.5, 3.35, 98_304),
    ("Qwen3-235B-A22B", 235.1, 22.2, 192_512),
    ("Yi-6B", 6.06, 6.06, 65_536),
    ("Yi-34B", 34.4, 34.4, 245_760),
    ("DeepSeek-V2", 235.7, 21.4, 69_120),
    ("DeepSeek-V3", 671.0, 37.6, 70_272),
    ("gpt-oss-120b", 116.8, 5.7, 73_728),
    ("gpt-oss-20b", 20.9, 4.2, 49_152),
    ("GPT-4-rumour", 1800.0, 280.0, 61_440),
]


@pytest.mark.parametrize("name, total, active, kv", PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_published_figures(name, total, active, kv):
    entry = model(name)
    assert parameters_total(entry) == pytest.approx(total * 1e9, rel=0.01)
    assert parameters_active(entry) == pytest.approx(active * 1e9, rel=0.01)
    assert kv_bytes_per_token(entry) == kv


@pytest.mark.parametrize("entry", models().values(), ids=models())
def test_every_model_reproduces_what_it_states(entry):
    assert parameters_total(entry) == pytest.approx(entry.published_total, rel=0.01)
    assert kv_bytes_per_token(entry) == entry.published_kv_bytes_per_token
    if entry.published_active:
        assert parameters_active(entry) == pytest.approx(entry.published_active, rel=0.01)
    if entry.moe is None:
        assert parameters_active(entry) == parameters_total(entry)
    else:
        assert parameters_active(entry) < 0.5 * parameters_total(entry)


def test_llama_8b_by_hand():
    m = model("Llama-3.1-8B")
    assert attention_parameters_per_layer(m) == 4096 * 128 * (2 * 32 + 2 * 8)
    assert ffn_parameters_per_layer(m) == 3 * 4096 * 14336
    assert embedding_parameters(m) == 2 * 128256 * 4096
    assert parameters_total(m) == 32 * (41_943_040 + 176_160_768) + 1_050_673_152
    assert flops_per_token(m) == 2 * (32 * (41_943_040 + 176_160_768) + 128256 * 4096)
    assert attention_flops_per_context_token(m) == 4 * 32 * 128 * 32
    assert kv_bytes_per_token(m, 1.0) == 32 * 2 * 8 * 128


def test_tied_head_is_multiplied_though_stored_once():
    m = model("Qwen3-1.7B")
    assert m.tied
    assert embedding_parameters(m) == 151936 * 2048
    assert flops_per_token(m) == 2 * parameters_total(m)


def test_gpt_oss_without_the_input_embedding_has_5_1_billion_active():
    m = model("gpt-oss-120b")
    assert flops_per_token(m) / 2 == pytest.approx(5.1e9, rel=0.01)
    assert flops_per_token(model("gpt-oss-20b")) / 2 == pytest.approx(3.6e9, rel=0.01)


def test_deepseek_v3_by_hand():
    m = model("DeepSeek-V3")
    query = 7168 * 1536 + 1536 * 128 * 192
    cache = 7168 * 576 + 512 * 128 * 256
    assert attention_parameters_per_layer(m) == query + cache + 128 * 128 * 7168
    expert = 3 * 7168 * 2048
    assert ffn_parameters_per_layer(m, "moe") == 257 * expert + 7168 * 256
    assert ffn_parameters_per_layer(m, "moe_active") == 9 * expert + 7168 * 256
    assert attention_flops_per_context_token(m) == 61 * 2 * 128 * (2 * 512 + 64)


def test_latent_attention_without_query_compression():
    m = model("DeepSeek-V2-Lite")
    assert m.latent and m.latent.q_rank == 0
    expected = 2048 * 16 * 192 + 2048 * 576 + 512 * 16 * 256 + 16 * 128 * 2048
    assert attention_parameters_per_layer(m) == expected


def test_hybrid_by_hand():
    m = model("Nemotron-Nano-9B-v2")
    mamba = 4480 * (2 * 10240 + 2 * 8 * 128 + 128) + 10240 * 4480
    assert m.recurrent and m.recurrent.parameters == pytest.approx(mamba, rel=0.001)
    assert kv_bytes_per_token(m) == 4 * 2 * 8 * 128 * 2
    assert state_bytes_per_sequence(m) == 27 * m.recurrent.state_bytes
    assert state_bytes_per_sequence(model("Llama-2-7B")) == 0.0


def test_experts_of_a_dense_model_are_refused():
    with pytest.raises(ValueError, match="has no experts"):
        ffn_parameters_per_layer(model("Llama-2-7B"), "moe")
