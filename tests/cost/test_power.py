from __future__ import annotations

from dataclasses import replace

import pytest

from sim.cost.calibration import prior_catalog
from sim.cost.coefficients import coefficients
from sim.cost.power import energy
from tests.cost.examples import DEEPSEEK_V3, H100, LLAMA_70B, MIXTRAL

FITTED = coefficients("hopper", "vllm-2025", "bf16", prior_catalog())


def test_h100_joules_by_hand():
    # 2.23 x 700 W / 989 TFLOP/s = 1.58 pJ/FLOP;  0.66 x 700 W / 3.35 TB/s = 138 pJ/B;  0.22 x 700 W = 154 W
    e = energy(LLAMA_70B, H100, FITTED, "bf16")
    assert e.linear_flop_j == e.attention_flop_j == pytest.approx(1.58e-12, rel=2e-3)
    assert e.byte_j == pytest.approx(137.9e-12, rel=2e-3)
    assert e.serving_w == pytest.approx(154)
    # bare idle 70 W and a context, 0.07 x 700 W
    assert e.idle_w == pytest.approx(119)


def test_a_narrower_product_costs_its_share_of_peak():
    e = energy(LLAMA_70B, H100, FITTED, "fp8")
    assert e.linear_flop_j == pytest.approx(e.attention_flop_j * 989 / 1979)


def test_fine_experts_draw_more_and_coarse_ones_do_not():
    dense, coarse, fine = (energy(m, H100, FITTED, "bf16") for m in (LLAMA_70B, MIXTRAL, DEEPSEEK_V3))
    assert coarse == dense
    assert fine.linear_flop_j / dense.linear_flop_j == pytest.approx((2.23 + 4.3) / 2.23)


def test_square_root_rule_between_chips_of_a_generation():
    # Twice the bandwidth at the same TDP: sqrt(2) of the share of TDP at full rate, so 1/sqrt(2) of a byte
    faster = replace(H100, memory_bytes_per_s=2 * H100.memory_bytes_per_s)
    slow, fast = (energy(LLAMA_70B, chip, FITTED, "bf16") for chip in (H100, faster))
    assert fast.byte_j == pytest.approx(slow.byte_j / 2**0.5)
    assert fast.linear_flop_j == slow.linear_flop_j


def test_serving_draws_more_than_resting():
    e = energy(LLAMA_70B, H100, FITTED, "bf16")
    assert H100.idle_w < e.idle_w < e.serving_w < H100.tdp_w
