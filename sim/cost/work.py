"""What one step must do, from shapes alone: bytes to touch and FLOPs to run. Pure functions, no efficiencies.

Token counts may be numpy arrays; results then have their shape. One parameter costs 2 FLOPs per token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from sim.catalog.shapes import (
    attention_flops_per_context_token,
    attention_layer_count,
    embedding_parameters,
    expert_parameters,
    ffn_layer_count,
    moe_layer_count,
    parameters_total,
)
from sim.catalog.types import Model


@dataclass(frozen=True)
class Weights:
    """Parameters of a whole model by how a step touches them.

    dense: attention, dense FFNs, shared experts, routers, recurrent layers: read whole, used by each token.
    experts: all routed experts;  active_experts: those that one token uses.
    head: the output projection: read whole, used once per sequence;  embedding: held but not read.
    """

    dense: float
    experts: float
    active_experts: float
    head: float
    embedding: float


@dataclass(frozen=True)
class Cache:
    """Cached state of one model on one accelerator of a replica, for one of its sequences [bytes].

    token_bytes: per token of context, all the layers that keep the whole context (or count as such).
    sequence_bytes: constant per sequence: full windows of sliding-window layers, and recurrent states.
    sequence_traffic_bytes: what a decode step moves of it: windows are read, states are read and written.
    """

    token_bytes: float
    sequence_bytes: float
    sequence_traffic_bytes: float


@dataclass(frozen=True)
class AttentionWork:
    """FLOPs of attention, whole model.

    prefill_pair: per token^2 of W = chunk x (context before + chunk / 2), full layers.
    decode_token: per KV token read by one decoding sequence, full layers.
    window_token: per computed token in sliding-window layers (its window is full).
    """

    prefill_pair: float
    decode_token: float
    window_token: float


def touched_fraction(experts: int, top_k: int, tokens: np.ndarray | float) -> np.ndarray | float:
    """Expected share of `experts` that a batch of `tokens` wakes, each token `top_k` of them uniformly.

    1 - (1 - k/E)^T: a token misses a given expert with probability 1 - k/E, independently of other tokens.
    """
    if top_k >= experts:
        return np.minimum(tokens, 1.0)
    return -np.expm1(np.multiply(tokens, math.log1p(-top_k / experts)))


def busiest(mean: np.ndarray | float, variance: np.ndarray | float, ranks: int) -> np.ndarray | float:
    """Expected maximum over `ranks` alike and nearly normal loads: mean + score x sqrt(variance).

    Blom's score of the largest of n normal draws, the normal quantile of (n - 3/8) / (n + 1/4) (G. Blom,
    Statistical Estimates and Transformed Beta-Variables, 1958), within 2 % from 2 draws on. It takes uniform
    routing, so real skew comes on top.
    """
    if ranks <= 1:
        return mean + 0.0 * np.asarray(variance)
    score = NormalDist().inv_cdf((ranks - 0.375) / (ranks + 0.25))
    return mean + score * np.sqrt(np.asarray(variance))


def busiest_share(count: np.ndarray, lanes: int) -> np.ndarray:
    """Share of `count` things on the lane that has most, when they are dealt out evenly: ceil(n/lanes)/n."""
    n = np.maximum(count, 1)
    return np.ceil(n / lanes) / n


def full_and_window_layers(model: Model, typical_context: float) -> tuple[int, int]:
    """Attention layers whose cache grows with context, and layers that read a full window instead.

    A table linear in context cannot bend at the window. Layers whose window is at most `typical_context`
    count as always full; a longer window counts as none, since few contexts reach it.
    """
    windowed = model.window_layers if 0 < model.window <= typical_context else 0
    return attention_layer_count(model) - windowed, windowed


def attention_work(model: Model, typical_context: float) -> AttentionWork:
    """FLOPs of attention: two products per pair of tokens and head, q.k and p.v, 2 FLOPs per dimension.

    Latent attention decodes in the compressed space, where both products are kv_rank wide plus the rotary
    part (absorbed form, DeepSeek-V2, arXiv 2405.04434), but prefills in the uncompressed one.
    """
    full, windowed = full_and_window_layers(model, typical_context)
    decode = attention_flops_per_context_token(model) / attention_layer_count(model)
    latent, pair = model.latent, decode
    if latent is not None:
        pair = 2.0 * model.heads * (latent.nope_dim + latent.rope_dim + latent.v_dim)
    return AttentionWork(pair * full, decode * full, decode * windowed * model.window)


def cache(model: Model, tensor_parallel: int, element_bytes: float, typical_context: float) -> Cache:
    """Cached bytes on one accelerator, all layers (one pipeline stage).

    Key-value heads are split over tensor_parallel as far as they go, so each accelerator holds
    ceil(kv_heads / tensor_parallel); a latent cache is one vector per token and cannot be split.
    """
    full, windowed = full_and_window_layers(model, typical_context)
    if model.latent is None:
        layer_bytes = 2.0 * math.ceil(model.kv_heads / tensor_parallel) * model.head_dim * element_bytes
    else:
        layer_bytes = (model.latent.kv_rank + model.latent.rope_dim) * element_bytes
    window_bytes = windowed * model.window * layer_bytes
    state_bytes = 0.0
    if model.recurrent is not None:
        state_bytes = model.recurrent.layers * model.recurrent.state_bytes / tensor_parallel
    return Cache(full * layer_bytes, window_bytes + state_bytes, window_bytes + 2.0 * state_bytes)


def weights(model: Model) -> Weights:
    """Parameters of `model` by how a step touches them."""
    head = float(model.vocab * model.hidden)
    embedding = embedding_parameters(model) - head
    each = expert_parameters(model) * moe_layer_count(model)
    count, top_k = (model.moe.experts, model.moe.top_k) if model.moe else (0, 0)
    dense = parameters_total(model) - embedding_parameters(model) - count * each
    return Weights(dense, count * each, top_k * each, head, embedding)


def block_parts(model: Model) -> int:
    """Attention, FFN and recurrent parts of all blocks: two in a usual layer, one in some hybrids'.

    Each ends in one all-reduce under tensor parallelism (Megatron-LM, arXiv 1909.08053).
    """
    recurrent = model.recurrent.layers if model.recurrent else 0
    return attention_layer_count(model) + ffn_layer_count(model) + recurrent
