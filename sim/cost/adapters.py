"""What low-rank adapters (LoRA) cost: their bytes, the time to load one, and what a step reads of them.

An adapter adds to a matrix of shape (in, out) the product of two, (in, rank) and (rank, out) (Hu et al., LoRA,
arXiv 2106.09685). Kernels for batches of many adapters read each adapter that the batch is for once, however many
sequences share it (Punica, arXiv 2310.18547; S-LoRA, arXiv 2311.03285), so that a step reads the expected number of
distinct ones. Their arithmetic, under 1 % of the model's at rank 16, and the energy of reading them are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sim.catalog.shapes import attention_layer_count, ffn_layer_count
from sim.catalog.types import Accelerator, Model
from sim.cost.deployment import Deployment
from sim.cost.types import MemoryBudget, StepCost
from sim.errors import Fault, ScenarioError
from sim.units import format_bytes

ELEMENT_BYTES = 2.0
"""Adapters are served in 16 bits."""


@dataclass(frozen=True)
class Adapters:
    """Adapters that replicas serve.

    count: in all.  places: of them on a replica at once.  zipf: exponent of their popularity.
    all_linear: whether feed-forward matrices have adapters, or only those of the attention.
    load_bytes_per_s: from the host's memory to each accelerator.  step_s: added to each step, besides reading.
    """

    count: int
    rank: int
    places: int
    zipf: float
    all_linear: bool
    load_bytes_per_s: float
    step_s: float


def popularity(count: int, exponent: float) -> np.ndarray:
    """Probability that a request is for each of `count` adapters, float64[count]: i^-exponent, normalised (Zipf)."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return weights / weights.sum()


def distinct(p: np.ndarray, calls: np.ndarray) -> np.ndarray:
    """Expected number of different adapters among each number of `calls`, drawn by the probabilities `p`.

    sum over adapters of 1 - (1 - p_i)^n.
    """
    log_other = np.log1p(-np.minimum(p, 1 - 1e-16))
    return np.array([float(-np.expm1(n * log_other).sum()) for n in calls])


def adapter_bytes(model: Model, adapters: Adapters) -> float:
    """Bytes of one adapter. Raises ScenarioError for a model whose matrices are not of the plain kind."""
    if model.latent is not None:
        raise ScenarioError(_unlike("adapters", f"{model.name} has latent attention"))
    own, shared = model.heads * model.head_dim, model.kv_heads * model.head_dim
    widths = 2 * (model.hidden + own) + 2 * (model.hidden + shared)  # queries and outputs, keys and values
    total = attention_layer_count(model) * widths
    if adapters.all_linear:
        if model.moe is not None:
            raise ScenarioError(_unlike("adapters.targets", f"{model.name} has experts"))
        total += ffn_layer_count(model) * model.ffn_matrices * (model.hidden + model.ffn)
    return ELEMENT_BYTES * adapters.rank * total


def with_adapters(
    cost: StepCost, adapters: Adapters | None, model: Model, accelerator: Accelerator, d: Deployment
) -> StepCost:
    """`cost` of a replica that also serves adapters; as it is where there are none.

    Adapters are cut over the accelerators of a replica as the matrices are. They are read at the rate at which the KV
    cache is. Raises ScenarioError where the places leave no KV room.
    """
    if adapters is None:
        return cost
    each = adapter_bytes(model, adapters) / (d.tensor_parallel * d.pipeline_parallel)  # on one accelerator
    sequences = np.arange(len(cost.sequence_s))
    found = distinct(popularity(adapters.count, adapters.zipf), sequences)
    overhead_s = np.full(len(cost.token_s), adapters.step_s)
    overhead_s[0] = 0.0
    return replace(
        cost,
        token_s=cost.token_s + overhead_s,
        sequence_s=cost.sequence_s
        + d.pipeline_parallel * np.minimum(found, adapters.places) * each / _bytes_per_s(cost, accelerator),
        memory=_beside(cost, adapters, each, d),
        adapter_load_s=each / adapters.load_bytes_per_s,
        most_sequences=_most_sequences(found, adapters),
    )


def _most_sequences(found: np.ndarray, adapters: Adapters) -> float:
    """Sequences whose expected number of adapters, float64[sequences + 1], fills the places, or infinity."""
    if adapters.places >= adapters.count or found[-1] <= adapters.places:
        return math.inf
    return float(np.interp(adapters.places, found, np.arange(len(found))))


def _bytes_per_s(cost: StepCost, accelerator: Accelerator) -> float:
    """Rate at which a step reads what differs from sequence to sequence."""
    if len(cost.kv_s) > 1 and cost.kv_s[1] > 0 and cost.memory.kv_bytes_per_token > 0:
        return min(cost.memory.kv_bytes_per_token / float(cost.kv_s[1]), accelerator.memory_bytes_per_s)
    return accelerator.memory_bytes_per_s


def _beside(cost: StepCost, adapters: Adapters, each: float, d: Deployment) -> MemoryBudget:
    """The memory with places for adapters taken off the KV cache."""
    memory = cost.memory
    taken = adapters.places * each
    tokens = memory.kv_capacity_tokens
    if memory.kv_bytes_per_token > 0:
        tokens -= math.ceil(taken / memory.kv_bytes_per_token) * d.attention_data_parallel
    if tokens <= 0 or taken >= memory.kv_bytes:
        text = f"{adapters.places} adapters of {format_bytes(each)} leave no room for the KV cache on an accelerator"
        raise ScenarioError(Fault("adapters.resident", text, "let fewer be resident, or of a lower rank"))
    return replace(memory, kv_bytes=memory.kv_bytes - taken, kv_capacity_tokens=tokens)


def _unlike(path: str, why: str) -> Fault:
    return Fault(
        path, f"{why}: which of its matrices have adapters is not known", "serve another model with them"
    )
