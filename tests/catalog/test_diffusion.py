from __future__ import annotations

import pytest

from sim.catalog.diffusion import diffusion_model, diffusion_models, is_diffusion, resolve_diffusion_model
from sim.catalog.models import resolve_model
from sim.cost.diffusion_work import token_parameters
from sim.errors import CatalogError

EVERY = diffusion_models().values()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers", "SANA1.5-1.6B"),
        ("stabilityai/stable-diffusion-3.5-medium", "Stable-Diffusion-3.5-medium"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "Stable-Diffusion-XL"),
        ("stable-diffusion-xl", "Stable-Diffusion-XL"),
        ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "Wan2.1-T2V-1.3B"),
        ("black-forest-labs/FLUX.1-dev", "FLUX.1-dev"),
        ("Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers", "HunyuanDiT-v1.2"),
    ],
)
def test_sources_spell_names_their_own_way(written, name):
    found = resolve_diffusion_model(written)
    assert found is not None and found.name == name


def test_no_name_is_of_text_and_of_images():
    for model in EVERY:
        assert not any(resolve_model(name) for name in (model.name, *model.aliases))
        assert is_diffusion(model.name)
    assert not is_diffusion("Llama-3.1-8B")
    assert not is_diffusion(None)


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(CatalogError, match=r"FLUX\.1-dev"):
        diffusion_model("FLUX.1-dew")


@pytest.mark.parametrize("model", [m for m in EVERY if m.unet is None], ids=lambda m: m.name)
def test_a_token_meets_no_more_parameters_than_there_are(model):
    """Streams with weights of their own and modulation layers make up the rest."""
    share = token_parameters(model) / model.parameters
    assert 0.3 < share < 1.08


@pytest.mark.parametrize("model", EVERY, ids=lambda m: m.name)
def test_shapes_are_those_of_one_kind(model):
    assert (model.frames > 1) == (model.kind == "video")
    assert model.provenance["layers"].source
    if model.unet:
        levels = model.unet
        assert len(levels.level_scale) == len(levels.level_hidden) == len(levels.level_layers)
    else:
        assert model.hidden % model.heads == 0
