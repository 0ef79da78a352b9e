"""Which serving stack of the catalog a framework's name, version and date speak of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sim.cost.coefficients import stacks

_FAMILIES = (
    (r"fastertransformer", "fastertransformer"),
    (r"sglang", "sglang"),
    (r"tensorrt|trt|dynamo|nim\b", "trtllm"),
    (r"deepspeed|mii", "deepspeed-mii"),
    (r"tgi|text.generation.inference", "tgi"),
    (r"lmdeploy|turbomind", "sglang"),
    (r"transformers|huggingface|hugging face|\bhf\b|accelerate|fastchat|pytorch eager", "hf-transformers"),
    (r"vllm|atom|neuron|jetstream|optimum|habana|mindie|triton", "vllm"),
)
# First version of each year's code: (family, version as major.minor), in order.
_YEARS = {
    "vllm": (((0, 0), 2023), ((0, 3), 2024), ((0, 8), 2025)),
    "sglang": (((0, 0), 2024), ((0, 4), 2025)),
    "trtllm": (((0, 0), 2023), ((0, 8), 2024), ((0, 17), 2025)),
}
_VERSION = re.compile(r"(\d+)\.(\d+)")
_YEAR = re.compile(r"\b(20\d\d)")


@dataclass(frozen=True)
class StackFound:
    """A stack's name, and what had to be assumed to choose it ("" if it was named outright)."""

    name: str
    note: str = ""


def resolve_stack(framework: str, vendor: str = "", date: str = "") -> StackFound:
    """The stack for a framework as sources write it ("vLLM 0.10.2", "sglang", "TensorRT-LLM 0.12").

    vendor: of the accelerator;  date: of the measurement, if known. A stack's own name is taken as it is;
    then framework and version, then framework and year; a framework nobody measured counts as vLLM.
    """
    known = stacks()
    text = framework.lower().strip()
    if text in known:
        return StackFound(text)
    family = next((name for pattern, name in _FAMILIES if re.search(pattern, text)), "")
    version = _VERSION.search(text)
    if family and version:
        exact = f"{family}-{version[1]}.{version[2]}"
        if exact in known:
            return StackFound(exact)
    year = _year(family, text, date)
    name = _nearest_year(family or "vllm", year, vendor, known)
    if not family:
        return StackFound(name, f'framework "{framework}" is unknown: taken as {name}')
    return StackFound(name, f'"{framework}" was not calibrated on its own: taken as {name}')


def _year(family: str, text: str, date: str) -> int:
    version = _VERSION.search(text)
    if version and family in _YEARS:
        number = (int(version[1]), int(version[2]))
        return max((year for first, year in _YEARS[family] if first <= number), default=2025)
    stated = _YEAR.search(text) or _YEAR.search(date)
    return int(stated[1]) if stated else 2025


def _nearest_year(family: str, year: int, vendor: str, known: tuple[str, ...]) -> str:
    """The family's stack of that year, else of the nearest one (the later of two)."""
    special = f"{family}-rocm-{year}"
    if vendor == "AMD" and special in known:
        return special
    names = {int(n.rsplit("-", 1)[1]): n for n in known if re.fullmatch(rf"{family}-20\d\d", n)}
    if not names:
        names = {int(n.rsplit("-", 1)[1]): n for n in known if re.fullmatch(r"vllm-20\d\d", n)}
    return names[min(names, key=lambda y: (abs(y - year), -y))]
