"""Whether an accelerator can run a model as a pool asks: number formats, and the cuts of the parallel sizes.

Whether the weights fit in memory is the cost stage's to say; this module looks at shapes and formats only.
Names are catalog names, or None where the name itself was refused; then nothing can be checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.scenario.fields import Refusal
from sim.scenario.job import makes_jobs

if TYPE_CHECKING:
    from sim.catalog.types import Accelerator, Model

WEIGHT_ONLY_ANYWHERE = ("int8", "int4")
"""Formats stored small and multiplied in 16 bits on any chip (GPTQ, arXiv 2210.17323; AWQ, 2306.00978)."""

WEIGHT_ONLY_SINCE_AMPERE = ("fp8", "fp4", "mxfp4")
"""Formats whose weight-only kernels (Marlin in vLLM) need NVIDIA compute capability 8.0 or later."""

BEFORE_AMPERE = ("pascal", "volta", "turing")

NETWORKED_TENSOR_PARALLEL = 16
"""Most accelerators that share a layer over the network in practice: two 8-way servers."""


def default_precision(accelerator: str | None, model: str | None) -> str:
    """The published checkpoint's format where the accelerator runs it, else bf16 or fp16."""
    if accelerator is None or model is None:
        return "bf16"
    native = "bf16" if makes_jobs(model) else _model(model).native_precision
    return native if native in runnable(_accelerator(accelerator)) else default_16_bit(accelerator)


def default_16_bit(accelerator: str | None) -> str:
    """bf16, or fp16 where the accelerator has no bf16."""
    return "fp16" if accelerator and "bf16" not in _accelerator(accelerator).peak_flops else "bf16"


def runnable(accelerator: Accelerator) -> tuple[str, ...]:
    """Formats that weights may have on `accelerator`: its own, then those multiplied in 16 bits."""
    own = [p for p in ("bf16", "fp16", "fp8", "int8", "fp4") if p in accelerator.peak_flops]
    stored: list[str] = list(WEIGHT_ONLY_ANYWHERE)
    if accelerator.vendor.lower() == "nvidia" and accelerator.generation not in BEFORE_AMPERE:
        stored += WEIGHT_ONLY_SINCE_AMPERE
    elif "fp8" in own:
        stored.append("mxfp4")
    return (*own, *(p for p in stored if p not in own))


def runnable_precision(precision: str, accelerator: str | None) -> str:
    """`precision`; raises Refusal, naming what there is, where the accelerator cannot run it."""
    if accelerator is None:
        return precision
    chip = _accelerator(accelerator)
    allowed = runnable(chip)
    if precision not in allowed:
        own = [p for p in allowed if p in chip.peak_flops]
        stored = [p for p in allowed if p not in own]
        raise Refusal(
            f'{accelerator} cannot run "{precision}"',
            f"it has {', '.join(own)}; weights stored as {', '.join(stored)} are multiplied in 16 bits",
        )
    return precision


def storable_cache(precision: str, accelerator: str | None) -> str:
    """`precision`; raises Refusal for a 16-bit format that the accelerator lacks (others are storage)."""
    if accelerator is None or precision not in ("bf16", "fp16"):
        return precision
    if precision not in _accelerator(accelerator).peak_flops:
        raise Refusal(f"{accelerator} has no {precision}", f'use "{default_16_bit(accelerator)}"')
    return precision


def check_tensor_parallel(size: int, accelerator: str | None, model: str | None) -> None:
    """Raises Refusal where `size` does not divide the heads, or reaches too far over the network."""
    if model is not None and not makes_jobs(model):
        _check_heads(size, _model(model))
    if accelerator is not None:
        domain = _accelerator(accelerator).domain_size
        limit = max(domain, NETWORKED_TENSOR_PARALLEL)
        if size > limit:
            raise Refusal(
                f"{size} is more than {limit}: the fast links of {accelerator} join {domain}",
                "use pipeline_parallel or attention_data_parallel for the rest",
            )


def _check_heads(size: int, model: Model) -> None:
    from sim.catalog.shapes import divides_heads

    allowed = [n for n in range(1, model.heads + 1) if divides_heads(n, model)]
    if size not in allowed:
        shape = f"{model.heads} attention heads" + (
            "" if model.latent or model.kv_heads == model.heads else f" on {model.kv_heads} KV heads"
        )
        raise Refusal(
            f"{size} does not divide the {shape} of {model.name}", f"allowed: {', '.join(map(str, allowed))}"
        )


def check_pipeline_parallel(stages: int, model: str | None) -> None:
    """Raises Refusal where there are more stages than layers."""
    if model is not None and not makes_jobs(model) and stages > _model(model).layers:
        raise Refusal(f"{stages} is more than the {_model(model).layers} layers of {model}")


def check_expert_parallel(groups: int, accelerators: int, model: str | None) -> None:
    """Raises Refusal where routed experts cannot be divided into `groups` over a stage's `accelerators`."""
    if groups == 1 or model is None or makes_jobs(model):
        return
    experts = _model(model).moe
    if experts is None:
        raise Refusal(f"{model} has no routed experts; given {groups}", "use expert_parallel = 1")
    if accelerators % groups:  # never where a size was refused, which makes it 0
        raise Refusal(
            f"{groups} does not divide tensor_parallel x attention_data_parallel = {accelerators}",
            f"for wide expert parallelism set attention_data_parallel = {groups} as well",
        )
    if groups > experts.experts:
        raise Refusal(f"{groups} is more than the {experts.experts} experts of {model}")


def check_draft(draft: str | None, model: str | None) -> None:
    """Raises Refusal where a draft model makes no text, or speaks other tokens than the model that verifies them."""
    if draft is None or model is None:
        return
    if makes_jobs(draft):
        raise Refusal(
            f"the draft {draft} makes images or videos, not text", f"name a small model of {model}'s family"
        )
    given, wanted = _model(draft).vocab, _model(model).vocab
    if given != wanted:
        raise Refusal(
            f"{draft} has a vocabulary of {given:,} tokens, {model} one of {wanted:,}",
            "a draft must share the tokens of the model that verifies it",
        )


def _accelerator(name: str) -> Accelerator:
    from sim.catalog.accelerators import accelerator

    return accelerator(name)


def _model(name: str) -> Model:
    from sim.catalog.models import model

    return model(name)
