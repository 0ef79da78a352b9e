"""The accelerators: by name, by alias, and by the spellings that measurement files use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from sim.catalog._load import Document, build, name_index, plain_name, read, unknown, unpack
from sim.catalog.types import Accelerator

_GIB = 2.0**30
_NOISE = frozenset(
    (
        *(
            "nvidia",
            "amd",
            "google",
            "intel",
            "huawei",
            "microsoft",
            "amazon",
            "aws",
            "cloud",
            "tesla",
            "geforce",
        ),
        *(
            "instinct",
            "radeon",
            "habana",
            "hgx",
            "dgx",
            "gpu",
            "gpus",
            "card",
            "accelerator",
            "tensor",
            "core",
        ),
        *("nps1", "spx", "oam", "hbm", "hbm2", "hbm2e", "hbm3", "hbm3e", "gddr6", "gddr6x", "gddr7"),
        *("grace", "hopper", "gracehopper", "superchip", "aarch64"),
    )
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)gi?b")
_IGNORED = re.compile(r"\d+w|x\d+|\d+x")
_COUNT = re.compile(r"^\d+ ?x ?(?=\D)")
_FORM = re.compile(r"sxm\d?")


@cache
def accelerators() -> Mapping[str, Accelerator]:
    """Every accelerator of the catalog by its canonical name."""
    doc = read("accelerators")
    return MappingProxyType({n: _entry(doc, n, e) for n, e in doc.body["accelerator"].items()})


def accelerator(name: str) -> Accelerator:
    """The accelerator called `name`: canonical ("H100-SXM-80GB"), alias ("H100"), or a source's spelling.

    Raises CatalogError with the nearest names where there is none.
    """
    found = resolve_accelerator(name)
    if found is None:
        raise unknown("accelerator", name, _names(), "accelerators")
    return found


@cache
def resolve_accelerator(name: str) -> Accelerator | None:
    """The accelerator that a source means by `name` ("NVIDIA H100 80GB HBM3", "8x H200-SXM-141GB"), or None.

    Vendor words, memory kinds, power limits and remarks in parentheses are ignored; a memory size must be
    that of the entry, within an eighth. A form factor is ignored only where it says SXM.
    """
    index = _index()
    hit = index.get(plain_name(name))
    if hit is None:
        hit = _by_words(name, index)
    return accelerators()[hit] if hit else None


def _by_words(name: str, index: Mapping[str, str]) -> str | None:
    text = _COUNT.sub("", re.sub(r"\(.*?\)", " ", name.lower()).strip())
    words = [w for w in re.split(r"[\s_/,-]+", text) if w and w not in _NOISE and not _IGNORED.fullmatch(w)]
    words = list(dict.fromkeys(words))
    sizes = [float(m[1]) for w in words if (m := _SIZE.fullmatch(w))]
    bare = [w for w in words if not _SIZE.fullmatch(w)]
    for attempt in (words, _without_form(words), bare, _without_form(bare)):
        hit = index.get(plain_name("".join(attempt)))
        if hit and all(_near(accelerators()[hit].memory_bytes, size) for size in sizes):
            return hit
    return None


def _without_form(words: list[str]) -> list[str]:
    return [w for w in words if not _FORM.fullmatch(w)]


def _near(memory_bytes: float, size_gb: float) -> bool:
    return abs(size_gb * _GIB / memory_bytes - 1.0) < 0.125


def _names() -> list[str]:
    return [*accelerators(), *(alias for entry in accelerators().values() for alias in entry.aliases)]


@cache
def _index() -> Mapping[str, str]:
    return name_index(read("accelerators"), {n: a.aliases for n, a in accelerators().items()})


def _entry(doc: Document, name: str, entry: Mapping[str, Any]) -> Accelerator:
    where = f"accelerator.{name}"
    values, found = unpack(doc, where, entry)
    values["memory_bytes"] = values.pop("memory_gib") * _GIB
    found["memory_bytes"] = found.pop("memory_gib")
    values["price_date"] = found["price_usd"].date
    values["aliases"] = tuple(values.get("aliases", ()))
    return build(doc, where, Accelerator, {"name": name, **values}, found, entry["from"])
