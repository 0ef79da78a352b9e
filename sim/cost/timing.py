"""Times of one engine step: what it must do, over what the hardware can.

Per accelerator and microbatch of m tokens (all times in seconds):

    dense    = norm3(bytes / (bandwidth e_w),  2 P (m + 30) / (peak e_flops))     30 tokens: small-GEMM tiles
    experts  = norm3(touched bytes / (bandwidth e_we),  2 P_active m / (peak e_fle)) + expert_layer_s a layer
    links    = collectives of all layers (sim/cost/collectives.py)
    launch   = layer_s per layer (half of it for a block that is only attention, FFN or recurrent)
    head     = norm3 over the sequences that sample
    KV       = K bytes / (bandwidth e_kv), or the arithmetic of latent attention over its peak (norm3)
    prefill  = FLOPs per token^2 / (16-bit peak e_at)

norm3(a, b) = (a^3 + b^3)^(1/3) is a roofline with a rounded knee. Weights count per tensor-parallel share.

Pipeline stages: a step advances every sequence by one token. Its tokens are dealt to as many microbatches
as stages; stages work at the same time on different microbatches, so the step lasts (stages) x (time of one
stage on one microbatch): all layers once, on 1/stages of the tokens. Copies of the attention likewise take
a part each. Where parts are uneven the busiest one sets the pace: ceil(n / lanes) sequences.

The host's serial part, host_serial of its work, holds the accelerators up and counts as their time.
"""

from __future__ import annotations

import numpy as np

from sim.catalog.shapes import expert_parameters, moe_layer_count
from sim.cost.collectives import all_reduce, all_to_all, point_to_point
from sim.cost.precision import ACTIVATION_BYTES, HEAD_BYTES
from sim.cost.setting import Setting
from sim.cost.work import block_parts, busiest, touched_fraction

TILE_TOKENS = 30.0
"""Tokens by which small matrix products are as slow as if they were larger (calibration trial)."""


def _norm3(a, b):
    """(a^3 + b^3)^(1/3): the larger of two times, rounded where they meet."""
    return np.cbrt(a * a * a + b * b * b)


def token_s(s: Setting, tokens: np.ndarray) -> np.ndarray:
    """Accelerator time that depends on the tokens of a step. float64[len(tokens)]"""
    c, d = s.coefficients, s.deployment
    lane = np.ceil(tokens / d.lanes)
    stage = np.ceil(tokens / d.pipeline_parallel)
    time = _dense_s(s, lane) + _links_s(s, lane) + block_parts(s.model) / 2 * c.layer_s
    if s.model.moe is not None:
        time = time + _experts_s(s, stage) + moe_layer_count(s.model) * c.expert_layer_s
    windowed = s.attention.window_token / d.tensor_parallel / (s.peak16 * c.attention_flops)
    return time + windowed * lane + _serial(s) * host_token_s(s) * tokens


def _dense_s(s: Setting, lane_tokens: np.ndarray) -> np.ndarray:
    c, share = s.coefficients, s.weights.dense / s.deployment.tensor_parallel
    reading = share * s.format.linear_bytes / (s.bandwidth * c.weight_bandwidth)
    flop_s = 2 * share / (_linear_peak(s) * c.dense_flops)
    return _norm3(reading, flop_s * (lane_tokens + TILE_TOKENS))


def _linear_peak(s: Setting) -> float:
    """Peak of dense linear layers: 16-bit where the format leaves them in 16 bits."""
    return s.peak16 if s.format.linear_bytes == HEAD_BYTES else s.peak


def _experts_s(s: Setting, stage_tokens: np.ndarray) -> np.ndarray:
    """Routed experts on the busiest expert-parallel group, each expert cut over its group's members."""
    moe, c, d = s.model.moe, s.coefficients, s.deployment
    assert moe is not None
    groups = d.expert_parallel
    cut = expert_parameters(s.model) * moe_layer_count(s.model) * groups / d.group
    here = moe.experts / groups
    fraction = touched_fraction(moe.experts, moe.top_k, stage_tokens)
    woken = np.minimum(busiest(here * fraction, here * fraction * (1 - fraction), groups), here)
    mean = stage_tokens * moe.top_k / groups
    load = np.minimum(busiest(mean, mean, groups), stage_tokens * min(moe.top_k, here))
    reading = woken * cut * s.format.expert_bytes / (s.bandwidth * c.expert_bandwidth)
    return _norm3(reading, 2 * cut * load / (s.peak * c.expert_flops))


