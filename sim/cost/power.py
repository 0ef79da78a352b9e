"""What work costs in energy on one accelerator, and what serving and idling draw without work.

Power of one accelerator is TDP x (c0 + cF MFU + cX MFU_irregular + cB MBU), linear in the rates of useful FLOPs
and of memory bytes over their peaks; times the step's duration that is  c0 TDP x step + joules per FLOP x FLOPs +
joules per byte x bytes, which is what tables can hold. MFU_irregular counts the FLOPs of many small experts and of
recurrent layers alone: their kernels gather, pad and scan, and one coefficient serves both (docs/power.md). The soft
limit at TDP that the same measurements show, (x^-5 + 1)^(-1/5), is not linear: `sim.cost.limit` brings it into the
tables. Coefficients were fitted per generation on one chip; other chips scale by the square root of their peak (or
bandwidth) per watt relative to that chip, the geometric mean of "same share of TDP" and "same joules".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import overload

import numpy as np

from sim.catalog.types import Accelerator, Model
from sim.cost.coefficients import Fitted
from sim.cost.precision import HEAD_BYTES
from sim.cost.setting import Setting
from sim.cost.work import touched_fraction

FINE_EXPERTS = 32
"""From this many experts per layer on, grouped expert kernels draw more per useful FLOP."""


@dataclass(frozen=True)
class Energy:
    """What one accelerator draws while a step runs and when idle with a model loaded [W], and on top of that
    for each FLOP of linear layers and of attention [J/FLOP] and each byte of memory moved [J/B].

    irregular: how many times as much a FLOP of fine experts or of recurrent layers takes [1].
    """

    serving_w: float
    linear_flop_j: float
    attention_flop_j: float
    irregular: float
    byte_j: float
    idle_w: float


def energy(accelerator: Accelerator, fitted: Fitted, arithmetic: str) -> Energy:
    """Energies of `accelerator` while it serves a model with linear layers multiplied in `arithmetic`."""
    c, tdp_w = fitted.coefficients, accelerator.tdp_w
    peak16 = accelerator.peak("bf16")
    flop_rule = math.sqrt(peak16 / tdp_w / fitted.reference_flops_per_w)
    byte_rule = math.sqrt(accelerator.memory_bytes_per_s / tdp_w / fitted.reference_bytes_per_j)
    full_rate_w = c.flop_power * flop_rule * tdp_w
    return Energy(
        serving_w=c.base_power * tdp_w,
        linear_flop_j=full_rate_w / accelerator.peak(arithmetic),
        attention_flop_j=full_rate_w / peak16,
        irregular=1.0 + c.irregular_power / c.flop_power,
        byte_j=c.byte_power * byte_rule * tdp_w / accelerator.memory_bytes_per_s,
        idle_w=accelerator.idle_w + c.resident_power * tdp_w,
    )


def token_j(s: Setting, e: Energy, tokens: np.ndarray) -> np.ndarray:
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
    scanned = recurrent_parameters(s.model)
    dense = (w.dense + (e.irregular - 1.0) * scanned) * _linear_flop_j(s, e)
    experts = w.active_experts * e.linear_flop_j * (e.irregular if has_fine_experts(s.model) else 1.0)
    flop_j = 2 * (dense + experts)
    flop_j += s.attention.window_token * e.attention_flop_j
    return (read + written) * e.byte_j + tokens * flop_j


def has_fine_experts(model: Model) -> bool:
    """Whether a model's layers hold many small experts."""
    return model.moe is not None and model.moe.experts >= FINE_EXPERTS


def recurrent_parameters(model: Model) -> float:
    """Parameters of all recurrent layers of a model."""
    return model.recurrent.layers * model.recurrent.parameters if model.recurrent else 0.0


def _linear_flop_j(s: Setting, e: Energy) -> float:
    return e.attention_flop_j if s.format.linear_bytes == HEAD_BYTES else e.linear_flop_j


def sequence_j(s: Setting, e: Energy, width: int = 1) -> float:
    """Energy per sequence and step: output head, full windows, recurrent states."""
    moved = s.cache.sequence_traffic_bytes * s.deployment.tensor_parallel
    return 2 * s.weights.head * width * e.attention_flop_j + moved * e.byte_j


def kv_j(s: Setting, e: Energy, width: int = 1) -> float:
    """Energy per KV token and step; caches that cannot be split are read by every tensor-parallel rank."""
    moved = s.cache.token_bytes * s.deployment.tensor_parallel
    return moved * e.byte_j + s.attention.decode_token * width * e.attention_flop_j


@overload
def soft_limit_w(power_w: float, tdp_w: float) -> float: ...
@overload
def soft_limit_w(power_w: np.ndarray, tdp_w: float) -> np.ndarray: ...
def soft_limit_w(power_w, tdp_w):
    """What a board draws that its work would make draw `power_w`, given its limit `tdp_w` [W].

    TDP (x^-5 + 1)^(-1/5) with x = power_w / tdp_w: the soft limit that ML.ENERGY's rows show, close to the
    power itself up to 70 % of TDP and never above TDP. It applies to each step, not to a mean over steps.
    """
    x = power_w / tdp_w
    return tdp_w * x / (1.0 + x**5) ** 0.2
