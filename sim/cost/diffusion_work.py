"""What a denoising job must do, from shapes alone: FLOPs and bytes. Pure functions, no efficiencies.

One pass of the denoiser over one image or video of N latent tokens, with T text tokens, L layers of width h:

    linear      2 P (N + T)       P = L (4 h^2 + feed-forward) and, with cross-attention, 2 h^2 more
    attention   4 h L (N + T)^2   two products of every pair of tokens (Vaswani et al., arXiv 1706.03762);
                                  text by cross-attention: 4 h L N (N + T);
                                  linear attention: 4 h d L N, d a head's width
    guidance    every step runs `guidance_passes` of them: with and without the prompt (Ho & Salimans, arXiv 2207.12598)

A U-Net's convolutions and linear layers grow with its latent positions, its attention with their square by level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.catalog.diffusion import DiffusionModel

ELEMENT_BYTES = 2.0
"""Activations and, unless quantised, weights are of 16 bits."""


@dataclass(frozen=True)
class JobShape:
    """One image or video: width and height [pixels], frames, denoising steps."""

    width: int
    height: int
    frames: int
    steps: int


@dataclass(frozen=True)
class JobWork:
    """What one job must do.

    tokens: latent tokens, and text tokens that join them.
    linear_flops, attention_flops, activation_bytes: of one denoising step, all guidance passes; the bytes are those of
        every array that a block's products write, once.
    exchange_bytes: activations of one array of one width, all layers and passes: what sequence parallelism sends.
    weight_bytes16: weights of the denoiser at 16 bits, times the passes that read them anew.
    launches, attentions: parts of blocks, and self-attentions, that the host launches in a step.
    encoder_flops, decoder_flops: before the first and after the last step.
    """

    tokens: float
    linear_flops: float
    attention_flops: float
    activation_bytes: float
    exchange_bytes: float
    weight_bytes16: float
    launches: float
    attentions: float
    encoder_flops: float
    decoder_flops: float

    @property
    def step_flops(self) -> float:
        return self.linear_flops + self.attention_flops


def default_shape(model: DiffusionModel) -> JobShape:
    """The job that a model's publisher shows."""
    return JobShape(*model.size, model.frames, model.steps)


def latent_tokens(model: DiffusionModel, shape: JobShape) -> float:
    """Tokens (of a U-Net: positions) of one latent image or video.

    A causal video encoder keeps the first frame and compresses the others: 1 + (frames - 1) / c.
    """
    over_time, rows, columns = model.compression
    frames = 1 + math.ceil((shape.frames - 1) / over_time) if over_time > 1 else shape.frames
    t, y, x = model.patch
    return math.ceil(frames / t) * math.ceil(shape.height / rows / y) * math.ceil(shape.width / columns / x)


def job_work(model: DiffusionModel, shape: JobShape) -> JobWork:
    """The work of one job of `shape` on `model`."""
    latent = latent_tokens(model, shape)
    joined = 0 if model.cross or model.unet else model.text_tokens
    tokens = latent + joined
    passes = model.guidance_passes
    linear, attention = (
        _unet_flops(model, latent, shape.frames) if model.unet else _flops(model, latent, tokens)
    )
    width_bytes = tokens * model.hidden * model.layers * ELEMENT_BYTES * passes
    reads = passes if model.split_guidance else 1
    return JobWork(
        tokens=tokens,
        linear_flops=passes * linear,
        attention_flops=passes * attention,
        activation_bytes=width_bytes * widths_written(model),
        exchange_bytes=width_bytes,
        weight_bytes16=model.parameters * ELEMENT_BYTES * reads,
        launches=float(model.launches * reads),
        attentions=float((model.layers + model.dual_layers) * reads),
        encoder_flops=2.0 * model.text_encoder * model.text_tokens * passes,
        decoder_flops=model.decoder_flops * shape.width * shape.height * shape.frames,
    )


def token_parameters(model: DiffusionModel) -> float:
    """Parameters of a transformer that each latent token is multiplied with."""
    h = model.hidden
    per_layer = (6 if model.cross else 4) * h * h + model.ffn_matrices * h * model.ffn
    return model.layers * per_layer + (model.skip_matrices * 2 + model.dual_layers * 4) * h * h


def widths_written(model: DiffusionModel) -> float:
    """What the products of one block write per token, in units of the block's width.

    Queries, keys, values and output: 4; of cross-attention 2; the feed-forward and its output, of a gated one both
    halves and their product. Linear attention (SANA, arXiv 2410.10629) writes feature maps, and its feed-forward a
    depthwise convolution's output. A U-Net's convolutions, norms and transformer blocks are taken to write 10.
    """
    if model.unet:
        return 10.0
    ffn = model.ffn / model.hidden
    found = 5.0 + (2.0 if model.cross else 0.0) + ffn * (1 if model.ffn_matrices == 2 else 3)
    if model.attention == "linear":
        found += 3.0 + 2.0 * ffn
    return found + (4.0 * model.dual_layers + 2.0 * model.skip_matrices) / model.layers


def _flops(model: DiffusionModel, latent: float, tokens: float) -> tuple[float, float]:
    """FLOPs of linear layers and of attention in one pass of a transformer."""
    h, layers = model.hidden, model.layers
    linear = 2.0 * token_parameters(model) * tokens
    if model.cross:  # keys and values of the prompt
        linear += 2.0 * 2 * h * h * layers * model.text_tokens
    pairs = tokens * (h / model.heads if model.attention == "linear" else tokens)
    pairs += latent * model.text_tokens if model.cross else 0.0
    return linear, 4.0 * h * (layers * pairs + model.dual_layers * latent**2)


def _unet_flops(model: DiffusionModel, positions: float, frames: int) -> tuple[float, float]:
    """The same of a U-Net; frames of a video attend within themselves."""
    unet = model.unet
    assert unet is not None
    each = positions / frames
    levels = zip(unet.level_scale, unet.level_hidden, unet.level_layers, strict=True)
    pairs = sum(layers * hidden * (each / scale**2) ** 2 for scale, hidden, layers in levels)
    return unet.position_flops * positions, 4.0 * frames * pairs
