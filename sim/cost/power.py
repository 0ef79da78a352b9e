"""What work costs in energy on one accelerator, and what serving and idling draw without work.

Power of one accelerator is TDP x (c0 + cF MFU + cX MFU_moe + cB MBU), linear in the rates of useful FLOPs and
of memory bytes over their peaks; times the step's duration that is  c0 TDP x step + joules per FLOP x FLOPs +
joules per byte x bytes, which is what tables can hold. The soft limit at TDP that the same measurements show,
(x^-5 + 1)^(-1/5), is not linear and not applied here: near saturation the energy is an upper estimate.
Coefficients were fitted per generation on one chip; other chips scale by the square root of their peak (or
bandwidth) per watt relative to that chip, the geometric mean of "same share of TDP" and "same joules".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.catalog.types import Accelerator, Model
from sim.cost.coefficients import Fitted

FINE_EXPERTS = 32
"""From this many experts per layer on, grouped expert kernels draw more per useful FLOP."""


@dataclass(frozen=True)
class Energy:
    """What one accelerator draws while a step runs and when idle with a model loaded [W], and on top of that
    for each FLOP of linear layers and of attention [J/FLOP] and each byte of memory moved [J/B]."""

    serving_w: float
    linear_flop_j: float
    attention_flop_j: float
    byte_j: float
    idle_w: float


def energy(model: Model, accelerator: Accelerator, fitted: Fitted, arithmetic: str) -> Energy:
    """Energies of `accelerator` while it serves `model` with linear layers multiplied in `arithmetic`."""
    c, tdp_w = fitted.coefficients, accelerator.tdp_w
    peak16 = accelerator.peak("bf16")
    flop_rule = math.sqrt(peak16 / tdp_w / fitted.reference_flops_per_w)
    byte_rule = math.sqrt(accelerator.memory_bytes_per_s / tdp_w / fitted.reference_bytes_per_j)
    fine = model.moe is not None and model.moe.experts >= FINE_EXPERTS
    full_rate_w = (c.flop_power + (c.fine_expert_power if fine else 0.0)) * flop_rule * tdp_w
    return Energy(
        serving_w=c.base_power * tdp_w,
        linear_flop_j=full_rate_w / accelerator.peak(arithmetic),
        attention_flop_j=full_rate_w / peak16,
        byte_j=c.byte_power * byte_rule * tdp_w / accelerator.memory_bytes_per_s,
        idle_w=accelerator.idle_w + c.resident_power * tdp_w,
    )
