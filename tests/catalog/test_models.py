"""Models: the names that sources use find the right shapes."""

from __future__ import annotations

import pytest

from sim.catalog.models import model, models, resolve_model
from sim.errors import CatalogError

SPELLINGS = {
    "Qwen3-32B": ("Qwen/Qwen3-32B", "nvidia/Qwen3-32B-NVFP4", "Qwen3-32B-FP8-Static-PerTensor", "qwen3 32b"),
    "Qwen3-30B-A3B": (
        *("Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B-Thinking-2507"),
        "Qwen/Qwen3-Coder-30B-A3B-Instruct",
    ),
    "Qwen3-235B-A22B": ("Qwen/Qwen3-235B-A22B-FP8", "nvidia/Qwen3-235B-A22B-NVFP4"),
    "Qwen2.5-7B": ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2-7B", "Qwen2-7B-Instruct"),
    "Llama-3-8B": ("meta-llama/Meta-Llama-3-8B", "meta-llama/Meta-Llama-3-8B-Instruct", "LLaMA v3 8B"),
    "Llama-3.1-8B": (
        *("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Meta-Llama-3.1-8B-Instruct", "LLaMA v3.1 8B"),
        *("nvidia/Llama-3.1-8B-Instruct-FP8", "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", "Llama 3.1 8B"),
        "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16",
        "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8",
    ),
    "Llama-3.1-70B": (
        *("meta-llama/Llama-3.1-70B", "meta-llama/Llama-3.3-70B-Instruct", "LLaMA v3.1 70B", "Llama 3.3 70B"),
        "meta-llama/Meta-Llama-3.1-70B-Instruct",
    ),
    "Llama-3.1-405B": ("amd/Llama-3.1-405B-Instruct-MXFP4-Preview", "llama3.1-405b"),
    "Llama-2-7B": ("meta-llama/Llama-2-7b-hf", "codellama/CodeLlama-7b-hf", "llava-hf/llava-1.5-7b-hf"),
    "Llama-2-13B": ("codellama/CodeLlama-13b-hf", "llava-hf/llava-1.5-13b-hf", "Llama-2-13b-chat-hf"),
    "Llama-2-70B": ("llama2-70b", "llama2_70b", "llama2-70b-99", "llama2-70b-99.9", "LLaMA 70B"),
    "CodeLlama-34B": ("codellama/CodeLlama-34b-hf",),
    "LLaMA-7B": (
        "LLaMA 7B",
        "metaai/llama-7B",
        "huggyllama/llama-7b",
        "lmsys/vicuna-7B",
        "tatsu-lab/alpaca-7B",
    ),
    "LLaMA-13B": ("huggyllama/llama-13b", "BAIR/koala-13b", "nomic-ai/gpt4all-13b-snoozy"),
    "LLaMA-30B": ("llama1_30b",),
    "Mistral-7B": ("mistralai/Mistral-7B-v0.1", "mistralai/Mistral-7B-Instruct-v0.3", "Mistral 7B"),
    "Mistral-Nemo-12B": ("mistralai/Mistral-Nemo-Instruct-2407",),
    "Mixtral-8x7B": ("Mixtral 8x7B", "mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b"),
    "DeepSeek-V3": ("deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V3.1", "deepseek-ai/DeepSeek-R1-0528"),
    "gpt-oss-120b": ("openai/gpt-oss-120b",),
    "gpt-oss-20b": ("openai/gpt-oss-20b", "GPT-OSS 20B"),
    "GPT-J-6B": ("gptj-99", "gptj-99.9", "GPT-J 6B", "EleutherAI/gpt-j-6b"),
    "GPT-20B": ("GPT-20B",),
    "GPT-350M": ("GPT-350M",),
    "Falcon-7B": ("Falcon (7B)", "tiiuae/falcon-7b-instruct"),
    "OPT-6.7B": ("facebook/opt-6.7b",),
    "Gemma-3-27B": ("google/gemma-3-27b-it",),
    "Gemma-2-9B": ("google/gemma-2-9b-it",),
    "Gemma-2B": ("google/codegemma-1.1-2b",),
    "Phi-3-mini": ("microsoft/Phi-3-mini-4k-instruct", "microsoft/Phi-3-vision-128k-instruct"),
    "StarCoder2-15B": ("bigcode/starcoder2-15b",),
    "Nemotron-Nano-9B-v2": ("nvidia/NVIDIA-Nemotron-Nano-9B-v2",),
    "Chameleon-34B": ("facebook/chameleon-30b",),
    "Pythia-12B": ("databricks/dolly-v2-12b", "OpenAssistant/oasst-sft-1-pythia-12b"),
    "BLOOM-7B": ("FreedomIntelligence/phoenix-inst-chat-7b",),
    "xgen-7b-8k": ("Salesforce/xgen-7b-8k-inst",),
}


@pytest.mark.parametrize("name, spelling", [(n, s) for n, many in SPELLINGS.items() for s in many])
def test_spellings_of_sources(name, spelling):
    found = resolve_model(spelling)
    assert found is not None and found.name == name


@pytest.mark.parametrize(
    "spelling",
    [
        "stabilityai/stable-diffusion-3.5-medium",
        "RWKV/rwkv-raven-7b",
        "lmsys/fastchat-t5-3b-v1.0",
        "llama",
        "",
    ],
)
def test_what_has_no_shape_here_is_not_guessed(spelling):
    assert resolve_model(spelling) is None


def test_unknown_name_says_the_nearest():
    with pytest.raises(CatalogError) as caught:
        model("Lama-3.1-8B")
    assert 'unknown model "Lama-3.1-8B"' in str(caught.value)
    assert '"Llama-3.1-8B"' in caught.value.faults[0].hint


@pytest.mark.parametrize("entry", models().values(), ids=models())
def test_a_name_and_its_aliases_find_it(entry):
    for name in (entry.name, entry.name.lower(), *entry.aliases):
        assert model(name) is entry


@pytest.mark.parametrize("entry", models().values(), ids=models())
def test_shapes_are_consistent(entry):
    assert entry.heads % entry.kv_heads == 0
    assert entry.ffn_matrices in (2, 3)
    assert entry.window_layers <= entry.layers
    assert bool(entry.window) == bool(entry.window_layers)
    assert entry.native_precision in ("fp16", "bf16", "fp8", "mxfp4")
    if entry.moe:
        assert entry.moe.top_k < entry.moe.experts
        assert 0 <= entry.moe.dense_layers < entry.layers
    if entry.recurrent:
        assert entry.recurrent.layers + entry.attention_layers + entry.ffn_layers == entry.layers
