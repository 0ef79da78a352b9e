from __future__ import annotations

import pytest

from sim.study.rows import cases, read_rows
from sim.study.setup import Reading, Unanswered, read
from tests.study.measured import CLOSED, STATIC, write_rows


@pytest.fixture
def reading_of(tmp_path):
    def make(row: dict) -> Reading | Unanswered:
        (case,) = cases(read_rows([write_rows(tmp_path / "m.csv", [row])]))
        return read(case)

    return make


def test_a_closed_loop_is_read_as_its_source_measures(reading_of):
    found = reading_of(CLOSED)
    p, d = found.setup.protocol, found.setup.deployment
    assert (p.kind, p.size, p.requests, p.shortest, p.statistic) == ("closed", 16, 160, 0.8, "mean")
    assert (d.tensor_parallel, d.precision, d.stack) == (4, "fp8", "vllm-2025")
    assert any("10 requests each" in a for a in found.assumptions)
    assert found.unfit == ""


def test_parallel_sizes_stand_in_notes(reading_of):
    row = {**CLOSED, "model": "deepseek-ai/DeepSeek-V3", "num_gpus": "8", "tp": "1"}
    found = reading_of({**row, "notes": "attention_dp_size=8; moe_ep_size=8"})
    d = found.setup.deployment
    assert (d.tensor_parallel, d.attention_data_parallel, d.expert_parallel, d.accelerators) == (1, 8, 8, 8)
    assert found.setup.protocol.replicas == 1


def test_gpus_beyond_one_replica_are_further_replicas(reading_of):
    found = reading_of({**CLOSED, "num_gpus": "8"})
    assert found.setup.protocol.replicas == 2


@pytest.mark.parametrize(
    ("words", "tp", "pp"),
    [("Tensor Parallelism", 4, 1), ("Pipeline Parallelism", 1, 4), ("Hybrid TP = 2 and PP = 2", 2, 2)],
)
def test_parallelism_in_words(reading_of, words, tp, pp):
    row = {**STATIC, "tp": "", "pp": "", "num_gpus": "4", "notes": f"parallelism: {words}"}
    d = reading_of(row).setup.deployment
    assert (d.tensor_parallel, d.pipeline_parallel) == (tp, pp)


@pytest.mark.parametrize(
    ("text", "precision", "kv"),
    [
        ("FP8/FP8kv", "fp8", "fp8"),
        ("W4A16/gptq", "int4", "bf16"),
        ("W8A8/compressed-tensors", "int8", "bf16"),
        ("W8A16/compressed-tensors", "w8a16", "bf16"),
        ("Weight = fp16, KV Cache = fp8", "bf16", "fp8"),
        ("Weight = int8, KV Cache = int8", "w8a16", "int8"),
        ("bfloat16", "bf16", "bf16"),
        ("", "bf16", "bf16"),
    ],
)
def test_precisions_as_sources_write_them(reading_of, text, precision, kv):
    d = reading_of({**STATIC, "precision": text}).setup.deployment
    assert (d.precision, d.kv_precision) == (precision, kv)


def test_nvfp4_of_a_model_shipped_in_mxfp4_is_mxfp4(reading_of):
    row = {**CLOSED, "model": "openai/gpt-oss-120b", "precision": "fp4 (gemm nvfp4, moe nvfp4)"}
    assert reading_of(row).setup.deployment.precision == "mxfp4"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"accelerator": "Abacus 9000"}, 'accelerator "Abacus 9000" is not in the catalog'),
        ({"model": "acme/secret"}, 'model "acme/secret" is not in the catalog'),
        ({"scenario": "by feel"}, '"by feel" is no known way of measuring'),
        ({"input_len": ""}, "input_len not stated"),
        ({"batch_or_concurrency": ""}, "how much load was offered"),
        ({"scenario": "speculative-burst"}, "speculative decoding"),
    ],
)
def test_what_cannot_be_predicted_says_why(reading_of, change, why):
    found = reading_of({**STATIC, **change})
    assert isinstance(found, Unanswered)
    assert why in found.why


def test_an_unknown_framework_is_answered_and_said(reading_of):
    found = reading_of({**STATIC, "framework": "Turbo-9"})
    assert found.setup.deployment.stack == "vllm-2025"
    assert any("Turbo-9" in a for a in found.assumptions)