def _links_s(s: Setting, lane_tokens: np.ndarray) -> np.ndarray:
    """Collectives of all layers on one microbatch, and the hops between pipeline stages."""
    d, model = s.deployment, s.model
    array = lane_tokens * model.hidden * ACTIVATION_BYTES
    exchanged = moe_layer_count(model) if d.attention_data_parallel > 1 else 0
    reduce = all_reduce(d.tensor_parallel, s.accelerator, s.coefficients)
    time = (block_parts(model) - exchanged) * reduce.time_s(array)
    if exchanged:
        time = time + exchanged * _exchange_s(s, array / d.tensor_parallel)
    if d.pipeline_parallel > 1:
        crosses = d.accelerators > s.accelerator.domain_size
        hop = point_to_point(crosses, s.accelerator, s.coefficients)
        time = time + d.pipeline_parallel * hop.time_s(array / d.tensor_parallel)
    return time


def _exchange_s(s: Setting, rank_bytes: np.ndarray) -> np.ndarray:
    """One MoE layer with copied attention: tokens go to their experts' accelerators and results come back.

    A token visits the distinct groups among its top_k, groups (1 - (1 - 1/groups)^k) of them in expectation,
    and all members of each; it travels in the arithmetic's own width on the way there, in 16 bits back.
    """
    moe, d = s.model.moe, s.deployment
    assert moe is not None
    groups, members = d.expert_parallel, d.group / d.expert_parallel
    visited = groups * touched_fraction(groups, 1, float(moe.top_k)) * members
    there = 0.5 if s.arithmetic in ("fp8", "int8", "fp4") else 1.0
    transfer = all_to_all(d.group, s.accelerator, s.coefficients)
    sent = rank_bytes * visited
    return transfer.time_s(sent * there) + transfer.time_s(sent)


def sequence_s(s: Setting, sequences: np.ndarray, width: int = 1) -> np.ndarray:
    """Accelerator time that depends on the sequences: output head, full windows, recurrent states; and the
    host's serial part (of which `token_s` already counts every token as if it were prefill).

    width: tokens that a step computes of each sequence, all of which go through the head."""
    c, d = s.coefficients, s.deployment
    busy = np.ceil(sequences / d.lanes)
    share = s.weights.head / d.tensor_parallel
    reading = share * HEAD_BYTES / (s.bandwidth * c.weight_bandwidth)
    head = _norm3(reading, 2 * share * (busy * width + TILE_TOKENS) / (s.peak16 * c.dense_flops))
    cached = busy * s.cache.sequence_traffic_bytes / (s.bandwidth * c.kv_bandwidth)
    return head + cached + _serial(s) * (host_s(s, sequences) - host_token_s(s) * sequences * width)


def kv_token_s(s: Setting, width: int = 1) -> float:
    """Decode attention per KV token, all layers, on the lane that holds the token; read once for all `width` tokens
    that a step computes of its sequence."""
    c = s.coefficients
    reading = s.cache.token_bytes * s.kv_traffic / (s.bandwidth * c.kv_bandwidth)
    flops = s.attention.decode_token * width / s.deployment.tensor_parallel
    return float(_norm3(reading, flops / (s.peak16 * c.attention_flops)))


def prefill_pair_s(s: Setting) -> float:
    """Prefill attention per token^2, spread evenly over the lanes."""
    flops = s.attention.prefill_pair / s.deployment.tensor_parallel / s.deployment.lanes
    return flops / (s.peak16 * s.coefficients.attention_flops)


def host_s(s: Setting, sequences: np.ndarray) -> np.ndarray:
    """Host time of a step: once per microbatch of a pipeline; each attention copy has its own engine."""
    c, d = s.coefficients, s.deployment
    return c.host_step_s * d.pipeline_parallel + c.host_sequence_s * np.ceil(
        sequences / d.attention_data_parallel
    )


def host_token_s(s: Setting) -> float:
    return s.coefficients.host_prefill_token_s / s.deployment.attention_data_parallel


def _serial(s: Setting) -> float:
    return s.coefficients.host_serial
