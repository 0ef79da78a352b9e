"""Parameters, cache bytes and FLOPs of a transformer, computed from its shapes.

Norms, biases and positional embeddings are left out: together under 0.5 % of any model here. A model is
taken as `attention_layers` blocks with attention, `ffn_layers` blocks with a feed-forward part (of which all
but `moe.dense_layers` are mixtures of experts), `recurrent.layers` blocks with a recurrent part, and the
embeddings.
"""

from __future__ import annotations

from typing import Literal

from sim.catalog.types import Model

FfnKind = Literal["dense", "moe", "moe_active"]


def divides_heads(ways: int, model: Model) -> bool:
    """Whether attention can be divided `ways` ways without cutting a head or sharing KV heads unevenly."""
    if model.heads % ways:
        return False
    return model.latent is not None or model.kv_heads % ways == 0 or ways % model.kv_heads == 0


def attention_layer_count(model: Model) -> int:
    """Blocks that hold a KV cache."""
    return model.attention_layers or model.layers


def ffn_layer_count(model: Model) -> int:
    """Blocks that hold a feed-forward part, dense or mixture of experts."""
    return model.ffn_layers or model.layers


def moe_layer_count(model: Model) -> int:
    """Blocks whose feed-forward part is a mixture of experts."""
    return ffn_layer_count(model) - model.moe.dense_layers if model.moe else 0


def embedding_parameters(model: Model) -> float:
    """Input embedding and output head; once where they are tied."""
    return (1.0 if model.tied else 2.0) * model.vocab * model.hidden


def attention_parameters_per_layer(model: Model) -> float:
    """Projections of one attention block: grouped-query, or latent (DeepSeek-V2, arXiv 2405.04434, sec. 2.1).

    Grouped-query: hidden x head_dim x (2 heads + 2 kv_heads) for Q, O, K and V. Latent: the down and up
    projections of the query (one full projection where q_rank is 0) and of the joint key-value, and the
    output projection.
    """
    mla = model.latent
    if mla is None:
        return float(model.hidden * model.head_dim * (2 * model.heads + 2 * model.kv_heads))
    query_width = model.heads * (mla.nope_dim + mla.rope_dim)
    query = model.hidden * mla.q_rank + mla.q_rank * query_width if mla.q_rank else model.hidden * query_width
    cache = model.hidden * (mla.kv_rank + mla.rope_dim) + mla.kv_rank * model.heads * (
        mla.nope_dim + mla.v_dim
    )
    return float(query + cache + model.heads * mla.v_dim * model.hidden)


def expert_parameters(model: Model) -> float:
    """One routed expert; 0 for a dense model."""
    return float(model.ffn_matrices * model.hidden * model.moe.expert_ffn) if model.moe else 0.0


def shared_expert_parameters(model: Model) -> float:
    """All shared experts of one block; 0 where there are none."""
    if model.moe is None:
        return 0.0
    width = model.moe.shared_ffn or model.moe.expert_ffn
    return float(model.moe.shared * model.ffn_matrices * model.hidden * width)


def router_parameters(model: Model) -> float:
    """The gate of one mixture-of-experts block."""
    return float(model.hidden * model.moe.experts) if model.moe else 0.0


def ffn_parameters_per_layer(model: Model, kind: FfnKind = "dense") -> float:
    """Feed-forward parameters of one block.

    `dense`: the plain kind; `moe`: all of a mixture of experts; `moe_active`: what one token wakes of it.
    Raises ValueError where a mixture is asked of a dense model.
    """
    if kind == "dense":
        return float(model.ffn_matrices * model.hidden * model.ffn)
    if model.moe is None:
        raise ValueError(f"{model.name} has no experts")
    routed = model.moe.experts if kind == "moe" else model.moe.top_k
    return routed * expert_parameters(model) + shared_expert_parameters(model) + router_parameters(model)


def parameters_total(model: Model) -> float:
    """All parameters, embeddings included."""
    return _parameters(model, "moe")


def parameters_active(model: Model) -> float:
    """Parameters that one token touches: top_k of the routed experts, all else whole, embeddings included."""
    return _parameters(model, "moe_active")


def flops_per_token(model: Model) -> float:
    """FLOPs of the matrix products of one token's forward pass, without attention over the context.

    Two per active parameter, the input embedding (a look-up) left out and the output head counted.
    """
    lookup = 0.0 if model.tied else model.vocab * model.hidden
    return 2.0 * (parameters_active(model) - lookup)


def attention_flops_per_context_token(model: Model) -> float:
    """FLOPs that one new token spends on each token of its context, all attention layers, no window.

    4 x heads x head_dim per layer (scores and weighted sum). Latent attention in its absorbed form works on
    the cached vector: 2 x heads x (2 kv_rank + rope_dim).
    """
    mla = model.latent
    if mla is None:
        per_layer = 4.0 * model.heads * model.head_dim
    else:
        per_layer = 2.0 * model.heads * (2 * mla.kv_rank + mla.rope_dim)
    return per_layer * attention_layer_count(model)


def kv_bytes_per_token(model: Model, bytes_per_element: float = 2.0) -> float:
    """KV cache of one token over all layers [bytes]; windowed layers counted in full.

    Grouped-query: 2 x kv_heads x head_dim per layer; latent: kv_rank + rope_dim per layer.
    """
    mla = model.latent
    elements = 2 * model.kv_heads * model.head_dim if mla is None else mla.kv_rank + mla.rope_dim
    return float(attention_layer_count(model) * elements) * bytes_per_element


def state_bytes_per_sequence(model: Model) -> float:
    """Constant state of one sequence over all recurrent layers [bytes]; 0 where there are none."""
    return model.recurrent.layers * model.recurrent.state_bytes if model.recurrent else 0.0


def _parameters(model: Model, kind: Literal["moe", "moe_active"]) -> float:
    moe_layers = moe_layer_count(model)
    total = attention_layer_count(model) * attention_parameters_per_layer(model)
    total += (ffn_layer_count(model) - moe_layers) * ffn_parameters_per_layer(model, "dense")
    if moe_layers:
        total += moe_layers * ffn_parameters_per_layer(model, kind)
    if model.recurrent:
        total += model.recurrent.layers * model.recurrent.parameters
    return total + embedding_parameters(model)
