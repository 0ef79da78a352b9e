"""The language models: by name, by alias, and by the spellings that measurement files use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from sim.catalog._load import Document, build, name_index, plain_name, read, spread, unknown, unpack
from sim.catalog.types import LatentAttention, MixtureOfExperts, Model, RecurrentLayers
from sim.errors import CatalogError, Fault

_SHAPE = ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab")
_RENAMED = {"total": "published_total", "active": "published_active", "kv": "published_kv_bytes_per_token"}
_PARTS = {"moe": MixtureOfExperts, "latent": LatentAttention, "recurrent": RecurrentLayers}
_QUANTIZED = re.compile(
    r"nvfp4|mxfp4|w\d+a\d+|fp\d+|bf\d+|int\d|awq|gptq|quantized(\.w\d+a\d+)?|static|dynamic|pertensor|4bit|8bit"
)
_RELEASE = re.compile(r"v\d+\.\d|\d{4}|99|99\.9")
_VARIANT = frozenset(
    (
        "instruct",
        "inst",
        "chat",
        "it",
        "hf",
        "base",
        "thinking",
        "preview",
        "per",
        "tensor",
        "block",
        "kv",
        "turbo",
    )
)
_PREFIXES = ("meta-", "nvidia-")


@cache
def models() -> Mapping[str, Model]:
    """Every model of the catalog by its canonical name."""
    doc = read("models")
    return MappingProxyType({n: _entry(doc, n, e) for n, e in doc.body["model"].items()})


def model(name: str) -> Model:
    """The model called `name`: canonical ("Llama-3.1-8B"), alias, or a source's spelling.

    Raises CatalogError with the nearest names where there is none, and where the model makes images or videos.
    """
    found = resolve_model(name)
    if found is None:
        _refuse_images(name)
        raise unknown("model", name, _names(), "models")
    return found


def _refuse_images(name: str) -> None:
    from sim.catalog.diffusion import resolve_diffusion_model

    if resolve_diffusion_model(name) is not None:
        text = f'"{name}" makes images or videos, and this works for models of text alone'
        raise CatalogError(Fault("model", text, "`simulate run` and `validate` take both"))


@cache
def resolve_model(name: str) -> Model | None:
    """The model that a source means by `name` ("meta-llama/Meta-Llama-3-8B-Instruct"), or None.

    The publisher before a slash is ignored; then, one kind after another until a name fits: words of
    quantization, words of variant ("Instruct", "Chat"), release dates and versions, remarks in parentheses.
    """
    index = _index()
    for spelling in _spellings(name):
        hit = index.get(plain_name(spelling))
        if hit:
            return models()[hit]
    return None


def _spellings(name: str) -> Iterator[str]:
    yield name
    text = name.rsplit("/", 1)[-1].lower().strip()
    yield text
    for remark in (r" \1 ", " "):
        words = [w for w in re.split(r"[\s_-]+", re.sub(r"\((.*?)\)", remark, text)) if w]
        for forms in _strippings(words):
            spelling = "-".join(forms)
            yield spelling
            for prefix in _PREFIXES:
                if spelling.startswith(prefix):
                    yield spelling.removeprefix(prefix)


def _strippings(words: list[str]) -> Iterator[list[str]]:
    yield words
    words = [w for w in words if not _QUANTIZED.fullmatch(w)]
    yield words
    words = [w for w in words if w not in _VARIANT]
    yield words
    yield [w for w in words if not _RELEASE.fullmatch(w)]


def _names() -> list[str]:
    return [*models(), *(alias for entry in models().values() for alias in entry.aliases)]


@cache
def _index() -> Mapping[str, str]:
    return name_index(read("models"), {n: m.aliases for n, m in models().items()})


def _entry(doc: Document, name: str, entry: Mapping[str, Any]) -> Model:
    where = f"model.{name}"
    values, found = unpack(doc, where, entry)
    spread(doc, where, "shape", _SHAPE, values, found)
    for short, full in _RENAMED.items():
        if short in values:
            values[full], found[full] = values.pop(short), found.pop(short)
    for part, kind in _PARTS.items():
        if part in values:
            values[part] = kind(**values[part])
    values["aliases"] = tuple(values.get("aliases", ()))
    return build(doc, where, Model, {"name": name, **values}, found, entry["from"])
