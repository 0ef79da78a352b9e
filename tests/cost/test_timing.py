from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.catalog.types import Model
from sim.cost import timing
from sim.cost.coefficients import coefficients
from sim.cost.deployment import Deployment, Limits
from sim.cost.setting import Setting, setting
from tests.cost.examples import DEEPSEEK_V3, FALCON_7B, GPT_OSS_120B, H100, HYBRID, LLAMA_70B, MIXTRAL

# An ideal machine: every efficiency 1, every overhead 0.
IDEAL = replace(
    coefficients("hopper", "vllm-2025", "bf16").coefficients,
    **dict.fromkeys(
        ("weight_bandwidth", "expert_bandwidth", "kv_bandwidth", "dense_flops", "expert_flops"), 1.0
    ),
    **dict.fromkeys(("attention_flops", "link_bandwidth", "host_serial"), 1.0),
    **dict.fromkeys(("all_reduce_latency_s", "scale_out_latency_s", "layer_s", "expert_layer_s"), 0.0),
    **dict.fromkeys(("host_step_s", "host_sequence_s", "host_prefill_token_s"), 0.0),
)


def at(model: Model, deployment: Deployment, coefficients=IDEAL, typical_context: float = 1024) -> Setting:
    return setting(model, H100, deployment, Limits(256, 2048, typical_context), coefficients)


def token_s(s: Setting, tokens: float) -> float:
    return float(timing.token_s(s, np.array([tokens]))[0])


def sequence_s(s: Setting, sequences: float) -> float:
    return float(timing.sequence_s(s, np.array([sequences]))[0])


def test_decode_of_one_sequence_reads_the_weights():
    s = at(LLAMA_70B, Deployment(tensor_parallel=4))
    # layers: 68.451e9 x 2 B / 4 / 3.35 TB/s = 10.217 ms; products of 31 tokens 2 x 68.451e9 x 31 / 4 / 989e12
    # = 1.073 ms; their 3-norm 10.221 ms.  All-reduces: 160 of 16 KiB: 160 x 16384 x 1.5 / 450e9 = 8.7 us
    assert token_s(s, 1) == pytest.approx(10.221e-3 + 8.7e-6, rel=1e-4)
    # head: 1.0507e9 x 2 B / 4 / 3.35e12 = 0.1568 ms, its 31 rows 0.0165 ms
    assert sequence_s(s, 1) == pytest.approx(0.1569e-3, rel=1e-3)
    # 327,680 B / 4 of cache per token
    assert timing.kv_token_s(s) == pytest.approx(81_920 / 3.35e12, rel=1e-2)


def test_a_large_prefill_runs_at_peak():
    s = at(LLAMA_70B, Deployment(tensor_parallel=4))
    # 2 x 68.451e9 x 16,384 / 4 / 989e12 = 567.0 ms
    # all-reduces: 160 x 16,384 tokens x 16,384 B x 1.5 / 450e9 = 143.2 ms
    assert token_s(s, 16_384) == pytest.approx(0.5670 + 0.1432, rel=5e-3)
    # 512 FLOPs x 64 heads x 80 layers per token^2
    assert timing.prefill_pair_s(s) == pytest.approx(512 * 64 * 80 / 4 / 989e12)


def test_overheads_add_up_by_hand():
    real = replace(
        IDEAL,
        layer_s=50e-6,
        all_reduce_latency_s=5e-6,
        host_step_s=1e-3,
        host_sequence_s=20e-6,
        host_prefill_token_s=1e-6,
        host_serial=0.75,
    )
    ideal, s = (at(LLAMA_70B, Deployment(tensor_parallel=4), c) for c in (IDEAL, real))
    # 80 layers x 50 us + 160 x 5 us
    # and the serial 0.75 of the host: 1 ms + 20 us x 10 sequences + 1 us x 90 prefill tokens = 1.29 ms
    total = token_s(s, 100) + sequence_s(s, 10)
    assert total - token_s(ideal, 100) - sequence_s(ideal, 10) == pytest.approx(
        4e-3 + 0.8e-3 + 0.75 * 1.29e-3
    )
    assert timing.host_s(s, np.array([10.0]))[0] == pytest.approx(1.2e-3)
    assert timing.host_token_s(s) == 1e-6


def test_few_tokens_wake_few_experts():
    s = at(MIXTRAL, Deployment(tensor_parallel=2))
    # 32 layers x 8 experts x 176.16 M = 45.1 G: one token reads a quarter, many read all
    experts = 32 * 8 * 3 * 4096 * 14336 * 2 / 2 / 3.35e12
    dense = at(replace(MIXTRAL, moe=None, ffn=0), Deployment(tensor_parallel=2))
    assert token_s(s, 1) - token_s(dense, 1) == pytest.approx(experts / 4, rel=0.01)
    assert token_s(s, 30) - token_s(dense, 30) == pytest.approx(experts, rel=0.02)


