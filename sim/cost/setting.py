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
    """Everything that the parts of a step refer to; `arithmetic` is that of quantised weights."""

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


def setting(
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
