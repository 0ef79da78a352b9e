"""Number formats: bytes that a weight or a cached value takes, and the rate at which a chip multiplies it."""

from __future__ import annotations

from dataclasses import dataclass

from sim.catalog.types import Accelerator
from sim.errors import CatalogError, Fault, did_you_mean


@dataclass(frozen=True)
class NumberFormat:
    """How weights of one precision are stored and multiplied.

    linear_bytes, expert_bytes: bytes per parameter of dense linear layers and of routed experts, with scales.
    compute: arithmetic precisions to look for on the chip, best first; with none, 16-bit arithmetic.
    weight_only: stored in this format, always multiplied in 16 bits.
    The output head and the embedding stay in 16 bits in every published quantised checkpoint we know of.
    """

    name: str
    linear_bytes: float
    expert_bytes: float
    compute: tuple[str, ...]
    weight_only: bool = False


HEAD_BYTES = 2.0
ACTIVATION_BYTES = 2.0
BLOCK_4BIT_BYTES = 4.25 / 8
"""4-bit weights with a 16-bit scale per 128 and zero points (GPTQ, AWQ), or MXFP4's 8-bit scale per 32."""
NVFP4_BYTES = 4.5 / 8
"""NVFP4 has an 8-bit scale per 16 weights."""

FORMATS = {
    f.name: f
    for f in (
        NumberFormat("bf16", 2.0, 2.0, ("bf16", "fp16")),
        NumberFormat("fp16", 2.0, 2.0, ("fp16", "bf16")),
        NumberFormat("fp8", 1.0, 1.0, ("fp8",)),
        NumberFormat("int8", 1.0, 1.0, ("int8",)),
        NumberFormat("fp4", NVFP4_BYTES, NVFP4_BYTES, ("fp4",)),
        NumberFormat("mxfp4", 2.0, BLOCK_4BIT_BYTES, ()),
        NumberFormat("w8a16", 1.0, 1.0, (), weight_only=True),
        NumberFormat("int4", BLOCK_4BIT_BYTES, BLOCK_4BIT_BYTES, (), weight_only=True),
    )
}
KV_BYTES = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": NVFP4_BYTES}


def number_format(name: str) -> NumberFormat:
    """The format called `name`. Raises CatalogError, with the nearest names, for an unknown one."""
    if name not in FORMATS:
        raise _unknown("precision", name, FORMATS)
    return FORMATS[name]


def kv_element_bytes(name: str) -> float:
    """Bytes of one cached key or value. Raises CatalogError for an unknown precision."""
    if name not in KV_BYTES:
        raise _unknown("kv_precision", name, KV_BYTES)
    return KV_BYTES[name]


def arithmetic(fmt: NumberFormat, accelerator: Accelerator) -> str:
    """The arithmetic precision in which `accelerator` multiplies weights of `fmt`: a key of its `peak_flops`.

    A chip without the format's fast path reads the small weights and multiplies in 16 bits. MXFP4 experts
    meet 8-bit activations where the chip multiplies 4-bit numbers at all, and 16-bit ones elsewhere.
    """
    wanted = fmt.compute
    if fmt.name == "mxfp4" and "fp4" in accelerator.peak_flops:
        wanted = ("fp8",)
    for name in (*wanted, "bf16", "fp16"):
        if name in accelerator.peak_flops:
            return name
    raise CatalogError(Fault(f"accelerators.{accelerator.name}.peak_flops", "has neither bf16 nor fp16"))


def stored_as(fmt: NumberFormat, accelerator: Accelerator) -> str:
    """The format that weights of `fmt` behave as on this chip: weight-only where it cannot multiply them.

    FP8 weights on an A100 are unpacked to 16 bits on the way, as 8-bit weight-only ones are.
    """
    if fmt.linear_bytes >= HEAD_BYTES or not fmt.compute or arithmetic(fmt, accelerator) in fmt.compute:
        return fmt.name
    return "w8a16" if fmt.linear_bytes >= 1.0 else "int4"


def _unknown(key: str, name: str, known: dict) -> CatalogError:
    hint = f"known: {', '.join(known)}. {did_you_mean(name, known)}".strip()
    return CatalogError(Fault(key, f'"{name}" is not a number format', hint))
