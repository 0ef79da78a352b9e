"""Models that make images and videos by denoising: what a step of theirs must do, from shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from sim.catalog._load import Document, build, name_index, plain_name, read, spread, unknown, unpack
from sim.catalog.models import models
from sim.catalog.types import Provenance

_BLOCK = ("layers", "hidden", "heads", "ffn")
_SUFFIXES = ("-diffusers", "_diffusers", "-hf", "-fp8", "-fp16", "-bf16")


@dataclass(frozen=True)
class UNet:
    """A denoiser of convolutions and attention at several scales.

    position_flops: FLOPs of all convolutions and linear layers per latent position [FLOP].
    Level i attends among positions / level_scale[i]^2 with width level_hidden[i], level_layers[i] times.
    """

    position_flops: float
    level_scale: tuple[int, ...]
    level_hidden: tuple[int, ...]
    level_layers: tuple[int, ...]


@dataclass(frozen=True)
class DiffusionModel:
    """Shapes of a denoiser and of what stands before and behind it, enough to count FLOPs and bytes of a job.

    parameters: of the denoiser.  layers, hidden, heads, ffn: of its blocks (of a U-Net: the equivalent in blocks of its
        outermost width, for memory traffic).  launches: parts of all blocks that the host launches in a pass.
    ffn_matrices: 3 for gated, 2 for plain.  skip_matrices: further hidden x hidden products in all.
    cross: text by cross-attention; else its tokens join the latent ones.  attention: "linear" costs no pairs.
    dual_layers: layers with a second self-attention among latent tokens alone.
    compression: video frames, rows and columns of pixels per latent position.  patch: of latent positions per token.
    guidance_passes: passes of the denoiser per step (2: classifier-free guidance).  split_guidance: one after another.
    text_tokens: of a prompt, padded.  text_encoder: parameters that each of them passes through.
    decoder_flops: FLOPs of decoding one pixel of one frame.
    steps, size (width, height), frames: defaults of a job.
    """

    name: str
    family: str
    kind: Literal["image", "video"]
    parameters: float
    layers: int
    hidden: int
    heads: int
    ffn: int
    text_tokens: int
    text_encoder: float
    decoder_flops: float
    launches: int
    steps: int
    size: tuple[int, int]
    frames: int = 1
    ffn_matrices: int = 2
    skip_matrices: int = 0
    dual_layers: int = 0
    cross: bool = False
    attention: Literal["full", "linear"] = "full"
    unet: UNet | None = None
    compression: tuple[int, int, int] = (1, 8, 8)
    patch: tuple[int, int, int] = (1, 2, 2)
    guidance_passes: int = 2
    split_guidance: bool = False
    native_precision: str = "bf16"
    aliases: tuple[str, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)


@cache
def diffusion_models() -> Mapping[str, DiffusionModel]:
    """Every image and video model of the catalog by its canonical name."""
    doc = read("diffusion")
    return MappingProxyType({n: _entry(doc, n, e) for n, e in doc.body["model"].items()})


def diffusion_model(name: str) -> DiffusionModel:
    """The model called `name`: canonical ("FLUX.1-dev"), alias, or a source's spelling.

    Raises CatalogError with the nearest names where there is none.
    """
    found = resolve_diffusion_model(name)
    if found is None:
        known = [*diffusion_models(), *(a for m in diffusion_models().values() for a in m.aliases)]
        raise unknown("image or video model", name, known, "diffusion")
    return found


@cache
def resolve_diffusion_model(name: str) -> DiffusionModel | None:
    """The model that a source means by `name`, or None; a publisher before a slash and format words are ignored."""
    text = name.rsplit("/", 1)[-1].strip()
    spellings = [name, text]
    for suffix in _SUFFIXES:
        spellings.append(re.sub(f"{re.escape(suffix)}$", "", spellings[-1], flags=re.IGNORECASE))
    for spelling in spellings:
        hit = _index().get(plain_name(spelling))
        if hit:
            return diffusion_models()[hit]
    return None


def is_diffusion(name: str | None) -> bool:
    """Whether `name` is the canonical name of an image or video model. Models of text are looked up first, so that
    scenarios of text alone do not read this catalog."""
    return name is not None and name not in models() and name in diffusion_models()


@cache
def _index() -> Mapping[str, str]:
    return name_index(read("diffusion"), {n: m.aliases for n, m in diffusion_models().items()})


def _entry(doc: Document, name: str, entry: Mapping[str, Any]) -> DiffusionModel:
    where = f"model.{name}"
    values, found = unpack(doc, where, entry)
    spread(doc, where, "block", _BLOCK, values, found)
    for key in ("size", "compression", "patch", "aliases"):
        if key in values:
            values[key] = tuple(values[key])
    if "unet" in values:
        levels = ("level_scale", "level_hidden", "level_layers")
        values["unet"] = UNet(values["unet"]["position_flops"], *(tuple(values["unet"][k]) for k in levels))
    return build(doc, where, DiffusionModel, {"name": name, **values}, found, entry["from"])
