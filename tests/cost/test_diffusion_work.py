from __future__ import annotations

from dataclasses import replace

import pytest

from sim.catalog.diffusion import diffusion_model, diffusion_models
from sim.cost.diffusion_work import JobShape, default_shape, job_work, latent_tokens

SQUARE = JobShape(1024, 1024, 1, 20)


@pytest.mark.parametrize(
    ("name", "shape", "tokens"),
    [
        ("PixArt-Sigma", SQUARE, 64 * 64),
        ("SANA1.5-1.6B", SQUARE, 32 * 32),
        ("Wan2.1-T2V-1.3B", JobShape(832, 480, 81, 50), 21 * 30 * 52),
        ("CogVideoX1.5-5B", JobShape(1360, 768, 81, 50), 11 * 48 * 85),
        ("HunyuanVideo", JobShape(1280, 720, 129, 50), 33 * 45 * 80),
    ],
)
def test_latent_tokens_by_hand(name, shape, tokens):
    assert latent_tokens(diffusion_model(name), shape) == tokens


def test_the_work_of_a_plain_transformer_by_hand():
    """PixArt-Sigma: 28 layers of 14 h^2, 4,096 tokens, cross-attention to 300, two passes."""
    h, layers, tokens, text = 1152, 28, 4096, 300
    work = job_work(diffusion_model("PixArt-Sigma"), SQUARE)
    assert work.linear_flops == 2 * (2 * layers * 14 * h * h * tokens + 4 * layers * h * h * text)
    assert work.attention_flops == 2 * 4 * h * layers * tokens * (tokens + text)
    assert work.activation_bytes == 2 * 2 * tokens * h * layers * (4 + 2 + 4 + 1)
    assert work.exchange_bytes == 2 * 2 * tokens * h * layers


def test_text_that_joins_the_sequence_counts_in_every_layer():
    model = diffusion_model("Stable-Diffusion-3-medium")
    work = job_work(model, SQUARE)
    assert work.tokens == 4096 + 333
    assert work.attention_flops == 2 * 4 * 1536 * 24 * (4096 + 333) ** 2


@pytest.mark.parametrize(
    "name", [n for n, m in diffusion_models().items() if m.attention == "full" and not m.unet]
)
def test_work_grows_with_pixels_and_attention_with_their_square(name):
    model = diffusion_model(name)
    small = replace(default_shape(model), width=1024, height=512)
    large = replace(small, width=2048, height=1024)
    a, b = job_work(model, small), job_work(model, large)
    text = model.text_tokens
    assert b.decoder_flops == 4 * a.decoder_flops
    assert b.encoder_flops == a.encoder_flops
    joined = 0 if model.cross else text
    assert b.tokens - joined == 4 * (a.tokens - joined)
    assert 4 * 0.75 <= b.linear_flops / a.linear_flops <= 4
    assert 16 * 0.6 <= b.attention_flops / a.attention_flops <= 16


def test_linear_attention_grows_with_pixels_alone():
    model = diffusion_model("SANA1.5-1.6B")
    a, b = (job_work(model, JobShape(s, s, 1, 20)).attention_flops for s in (1024, 2048))
    assert 3.9 < b / a < 4.1


def test_guidance_doubles_a_step():
    model = diffusion_model("PixArt-Sigma")
    once = job_work(replace(model, guidance_passes=1), SQUARE)
    assert job_work(model, SQUARE).step_flops == 2 * once.step_flops


def test_a_u_net_has_the_counted_work():
    """Stable Diffusion 1.4 at 512 x 512: 338.7 GMACs of convolutions and linear layers in one pass (BK-SDM)."""
    model = replace(diffusion_model("Stable-Diffusion-1.5"), guidance_passes=1)
    work = job_work(model, default_shape(model))
    assert work.linear_flops == pytest.approx(2 * 338.7e9, rel=1e-3)
    assert work.decoder_flops == pytest.approx(2 * 1240.1e9, rel=1e-3)
