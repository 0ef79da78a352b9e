"""What drafting and verifying cost, against the step costs that they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.catalog.shapes import embedding_parameters, expert_parameters, parameters_total
from sim.catalog.types import Model
from sim.cost.deployment import Deployment
from sim.cost.speculation import Draft, one_layer, speculative_cost
from sim.cost.step import step_cost

CHIP = accelerator("H100-SXM-80GB")
LLAMA, SMALL = model("Llama-3.1-70B"), model("Llama-3.2-1B")
DEPLOYED = Deployment(precision="fp8", tensor_parallel=4)
SIZES: dict[str, Any] = {"max_batch": 64, "max_step_tokens": 2048}


def tau(acceptance: float, length: int) -> float:
    return sum(acceptance**i for i in range(length + 1))


def drafted(length: int = 3, acceptance: float = 0.7, small: Model | None = SMALL, **sizes):
    draft = Draft(small, length, tau(acceptance, length))
    return speculative_cost(LLAMA, CHIP, DEPLOYED, draft, **{**SIZES, **sizes})


def decode_s(cost, n: int, context: float = 1024.0) -> float:
    work_s = cost.token_s[n * cost.width] + cost.sequence_s[n] + cost.kv_s[n] * n * context
    return max(work_s, cost.host_s[n])


def test_tokens_per_step_are_a_multiple_that_sums_exactly():
    cost = drafted()
    assert cost.width == 4
    assert cost.tokens_per_step == pytest.approx(2.533, abs=1 / 2048)
    assert cost.tokens_per_step * 1024 == round(cost.tokens_per_step * 1024)
    assert drafted(acceptance=0.0).tokens_per_step == 1.0
    assert drafted(acceptance=1.0).tokens_per_step == 4.0


def test_one_sequence_costs_a_verification_and_the_passes_of_the_draft():
    plain = step_cost(LLAMA, CHIP, DEPLOYED, **SIZES)
    cost = drafted()
    # verifying four positions takes about as long as one: weights are read once; the draft adds three small passes
    alone = step_cost(SMALL, CHIP, DEPLOYED, **SIZES)
    pass_s = alone.token_s[1]
    assert decode_s(plain, 1) + 3 * 0.5 * pass_s < decode_s(cost, 1) < decode_s(plain, 1) + 3 * 2 * pass_s


def test_it_pays_at_small_batches_and_less_at_large_ones():
    plain = step_cost(LLAMA, CHIP, DEPLOYED, max_batch=512, max_step_tokens=2048)
    cost = drafted(max_batch=512)
    speedup = [decode_s(plain, n) * cost.tokens_per_step / decode_s(cost, n) for n in (1, 64, 512)]
    assert speedup[0] > 1.5
    assert speedup[0] > speedup[1] > speedup[2]


def test_a_step_of_prompts_alone_drafts_nothing_but_the_draft_reads_them():
    plain = step_cost(LLAMA, CHIP, DEPLOYED, **SIZES)
    cost = drafted()
    assert cost.sequence_s[0] == plain.sequence_s[0]
    assert plain.token_s[2000] < cost.token_s[2000] < 1.2 * plain.token_s[2000]
    assert cost.attention_s > plain.attention_s


def test_the_draft_takes_memory():
    plain, cost = step_cost(LLAMA, CHIP, DEPLOYED, **SIZES), drafted()
    assert cost.memory.kv_capacity_tokens < plain.memory.kv_capacity_tokens
    # Llama-3.2-1B has 16 layers of 8 KV heads of 64: a tenth of the 80 of 128
    assert cost.memory.kv_bytes_per_token == pytest.approx(1.1 * plain.memory.kv_bytes_per_token)
    assert cost.memory.weights_bytes > plain.memory.weights_bytes


def test_energy_of_a_token_falls_where_drafts_are_accepted_and_rises_where_not():
    plain, good, bad = (
        step_cost(LLAMA, CHIP, DEPLOYED, **SIZES),
        drafted(acceptance=0.9),
        drafted(acceptance=0.1),
    )

    def token_j(cost) -> float:
        n, kv = 4, 4 * 1024.0
        step_j = (
            cost.token_j[n * cost.width]
            + cost.sequence_j * n
            + cost.kv_j * kv
            + cost.static_w * decode_s(cost, n)
        )
        return step_j / n / cost.tokens_per_step

    assert token_j(good) < token_j(plain) < token_j(bad)


def test_energies_count_every_pass_of_the_draft():
    one, three = drafted(length=1, acceptance=0.0), drafted(length=3, acceptance=0.0)
    n = 8
    assert three.token_j[n * 4] > one.token_j[n * 2]
    assert three.kv_j > one.kv_j
    assert (np.diff(three.token_j) >= 0).all()


@pytest.mark.parametrize("name", ["DeepSeek-V3", "Llama-3.1-70B", "gpt-oss-120b", "Nemotron-Nano-9B-v2"])
def test_one_layer_has_the_parameters_of_a_layer(name):
    whole = model(name)
    layer = one_layer(whole)
    assert layer.layers == 1 and layer.recurrent is None and layer.window == 0
    parameters = parameters_total(layer) - embedding_parameters(layer)
    if whole.moe is None:
        assert parameters < 2.5 * (parameters_total(whole) - embedding_parameters(whole)) / whole.layers
    else:
        assert parameters > whole.moe.experts * expert_parameters(whole)


def test_a_layer_of_the_model_shares_its_head():
    shared, own = drafted(small=None), drafted()
    assert shared.memory.weights_bytes < own.memory.weights_bytes + 0.5e9
    head_bytes = LLAMA.vocab * LLAMA.hidden * 2 / 4
    plain = step_cost(LLAMA, CHIP, DEPLOYED, **SIZES)
    assert shared.memory.weights_bytes - plain.memory.weights_bytes < head_bytes


def test_a_power_cap_slows_a_step_that_verifies_no_less_than_one_that_does_not():
    from sim.cost.dvfs import SLOW_CLOCK, capped

    full, slow = drafted(), drafted(clock=SLOW_CLOCK)
    held = capped(full, 450.0, slow=slow, tdp_w=CHIP.tdp_w, typical_context=1024.0)
    assert (held.width, held.tokens_per_step) == (full.width, full.tokens_per_step)
    assert decode_s(held, 64) > decode_s(full, 64)
