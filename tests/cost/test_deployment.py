from __future__ import annotations

import pytest

from sim.cost.deployment import Deployment, check
from sim.errors import CatalogError, ScenarioError
from tests.cost.examples import DEEPSEEK_V3, LLAMA_8B


def test_sizes_by_hand():
    d = Deployment(tensor_parallel=2, pipeline_parallel=3, attention_data_parallel=4, expert_parallel=8)
    assert (d.accelerators, d.group, d.lanes) == (24, 8, 12)
    check(d, DEEPSEEK_V3)


@pytest.mark.parametrize(
    ("deployment", "model", "text"),
    [
        (Deployment(tensor_parallel=0), LLAMA_8B, "tensor_parallel: 0 is not allowed"),
        (Deployment(memory_fraction=1.2), LLAMA_8B, "memory_fraction: 1.2"),
        (Deployment(tensor_parallel=64), LLAMA_8B, "exceeds the 32 attention heads"),
        (Deployment(pipeline_parallel=64), LLAMA_8B, "exceeds the 32 layers"),
        (Deployment(expert_parallel=2, tensor_parallel=2), LLAMA_8B, "no routed experts"),
        (Deployment(expert_parallel=8), DEEPSEEK_V3, "set attention_data_parallel = 8"),
        (
            Deployment(expert_parallel=512, attention_data_parallel=512),
            DEEPSEEK_V3,
            "exceeds the 256 experts",
        ),
    ],
)
def test_impossible_deployments_name_the_key(deployment, model, text):
    with pytest.raises(ScenarioError, match=text):
        check(deployment, model)


def test_every_fault_at_once():
    with pytest.raises(ScenarioError) as caught:
        check(Deployment(tensor_parallel=0, pipeline_parallel=99, memory_fraction=0.0), LLAMA_8B)
    assert [f.path for f in caught.value.faults] == [
        "tensor_parallel",
        "memory_fraction",
        "pipeline_parallel",
    ]


@pytest.mark.parametrize("words", [{"precision": "fp7"}, {"kv_precision": "bf61"}])
def test_unknown_precisions(words):
    with pytest.raises(CatalogError, match="is not a number format"):
        check(Deployment(**words), LLAMA_8B)
