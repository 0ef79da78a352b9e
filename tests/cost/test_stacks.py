from __future__ import annotations

import pytest

from sim.cost.stacks import resolve_stack


@pytest.mark.parametrize(
    ("framework", "stack"),
    [
        ("vllm-2024", "vllm-2024"),
        ("vLLM 0.18.0", "vllm-0.18"),
        ("vllm 0.9.1", "vllm-2025"),
        ("vLLM 0.5.4", "vllm-2024"),
        ("vLLM 0.2.1", "vllm-2023"),
        ("vllm", "vllm-2025"),
        ("SGLang v0.4.6", "sglang-2025"),
        ("TensorRT-LLM 0.11", "trtllm-2024"),
        ("trtllm 0.14.0", "trtllm-0.14"),
        ("TensorRT-LLM 0.6.1", "trtllm-2023"),
        ("HF transformers+accelerate (2024)", "hf-transformers-2024"),
        ("Text Generation Inference", "tgi-2024"),
        ("DeepSpeed-MII", "deepspeed-mii-2024"),
        ("FasterTransformer v4", "fastertransformer-2022"),
    ],
)
def test_names_and_versions(framework, stack):
    assert resolve_stack(framework).name == stack


def test_a_date_decides_where_there_is_no_version():
    assert resolve_stack("vllm", date="2023-11-02").name == "vllm-2023"
    assert resolve_stack("vllm", date="2031-01-01").name == "vllm-2025"


def test_amd_has_a_stack_of_its_own_where_it_was_measured():
    assert resolve_stack("vLLM 0.4.3", vendor="AMD").name == "vllm-rocm-2024"
    assert resolve_stack("vLLM 0.10", vendor="AMD").name == "vllm-2025"


def test_what_is_assumed_is_said():
    assert resolve_stack("vllm-2025").note == ""
    assert "taken as vllm-2025" in resolve_stack("vLLM 0.9.1").note
    assert "unknown" in resolve_stack("").note
