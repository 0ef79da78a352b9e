"""How one replica is deployed: precision, how it is cut over accelerators, and the serving stack."""

from __future__ import annotations

from dataclasses import dataclass

from sim.catalog.types import Model
from sim.cost.precision import kv_element_bytes, number_format
from sim.errors import Fault, ScenarioError


@dataclass(frozen=True)
class Deployment:
    """One model instance on tensor_parallel x pipeline_parallel x attention_data_parallel accelerators.

    attention_data_parallel: copies of the attention (and of everything but routed experts), each with its own
        sequences; the routed experts are spread over all copies (wide expert parallelism).
    expert_parallel: groups that the routed experts of a stage are divided into; it divides
        tensor_parallel x attention_data_parallel, and each expert is cut over the accelerators of its group.
    memory_fraction: share of the memory that the stack may fill; of the card, or of what the weights leave,
        as the stack has it (`Coefficients.memory_rule`).
    """

    precision: str = "bf16"
    kv_precision: str = "bf16"
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: int = 1
    attention_data_parallel: int = 1
    stack: str = "vllm-2025"
    memory_fraction: float = 0.9

    @property
    def accelerators(self) -> int:
        return self.group * self.pipeline_parallel

    @property
    def group(self) -> int:
        """Accelerators of one pipeline stage."""
        return self.tensor_parallel * self.attention_data_parallel

    @property
    def lanes(self) -> int:
        """Parts that a step's sequences and tokens are dealt to: attention copies x microbatches."""
        return self.attention_data_parallel * self.pipeline_parallel


@dataclass(frozen=True)
class Limits:
    """What the scheduler allows of one replica, and the context to expect.

    max_batch: sequences in a step;  max_step_tokens: computed tokens (decode and prefill) in a step.
    width: tokens that a step computes of each decoding sequence: above 1 it verifies a draft.
    typical_context: context per sequence [tokens]. Sliding windows no longer than this count as full for
        every sequence, longer windows as never reached.
    """

    max_batch: int
    max_step_tokens: int
    typical_context: float = 1024.0
    width: int = 1


def check(deployment: Deployment, model: Model) -> None:
    """Raises ScenarioError with every way in which `deployment` does not suit `model`'s shapes."""
    faults = [*_size_faults(deployment), *_shape_faults(deployment, model)]
    if faults:
        raise ScenarioError(faults)
    number_format(deployment.precision)
    kv_element_bytes(deployment.kv_precision)


def _size_faults(d: Deployment) -> list[Fault]:
    names = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "attention_data_parallel")
    low = [n for n in names if getattr(d, n) < 1]
    faults = [Fault(n, f"{getattr(d, n)} is not allowed", "use 1 or more") for n in low]
    if not 0 < d.memory_fraction <= 1:
        faults.append(Fault("memory_fraction", f"{d.memory_fraction} is not allowed", "use 0 < x <= 1"))
    return faults


def _shape_faults(d: Deployment, model: Model) -> list[Fault]:
    faults = []
    if d.tensor_parallel > model.heads:
        text = f"{d.tensor_parallel} exceeds the {model.heads} attention heads of {model.name}"
        faults.append(Fault("tensor_parallel", text))
    if d.pipeline_parallel > model.layers:
        text = f"{d.pipeline_parallel} exceeds the {model.layers} layers of {model.name}"
        faults.append(Fault("pipeline_parallel", text))
    if d.expert_parallel > 1 and d.group >= 1:
        faults += _expert_faults(d, model)
    return faults


def _expert_faults(d: Deployment, model: Model) -> list[Fault]:
    if model.moe is None:
        return [Fault("expert_parallel", f"{model.name} has no routed experts", "use expert_parallel = 1")]
    faults = []
    if d.group % d.expert_parallel:
        text = f"{d.expert_parallel} does not divide tensor_parallel x attention_data_parallel = {d.group}"
        hint = f"for wide expert parallelism set attention_data_parallel = {d.expert_parallel} as well"
        faults.append(Fault("expert_parallel", text, hint))
    if d.expert_parallel > model.moe.experts:
        text = f"{d.expert_parallel} exceeds the {model.moe.experts} experts of {model.name}"
        faults.append(Fault("expert_parallel", text))
    return faults
