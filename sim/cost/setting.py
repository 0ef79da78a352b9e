"""One deployment of one model on one accelerator, with all that times and energies are computed from."""

from __future__ import annotations

from dataclasses import dataclass

from sim.catalog.types import Accelerator, Model
from sim.cost.coefficients import Coefficients
from sim.cost.deployment import Deployment, Limits
from sim.cost.precision import NumberFormat, arithmetic, kv_element_bytes, number_format
from sim.cost.work import AttentionWork, Cache, Weights, attention_work, cache, weights


@dataclass(frozen=True)
class Setting:
    """Everything that the parts of a step refer to; `arithmetic` is that of quantised weights.

    kv_traffic: bytes moved per byte of cached context that a step reads.
    """

    model: Model
    accelerator: Accelerator
    deployment: Deployment
    coefficients: Coefficients
    format: NumberFormat
    arithmetic: str
    weights: Weights
    attention: AttentionWork
    cache: Cache
    kv_traffic: float

    @property
    def bandwidth(self) -> float:
        return self.accelerator.memory_bytes_per_s

    @property
    def peak(self) -> float:
        return self.accelerator.peak(self.arithmetic)

    @property
    def peak16(self) -> float:
        return self.accelerator.peak("bf16")


def setting(
    model: Model,
    accelerator: Accelerator,
    deployment: Deployment,
    limits: Limits,
    c: Coefficients,
    *,
    expands_kv: bool = False,
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
        kv_traffic=_kv_traffic(model) if expands_kv else 1.0,
    )


def _kv_traffic(model: Model) -> float:
    """Eager attention: the cache is copied as it grows (read and written), and shared heads are written out
    once per query head and read again. For heads that are not shared only the copy of the growing cache."""
    if model.latent is not None or model.kv_heads == model.heads:
        return 3.0
    return 3.0 + 2.0 * model.heads / model.kv_heads
