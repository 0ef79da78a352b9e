from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.cost.calibration import prior_catalog
from sim.cost.coefficients import coefficients
from sim.cost.deployment import Deployment, Limits
from sim.cost.power import Energy, energy, sequence_j, soft_limit_w, token_j
from sim.cost.setting import setting
from tests.cost.examples import DEEPSEEK_V3, H100, HYBRID, LLAMA_70B, MIXTRAL

FITTED = coefficients("hopper", "vllm-2025", "bf16", prior_catalog())


def test_h100_joules_by_hand():
    # 2.23 x 700 W / 989 TFLOP/s = 1.58 pJ/FLOP;  0.66 x 700 W / 3.35 TB/s = 138 pJ/B;  0.22 x 700 W = 154 W
    e = energy(H100, FITTED, "bf16")
    assert e.linear_flop_j == e.attention_flop_j == pytest.approx(1.58e-12, rel=2e-3)
    assert e.byte_j == pytest.approx(137.9e-12, rel=2e-3)
    assert e.serving_w == pytest.approx(154)
    # bare idle 70 W and a context, 0.07 x 700 W
    assert e.idle_w == pytest.approx(119)


def test_a_narrower_product_costs_its_share_of_peak():
    e = energy(H100, FITTED, "fp8")
    assert e.linear_flop_j == pytest.approx(e.attention_flop_j * 989 / 1979)


def flops_j(model, irregular):
    """Joules per token of a large step at one joule a FLOP and none a byte."""
    s = setting(model, H100, Deployment(), Limits(8, 4096, 1024.0), FITTED.coefficients)
    e = Energy(0.0, 1.0, 1.0, irregular, 0.0, 0.0)
    return float(np.diff(token_j(s, e, np.array([4095.0, 4096.0])))[0])


def test_fine_experts_and_recurrent_layers_draw_more_per_flop_and_others_do_not():
    for m in (LLAMA_70B, MIXTRAL):
        assert flops_j(m, 3.0) == flops_j(m, 1.0)
    experts = 2 * 8 * 3 * 7168 * 2048 * 58
    assert flops_j(DEEPSEEK_V3, 3.0) - flops_j(DEEPSEEK_V3, 1.0) == pytest.approx(2.0 * experts)
    assert flops_j(HYBRID, 3.0) - flops_j(HYBRID, 1.0) == pytest.approx(2.0 * 2 * 32 * 60e6)


def test_the_share_of_irregular_flops_is_the_coefficients_ratio():
    c = FITTED.coefficients
    assert energy(H100, FITTED, "bf16").irregular == pytest.approx(1 + c.irregular_power / c.flop_power)


@given(st.floats(1e-3, 5000.0), st.floats(50.0, 1500.0))
def test_the_soft_limit_lowers_and_keeps_order(power, tdp):
    drawn = soft_limit_w(power, tdp)
    assert 0 <= drawn <= min(power, tdp) * (1 + 1e-12)
    assert soft_limit_w(power + 1.0, tdp) >= drawn
    if power < 0.6 * tdp:
        assert drawn >= 0.98 * power


def test_a_sequence_costs_its_head_and_its_windows():
    s = setting(LLAMA_70B, H100, Deployment(), Limits(8, 64, 1024.0), FITTED.coefficients)
    assert sequence_j(s, Energy(0.0, 0.0, 1.0, 1.0, 1.0, 0.0)) == 2 * 128256 * 8192


def test_square_root_rule_between_chips_of_a_generation():
    # Twice the bandwidth at the same TDP: sqrt(2) of the share of TDP at full rate, so 1/sqrt(2) of a byte
    faster = replace(H100, memory_bytes_per_s=2 * H100.memory_bytes_per_s)
    slow, fast = (energy(chip, FITTED, "bf16") for chip in (H100, faster))
    assert fast.byte_j == pytest.approx(slow.byte_j / 2**0.5)
    assert fast.linear_flop_j == slow.linear_flop_j


def test_serving_draws_more_than_resting():
    e = energy(H100, FITTED, "bf16")
    assert H100.idle_w < e.idle_w < e.serving_w < H100.tdp_w
