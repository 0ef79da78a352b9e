"""Where an accelerator's memory goes, and the KV tokens that the whole replica can hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sim.catalog.types import Accelerator, Model
from sim.cost.deployment import Deployment, Limits
from sim.cost.precision import ACTIVATION_BYTES, HEAD_BYTES, kv_element_bytes, number_format
from sim.cost.types import MemoryBudget
from sim.cost.work import cache, weights
from sim.errors import Fault, ScenarioError

GB = 1e9
LEAST_KV_TOKENS = 256
"""A replica with less room than this serves nothing useful: it counts as one that does not fit."""
LARGEST_RESERVE = 0.05
"""The reserve is at most this share of the memory: small chips run small runtimes."""
LOGIT_COPIES_BYTES = 8.0
"""Two 32-bit copies of the logits (raw and normalised) while sampling."""


@dataclass(frozen=True)
class Beside:
    """What else an accelerator holds, of a draft: weights [bytes], and cache per token of context [bytes]."""

    weights_bytes: float = 0.0
    token_bytes: float = 0.0


ALONE = Beside()


def weight_bytes(model: Model, d: Deployment) -> float:
    """Bytes of weights on the fullest accelerator.

    Tensor parallelism cuts everything; attention copies each hold all but the routed experts; those are
    spread over the whole stage. A pipeline stage holds ceil(layers / stages) layers, and one end's vocabulary
    table (with one stage, both).
    """
    w, fmt = weights(model), number_format(d.precision)
    stage = math.ceil(model.layers / d.pipeline_parallel) / model.layers
    layers = w.dense * fmt.linear_bytes / d.tensor_parallel + w.experts * fmt.expert_bytes / d.group
    tables = w.head + w.embedding if d.pipeline_parallel == 1 else max(w.head, w.embedding)
    return layers * stage + tables * HEAD_BYTES / d.tensor_parallel


def activation_bytes(model: Model, d: Deployment, limits: Limits) -> float:
    """Peak of the intermediate results of one step on one accelerator.

    For each token of the largest microbatch: four arrays of the model's width (residual, normalised,
    attention out, FFN out), queries, keys and values, and the FFN's inner arrays; then the logits of its
    sequences.
    """
    tokens = math.ceil(limits.max_step_tokens / d.lanes)
    inner = model.ffn_matrices * model.ffn / d.tensor_parallel
    if model.moe is not None:
        one = model.hidden + model.ffn_matrices * model.moe.expert_ffn / d.tensor_parallel
        inner = max(model.moe.top_k * one, inner if model.moe.dense_layers else 0.0)
    heads = (model.heads + 2 * model.kv_heads) * model.head_dim / d.tensor_parallel
    logits = math.ceil(limits.max_batch / d.lanes) * limits.width * model.vocab * LOGIT_COPIES_BYTES
    return tokens * (4 * model.hidden + heads + inner) * ACTIVATION_BYTES + logits


def memory_budget(
    model: Model,
    accelerator: Accelerator,
    deployment: Deployment,
    limits: Limits,
    *,
    memory_rule: str,
    reserve_bytes: float,
    beside: Beside = ALONE,
) -> MemoryBudget:
    """The budget of one accelerator, and the replica's KV room. Weights and cache of a draft count as the model's.

    memory_rule "card": the stack fills `memory_fraction` of the card with everything (as vLLM and SGLang do);
    "rest": KV takes that fraction of what weights and reserve leave (as TensorRT-LLM does).
    Constant state per sequence (windows, recurrent layers) is set aside for `max_batch` sequences.
    Raises ScenarioError, saying what is missing and what would fit, if the model does not fit.
    """

    def budget(d: Deployment) -> MemoryBudget:
        return _budget(model, accelerator, d, limits, memory_rule, reserve_bytes, beside)

    found = budget(deployment)
    if found.kv_capacity_tokens >= LEAST_KV_TOKENS:
        return found
    larger = (replace(deployment, tensor_parallel=n) for n in _powers_of_two(deployment, model))
    fitting = [d for d in larger if budget(d).kv_capacity_tokens >= LEAST_KV_TOKENS]
    hint = "no tensor_parallel fits: use pipeline_parallel, fewer bytes per weight, or a smaller max_batch"
    if fitting:
        hint = f"the smallest tensor_parallel that fits is {fitting[0].tensor_parallel}"
    raise ScenarioError(
        Fault("tensor_parallel", _shortage(model, accelerator, deployment, limits, found), hint)
    )


def _budget(
    model: Model,
    accelerator: Accelerator,
    d: Deployment,
    limits: Limits,
    memory_rule: str,
    reserve_bytes: float,
    beside: Beside,
) -> MemoryBudget:
    total = accelerator.memory_bytes
    held, active = weight_bytes(model, d) + beside.weights_bytes, activation_bytes(model, d, limits)
    reserve = min(reserve_bytes, LARGEST_RESERVE * total)
    left = total - reserve - held - active
    kv = left - (1 - d.memory_fraction) * total if memory_rule == "card" else left * d.memory_fraction
    one = cache(model, d.tensor_parallel, kv_element_bytes(d.kv_precision), limits.typical_context)
    stage = math.ceil(model.layers / d.pipeline_parallel) / model.layers
    room = kv - _sequences(d, limits) * one.sequence_bytes * stage
    most = _sequences(d, limits) * model.max_context
    token_bytes = one.token_bytes * stage + beside.token_bytes
    tokens = min(most, math.floor(room / token_bytes)) if token_bytes else most
    return MemoryBudget(
        total_bytes=total,
        weights_bytes=held,
        reserve_bytes=reserve + left - kv,
        activation_bytes=active,
        kv_bytes=max(kv, 0.0),
        kv_bytes_per_token=token_bytes,
        state_bytes_per_sequence=one.sequence_bytes * stage,
        kv_capacity_tokens=max(tokens, 0) * d.attention_data_parallel if room > 0 else 0,
    )


def _sequences(d: Deployment, limits: Limits) -> int:
    """Sequences that one copy of the attention holds at most."""
    return math.ceil(limits.max_batch / d.attention_data_parallel)


def _shortage(
    model: Model, accelerator: Accelerator, d: Deployment, limits: Limits, budget: MemoryBudget
) -> str:
    states = _sequences(d, limits) * budget.state_bytes_per_sequence
    need = budget.weights_bytes + budget.reserve_bytes + budget.activation_bytes + states
    need += LEAST_KV_TOKENS * budget.kv_bytes_per_token / d.attention_data_parallel
    parts = [("weights", budget.weights_bytes), ("reserve", budget.reserve_bytes)]
    parts += [("activations", budget.activation_bytes)]
    parts += [(f"state of {_sequences(d, limits)} sequences", states)] if states else []
    listed = ", ".join(f"{name} {size / GB:.1f}" for name, size in parts)
    missing = (need - budget.total_bytes) / GB
    where = f"{d.accelerators} x {accelerator.name}"
    return (
        f"{model.name} in {d.precision} does not fit {where}: {missing:.1f} GB short on each of "
        f"{budget.total_bytes / GB:.1f} GB ({listed})"
    )


def _powers_of_two(d: Deployment, model: Model) -> list[int]:
    return [2**i for i in range(11) if d.tensor_parallel < 2**i <= model.heads]