def test_latent_cache_is_read_whole_by_every_rank():
    one, eight = (
        timing.kv_token_s(at(DEEPSEEK_V3, Deployment(precision="fp8", tensor_parallel=tp))) for tp in (1, 8)
    )
    # the bytes stay 70,272, the arithmetic is split: 3-norm of 21 ns and 16.99 GFLOP.. / 989e12 = 17.2 ns
    assert one == pytest.approx((20.98e-9**3 + 17.18e-9**3) ** (1 / 3), rel=1e-3)
    assert eight == pytest.approx(20.98e-9, rel=1e-2)


def test_attention_copies_share_sequences_and_spread_experts():
    d = Deployment(precision="fp8", attention_data_parallel=8, expert_parallel=8)
    tp = Deployment(precision="fp8", tensor_parallel=8)
    spread, cut = at(DEEPSEEK_V3, d), at(DEEPSEEK_V3, tp)
    assert timing.prefill_pair_s(spread) == pytest.approx(timing.prefill_pair_s(cut))
    # copied attention is read whole by each rank, so a small batch is slower than with the attention cut
    assert token_s(spread, 8) > token_s(cut, 8)


def test_exchange_by_hand():
    # 256 tokens over 8 copies: 32 each of 7,168 x 2 B = 458,752 B; 8 groups x (1 - (7/8)^8) = 5.251 visited;
    # there in 8 bits, back in 16; 7/8 leaves the rank: 458,752 x 5.251 x 1.5 x 7/8 / 450e9 = 7.026 us
    # in each of 58 layers
    d = Deployment(precision="fp8", attention_data_parallel=8, expert_parallel=8)
    slow = replace(H100, link_bytes_per_s=225e9)
    fast, slower = (setting(DEEPSEEK_V3, chip, d, Limits(256, 2048), IDEAL) for chip in (H100, slow))
    assert token_s(slower, 256) - token_s(fast, 256) == pytest.approx(58 * 7.026e-6, rel=1e-3)


def test_pipeline_stages_share_a_large_batch_and_not_a_single_token():
    one, four = at(LLAMA_70B, Deployment()), at(LLAMA_70B, Deployment(pipeline_parallel=4))
    # at one token all the layers are passed in turn; only the four hops are added
    hops = 4 * 8192 * 2 / 450e9
    assert token_s(four, 1) == pytest.approx(token_s(one, 1) + hops)
    # at many the stages work side by side
    assert token_s(four, 16_384) == pytest.approx(token_s(one, 4_096) + 4096 * hops)


def test_stages_across_domains_use_the_network():
    d = Deployment(tensor_parallel=8, pipeline_parallel=2)
    slow = replace(H100, scale_out_bytes_per_s=H100.scale_out_bytes_per_s / 2)
    near, far = (setting(LLAMA_70B, chip, d, Limits(256, 2048), IDEAL) for chip in (H100, slow))
    assert token_s(far, 100) - token_s(near, 100) == pytest.approx(2 * 50 * 8192 * 2 / 8 / 50e9)


def test_windows_and_states_cost_per_sequence():
    s = at(GPT_OSS_120B, Deployment(precision="mxfp4"))
    # 18 layers x 128 tokens x 2,048 B per sequence
    assert sequence_s(s, 65) - sequence_s(s, 1) == pytest.approx(
        64 * 18 * 128 * 2048 / 3.35e12 + _head_growth(GPT_OSS_120B), rel=1e-3
    )
    hybrid = at(HYBRID, Deployment())
    # 32 layers x 2 MB, read and written
    assert sequence_s(hybrid, 65) - sequence_s(hybrid, 1) == pytest.approx(
        64 * 128e6 / 3.35e12 + _head_growth(HYBRID), rel=1e-3
    )


def _head_growth(model: Model) -> float:
    """3-norm of the head's reading and products at 65 + 30 rows, less that at 31."""
    table = model.vocab * model.hidden
    reading, row = table * 2 / 3.35e12, table * 2 / 989e12
    return (reading**3 + (95 * row) ** 3) ** (1 / 3) - (reading**3 + (31 * row) ** 3) ** (1 / 3)


@pytest.mark.parametrize(
    "model", [LLAMA_70B, MIXTRAL, DEEPSEEK_V3, GPT_OSS_120B, FALCON_7B, HYBRID], ids=lambda m: m.name
)
@pytest.mark.parametrize(
    "deployment",
    [
        Deployment(),
        Deployment(tensor_parallel=8),
        Deployment(pipeline_parallel=3),
        Deployment(attention_data_parallel=4, tensor_parallel=2),
    ],
    ids=["tp1", "tp8", "pp3", "dp4tp2"],
)
def test_time_never_falls_with_more_work(model, deployment):
    real = coefficients("hopper", "vllm-2025", "bf16").coefficients
    s = at(model, deployment, real)
    assert np.all(np.diff(timing.token_s(s, np.arange(3000.0))) >= 0)
    # a decoding sequence counts in both tables
    decode = timing.token_s(s, np.arange(600.0)) + timing.sequence_s(s, np.arange(600.0))
    assert np.all(np.diff(decode) >= -1e-15)
    assert np.all(np.diff(timing.host_s(s, np.arange(600.0))) >= 0)
    assert timing.kv_token_s(s) > 0
    assert timing.prefill_pair_s(s) > 0
