from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerator, accelerators
from sim.catalog.models import models
from sim.scenario import placement
from sim.scenario.fields import Refusal


@pytest.mark.parametrize(
    ("name", "formats"),
    [
        ("V100-SXM-32GB", {"fp16", "int8", "int4"}),
        ("T4-PCIE-16GB", {"fp16", "int8", "int4"}),
        ("A100-SXM-80GB", {"bf16", "fp16", "int8", "int4", "fp8", "fp4", "mxfp4"}),
        ("H100-SXM-80GB", {"bf16", "fp16", "fp8", "int8", "int4", "fp4", "mxfp4"}),
        ("MI250-128GB", {"bf16", "fp16", "int8", "int4"}),
        ("MI300X-192GB", {"bf16", "fp16", "fp8", "int8", "int4", "mxfp4"}),
        ("TPU-v5e", {"bf16", "int8", "int4"}),
    ],
)
def test_formats_that_each_chip_runs(name, formats):
    assert set(placement.runnable(accelerator(name))) == formats


def test_every_accelerator_runs_every_model_at_its_default_precision():
    for chip in accelerators():
        allowed = placement.runnable(accelerator(chip))
        for model in models():
            assert placement.default_precision(chip, model) in allowed


def test_a_format_is_refused_with_those_there_are():
    with pytest.raises(Refusal) as caught:
        placement.runnable_precision("fp8", "V100-SXM-32GB")
    assert caught.value.message == 'V100-SXM-32GB cannot run "fp8"'
    assert caught.value.hint == "it has fp16; weights stored as int8, int4 are multiplied in 16 bits"


def test_a_small_cache_is_storage_and_a_16_bit_one_needs_the_arithmetic():
    assert placement.storable_cache("fp8", "V100-SXM-32GB") == "fp8"
    with pytest.raises(Refusal, match="has no bf16"):
        placement.storable_cache("bf16", "V100-SXM-32GB")
    with pytest.raises(Refusal, match="has no fp16"):
        placement.storable_cache("fp16", "TPU-v5e")


@pytest.mark.parametrize(
    ("model", "allowed"),
    [
        ("Llama-3.1-70B", {1, 2, 4, 8, 16}),
        ("Llama-3.2-3B", {1, 2, 4, 8}),
        ("Qwen2.5-7B", {1, 2, 4}),
        ("Falcon-7B", {1}),
        ("DeepSeek-V3", {1, 2, 4, 8, 16}),
    ],
)
def test_tensor_parallel_keeps_heads_whole(model, allowed):
    """Llama-3.2-3B has 24 heads on 8 KV heads, so 3, 6 and 12 share these unevenly; Qwen2.5-7B 28 on 4."""
    found = set()
    for size in range(1, 17):
        try:
            placement.check_tensor_parallel(size, "H100-SXM-80GB", model)
            found.add(size)
        except Refusal:
            pass
    assert found == allowed


def test_tensor_parallel_reaches_as_far_as_the_links_or_two_servers():
    placement.check_tensor_parallel(16, "H100-SXM-80GB", "Llama-3.1-405B")
    placement.check_tensor_parallel(64, "GB200-NVL72-186GB", "Llama-3.1-405B")
    with pytest.raises(Refusal, match="32 is more than 16"):
        placement.check_tensor_parallel(32, "H100-SXM-80GB", "Llama-3.1-405B")


def test_nothing_is_said_where_a_name_was_refused():
    assert placement.default_precision(None, "Llama-3.1-8B") == "bf16"
    assert placement.runnable_precision("fp8", None) == "fp8"
    placement.check_tensor_parallel(7, None, None)
    placement.check_pipeline_parallel(1000, None)
    placement.check_expert_parallel(1000, 1, None)
