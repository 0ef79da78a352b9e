"""One engine step of one replica, as the tables of `StepCost`: what it must do, over what the hardware can.

Per accelerator and microbatch of m tokens (all times in seconds):

    dense    = norm3(bytes / (bandwidth e_w),  2 P (m + 30) / (peak e_flops))     30 tokens: small-GEMM tiles
    experts  = norm3(touched bytes / (bandwidth e_we),  2 P_active m / (peak e_fle)) + expert_layer_s a layer
    links    = collectives of all layers (sim/cost/collectives.py)
    launch   = layer_s per layer
    head     = norm3 over the sequences that sample
    KV       = K bytes / (bandwidth e_kv), or the arithmetic of latent attention over its peak (norm3)
    prefill  = FLOPs per token^2 / (16-bit peak e_at)

norm3(a, b) = (a^3 + b^3)^(1/3) is a roofline with a rounded knee. Weights count per tensor-parallel share.

Pipeline stages: a step advances every sequence by one token. Its tokens are dealt to as many microbatches
as stages; stages work at the same time on different microbatches, so the step lasts (stages) x (time of one
stage on one microbatch): all layers once, on 1/stages of the tokens. Copies of the attention likewise take
a part each. Where parts are uneven the busiest one sets the pace: ceil(n / lanes) sequences.

The host's serial part, (1 - host_overlap) of its work, holds the accelerators up and counts as their time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.catalog.types import Accelerator, Model
from sim.cost.coefficients import Coefficients, Fitted, coefficients
from sim.cost.collectives import all_reduce, all_to_all, point_to_point
from sim.cost.deployment import Deployment, Limits, check
from sim.cost.memory import memory_budget
from sim.cost.power import Energy, energy
from sim.cost.precision import (
    ACTIVATION_BYTES,
    HEAD_BYTES,
    NumberFormat,
    arithmetic,
    kv_element_bytes,
    number_format,
)
from sim.cost.types import StepCost
from sim.cost.work import (
    AttentionWork,
    Cache,
    Weights,
    attention_work,
    busiest,
    busiest_share,
    cache,
    expert_parameters,
    moe_layers,
    touched_fraction,
    weights,
)

TILE_TOKENS = 30.0
"""Tokens by which small matrix products are as slow as if they were larger (calibration trial)."""


@dataclass(frozen=True)
class Setting:
    """Everything that the parts of a step refer to."""

    model: Model
    accelerator: Accelerator
    deployment: Deployment
    coefficients: Coefficients
    format: NumberFormat
    arithmetic: str
    weights: Weights
    attention: AttentionWork
    cache: Cache

    @property
    def bandwidth(self) -> float:
        return self.accelerator.memory_bytes_per_s

    @property
    def peak(self) -> float:
        return self.accelerator.peak(self.arithmetic)

    @property
    def peak16(self) -> float:
        return self.accelerator.peak("bf16")


def step_cost(
    model: Model,
    accelerator: Accelerator,
    deployment: Deployment,
    *,
    max_batch: int,
    max_step_tokens: int,
    typical_context: float = 1024.0,
    fitted: Fitted | None = None,
) -> StepCost:
    """Tables of one replica's step time and energy, its memory budget, and how all this is known.

    max_batch: sequences per step;  max_step_tokens: computed tokens per step (>= max_batch);
    typical_context: mean context per sequence [tokens], which only sliding windows ask for (see `Limits`);
    fitted: coefficients to use in place of the catalog's for (generation, stack, precision).
    Raises ScenarioError if the deployment is impossible or the model does not fit, CatalogError for an
    unknown stack or precision.
    """
    check(deployment, model)
    limits = Limits(max_batch, max(max_step_tokens, max_batch), typical_context)
    if fitted is None:
        fitted = coefficients(accelerator.generation, deployment.stack, deployment.precision)
    s = _setting(model, accelerator, deployment, limits, fitted.coefficients)
    memory = memory_budget(
        model,
        accelerator,
        deployment,
        limits,
        memory_rule=fitted.memory_rule,
        reserve_bytes=fitted.coefficients.reserve_bytes,
    )
    joules = energy(model, accelerator, fitted, s.arithmetic)
    lanes = deployment.lanes
    tokens = np.arange(limits.max_step_tokens + lanes + 1, dtype=np.float64)
    sequences = np.arange(max_batch + 1, dtype=np.float64)
    token_s, token_j = _token_s(s, tokens), _token_j(s, joules, tokens)
    end = limits.max_step_tokens
    kv_s = _kv_token_s(s) * busiest_share(sequences, lanes)
    host_s = _host_s(s, sequences)
    return StepCost(
        token_s=token_s[: end + 1],
        token_s_beyond=float(token_s[end + lanes] - token_s[end]) / lanes,
        sequence_s=_sequence_s(s, sequences) + _serial(s) * (host_s - _host_token_s(s) * sequences),
        kv_s=kv_s,
        attention_s=_prefill_pair_s(s),
        host_s=host_s,
        host_prefill_s=_host_token_s(s),
        admit_s=s.coefficients.admit_s,
        first_token_s=s.coefficients.first_token_s,
        token_j=token_j[: end + 1],
        token_j_beyond=float(token_j[end + lanes] - token_j[end]) / lanes,
        sequence_j=_sequence_j(s, joules),
        kv_j=_kv_j(s, joules),
        attention_j=s.attention.prefill_pair * joules.attention_flop_j,
        static_w=joules.serving_w * deployment.accelerators,
        idle_w=joules.idle_w * deployment.accelerators,
        accelerators=deployment.accelerators,
        memory=memory,
        knowledge=fitted.knowledge,
        warnings=(*fitted.warnings, *_warnings(s)),
    )


def _setting(
    model: Model, accelerator: Accelerator, deployment: Deployment, limits: Limits, c: Coefficients
) -> Setting:
    fmt = number_format(deployment.precision)
    element = kv_element_bytes(deployment.kv_precision)
    return Setting(
        model=model,
        accelerator=accelerator,
        deployment=deployment,
        coefficients=c,
        format=fmt,
        arithmetic=arithmetic(fmt, accelerator),
        weights=weights(model),
        attention=attention_work(model, limits.typical_context),
        cache=cache(model, deployment.tensor_parallel, element, limits.typical_context),
    )


# ------------------------------------------------------------------------------------------------ time


def _norm3(a, b):
    """(a^3 + b^3)^(1/3): the larger of two times, rounded where they meet."""
    return np.cbrt(a * a * a + b * b * b)


def _token_s(s: Setting, tokens: np.ndarray) -> np.ndarray:
    """Accelerator time that depends on the tokens of a step. float64[len(tokens)]"""
    c, d = s.coefficients, s.deployment
    lane = np.ceil(tokens / d.lanes)
    stage = np.ceil(tokens / d.pipeline_parallel)
    time = _dense_s(s, lane) + _links_s(s, lane) + s.model.layers * c.layer_s
    if s.model.moe is not None:
        time = time + _experts_s(s, stage) + moe_layers(s.model) * c.expert_layer_s
    windowed = s.attention.window_token / d.tensor_parallel / (s.peak16 * c.attention_flops)
    return time + windowed * lane + _serial(s) * _host_token_s(s) * tokens


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
    cut = expert_parameters(s.model) * moe_layers(s.model) * groups / d.group
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
    exchanged = moe_layers(model) if d.attention_data_parallel > 1 else 0
    reduce = all_reduce(d.tensor_parallel, s.accelerator, s.coefficients)
    time = (2 * model.layers - exchanged) * reduce.time_s(array)
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


def _sequence_s(s: Setting, sequences: np.ndarray) -> np.ndarray:
    """Accelerator time that depends on the sequences: output head, full windows, recurrent states."""
    c, d = s.coefficients, s.deployment
    busy = np.ceil(sequences / d.lanes)
    share = s.weights.head / d.tensor_parallel
    reading = share * HEAD_BYTES / (s.bandwidth * c.weight_bandwidth)
    head = _norm3(reading, 2 * share * (busy + TILE_TOKENS) / (s.peak16 * c.dense_flops))
    return head + busy * s.cache.sequence_traffic_bytes / (s.bandwidth * c.kv_bandwidth)


def _kv_token_s(s: Setting) -> float:
    """Decode attention per KV token, all layers, on the lane that holds the token."""
    c = s.coefficients
    reading = s.cache.token_bytes / (s.bandwidth * c.kv_bandwidth)
    flops = s.attention.decode_token / s.deployment.tensor_parallel
    return float(_norm3(reading, flops / (s.peak16 * c.attention_flops)))


def _prefill_pair_s(s: Setting) -> float:
    """Prefill attention per token^2, spread evenly over the lanes."""
    flops = s.attention.prefill_pair / s.deployment.tensor_parallel / s.deployment.lanes
    return flops / (s.peak16 * s.coefficients.attention_flops)


def _host_s(s: Setting, sequences: np.ndarray) -> np.ndarray:
    """Host time of a step: once per microbatch of a pipeline; each attention copy has its own engine."""
    c, d = s.coefficients, s.deployment
    return c.host_step_s * d.pipeline_parallel + c.host_sequence_s * np.ceil(
        sequences / d.attention_data_parallel
    )


def _host_token_s(s: Setting) -> float:
    return s.coefficients.host_prefill_token_s / s.deployment.attention_data_parallel


def _serial(s: Setting) -> float:
    return 1.0 - s.coefficients.host_overlap


# ---------------------------------------------------------------------------------------------- energy


def _token_j(s: Setting, e: Energy, tokens: np.ndarray) -> np.ndarray:
    """Energy above the static draw that depends on the tokens of a step. float64[len(tokens)]"""
    d, w = s.deployment, s.weights
    microbatches = np.minimum(tokens, d.pipeline_parallel)
    copies = d.attention_data_parallel
    read = (w.dense * s.format.linear_bytes + w.head * HEAD_BYTES) * copies * microbatches
    if s.model.moe is not None:
        stage = tokens / np.maximum(microbatches, 1.0)
        woken = touched_fraction(s.model.moe.experts, s.model.moe.top_k, stage)
        read = read + woken * w.experts * s.format.expert_bytes * microbatches
    written = tokens * s.cache.token_bytes * d.tensor_parallel
    flop_j = 2 * (w.dense * _linear_flop_j(s, e) + w.active_experts * e.linear_flop_j)
    flop_j += s.attention.window_token * e.attention_flop_j
    return (read + written) * e.byte_j + tokens * flop_j


def _linear_flop_j(s: Setting, e: Energy) -> float:
    return e.attention_flop_j if s.format.linear_bytes == HEAD_BYTES else e.linear_flop_j


def _sequence_j(s: Setting, e: Energy) -> float:
    """Energy per sequence and step: output head, full windows, recurrent states."""
    moved = s.cache.sequence_traffic_bytes * s.deployment.tensor_parallel
    return 2 * s.weights.head * e.attention_flop_j + moved * e.byte_j


def _kv_j(s: Setting, e: Energy) -> float:
    """Energy per KV token and step; caches that cannot be split are read by every tensor-parallel rank."""
    moved = s.cache.token_bytes * s.deployment.tensor_parallel
    return moved * e.byte_j + s.attention.decode_token * e.attention_flop_j


def _warnings(s: Setting) -> tuple[str, ...]:
    d, chip = s.deployment, s.accelerator
    found = []
    missing = s.format.compute and s.arithmetic not in s.format.compute
    if missing and s.format.linear_bytes < HEAD_BYTES:
        found.append(f"{chip.name} has no {s.format.name} arithmetic: products run in {s.arithmetic}")
    if d.group > chip.domain_size:
        found.append(
            f"a stage of {d.group} is more than the {chip.domain_size} that {chip.name}'s link joins"
        )
    names = ("pipeline_parallel", "expert_parallel", "attention_data_parallel")
    unmeasured = [n for n in names if getattr(d, n) > 1]
    if unmeasured:
        found.append(f"no measurement behind {', '.join(unmeasured)}: time from shapes and links alone")
    return tuple(found)
