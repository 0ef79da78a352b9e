from __future__ import annotations

import pytest

from sim.cost.deployment import Deployment, Limits
from sim.cost.memory import activation_bytes, memory_budget, weight_bytes
from sim.errors import ScenarioError
from tests.cost.examples import DEEPSEEK_V3, GIB, GPT_OSS_120B, H100, HYBRID, LLAMA_8B, LLAMA_70B, MIXTRAL

LIMITS = Limits(max_batch=256, max_step_tokens=2048)


def budget(model, deployment, limits=LIMITS, rule="card", reserve_bytes=1.5e9):
    return memory_budget(model, H100, deployment, limits, memory_rule=rule, reserve_bytes=reserve_bytes)


def test_weights_by_hand():
    # (68.451 + 2 x 1.0507) G x 2 B / 4 = 35.276 GB
    assert weight_bytes(LLAMA_70B, Deployment(tensor_parallel=4)) == pytest.approx(35.276e9, rel=1e-4)
    # fp8: layers in 1 byte, head and embedding in 2: (68.451 + 4.2027) / 4
    fp8 = Deployment(precision="fp8", tensor_parallel=4)
    assert weight_bytes(LLAMA_70B, fp8) == pytest.approx(18.163e9, rel=1e-4)


def test_pipeline_stage_holds_the_larger_part():
    # 80 layers over 3 stages: 27 in the largest; one vocabulary table of 1.0507 G x 2 B
    held = weight_bytes(LLAMA_70B, Deployment(pipeline_parallel=3))
    assert held == pytest.approx(68.451e9 * 2 * 27 / 80 + 2.1013e9, rel=1e-4)


def test_attention_copies_hold_everything_but_experts():
    spread = Deployment(precision="fp8", attention_data_parallel=8, expert_parallel=8)
    cut = Deployment(precision="fp8", tensor_parallel=8)
    # DeepSeek-V3: 653.9 G of routed experts are spread either way; the rest is copied, not cut
    experts = 58 * 256 * 3 * 7168 * 2048
    assert weight_bytes(DEEPSEEK_V3, spread) - experts / 8 == pytest.approx(
        8 * (weight_bytes(DEEPSEEK_V3, cut) - experts / 8)
    )


def test_mxfp4_keeps_all_but_experts_in_16_bits():
    # 36 x 128 x 3 x 2880 x 2880 = 114.66 G experts at 4.25 bits = 60.9 GB; the rest about 2.1 G at 16
    assert weight_bytes(GPT_OSS_120B, Deployment(precision="mxfp4")) == pytest.approx(65.2e9, rel=0.01)


def test_budget_of_the_card_by_hand():
    found = budget(LLAMA_70B, Deployment(tensor_parallel=4, memory_fraction=0.9))
    total = 80 * GIB
    # activations: 2048 x (4 x 8192 + (64 + 16) x 128 / 4 + 3 x 28672 / 4) x 2 B + 256 x 128256 x 8 B
    active = 2048 * (32768 + 2560 + 21504) * 2 + 256 * 128256 * 8
    kv = 0.9 * total - 1.5e9 - 35.276e9 - active
    assert found.activation_bytes == pytest.approx(active)
    assert found.kv_bytes == pytest.approx(kv, rel=1e-3)
    assert found.kv_bytes_per_token == 81_920
    assert found.kv_capacity_tokens == pytest.approx(kv / 81_920, rel=1e-3)
    parts = found.weights_bytes + found.reserve_bytes + found.activation_bytes + found.kv_bytes
    assert parts == pytest.approx(total)


def test_budget_of_the_rest_by_hand():
    found = budget(LLAMA_70B, Deployment(tensor_parallel=4), rule="rest", reserve_bytes=2.5e9)
    left = 80 * GIB - 2.5e9 - found.weights_bytes - found.activation_bytes
    assert found.kv_bytes == pytest.approx(0.9 * left)


def test_each_attention_copy_adds_kv_room():
    one = budget(LLAMA_8B, Deployment())
    two = budget(LLAMA_8B, Deployment(attention_data_parallel=2))
    assert two.kv_capacity_tokens > 2 * one.kv_capacity_tokens * 0.99


def test_states_are_set_aside_for_the_whole_batch():
    # 32 layers x 2 MB = 64 MB per sequence, 256 sequences: 16.4 GB less for the cache
    found = budget(HYBRID, Deployment())
    free = found.kv_bytes - found.kv_capacity_tokens * found.kv_bytes_per_token
    assert found.state_bytes_per_sequence == 64e6
    assert free == pytest.approx(256 * 64e6, abs=found.kv_bytes_per_token)


def test_more_tensor_parallel_never_holds_more_weights():
    for model in (LLAMA_70B, MIXTRAL, DEEPSEEK_V3, GPT_OSS_120B, HYBRID):
        held = [weight_bytes(model, Deployment(tensor_parallel=tp)) for tp in (1, 2, 4, 8, 16)]
        assert held == sorted(held, reverse=True)


def test_activations_grow_with_tokens_and_shrink_with_cuts():
    few = activation_bytes(MIXTRAL, Deployment(), Limits(256, 1024))
    many = activation_bytes(MIXTRAL, Deployment(), Limits(256, 8192))
    assert many > few
    assert activation_bytes(MIXTRAL, Deployment(tensor_parallel=4), Limits(256, 8192)) < many


def test_a_model_too_large_says_what_is_missing_and_what_fits():
    with pytest.raises(ScenarioError) as caught:
        budget(LLAMA_70B, Deployment())
    fault = caught.value.faults[0]
    # 141.1 GB of weights, 0.1 x 85.9 + 1.5 of reserve, activations .82 and 256 tokens of KV, on 85.9 GB
    assert "66.2 GB short" in fault.message
    assert "weights 141.1" in fault.message
    assert fault.hint == "the smallest tensor_parallel that fits is 2"
    budget(LLAMA_70B, Deployment(tensor_parallel=2))


def test_two_cards_barely_hold_70b():
    # 70.55 GB of weights on each, 10.1 of reserve and 0.6 of activations leave under 5 GB; at 0.8, none
    assert budget(LLAMA_70B, Deployment(tensor_parallel=2)).kv_capacity_tokens < 40_000
    with pytest.raises(ScenarioError, match="smallest tensor_parallel that fits is 4"):
        budget(LLAMA_70B, Deployment(tensor_parallel=2, memory_fraction=0.8))


def test_nothing_fits_says_so():
    with pytest.raises(ScenarioError, match="use pipeline_parallel"):
        budget(DEEPSEEK_V3, Deployment(memory_fraction=0.01))
