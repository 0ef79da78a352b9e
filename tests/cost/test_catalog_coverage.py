"""Every accelerator of the catalog answers for a model that fits it, with finite tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.catalog.accelerators import accelerators
from sim.catalog.models import models
from sim.cost.deployment import Deployment
from sim.cost.step import step_cost
from sim.cost.types import StepCost
from sim.errors import ScenarioError
from tests.cost.examples import H100, LLAMA_8B

ROOMY = replace(H100, memory_bytes=1e14)


def assert_sound(c: StepCost) -> None:
    for table in (c.token_s, c.sequence_s, c.kv_s, c.host_s, c.token_j):
        assert np.all(np.isfinite(table)) and np.all(table >= 0)
    scalars = (c.token_s_beyond, c.attention_s, c.token_j_beyond, c.sequence_j, c.kv_j, c.attention_j)
    assert all(np.isfinite(x) and x > 0 for x in scalars)
    assert 0 < c.idle_w < c.static_w * 2
    assert c.memory.kv_capacity_tokens > 0


def smallest_that_fits(name: str) -> StepCost:
    """Llama-3.1-8B, cut over tensors and then over stages until it fits."""
    cuts = [(tp, 1) for tp in (1, 2, 4, 8)] + [(8, pp) for pp in (2, 4, 8, 16, 32)]
    for tp, pp in cuts:
        d = Deployment(tensor_parallel=tp, pipeline_parallel=pp)
        try:
            return step_cost(LLAMA_8B, accelerators()[name], d, max_batch=32, max_step_tokens=256)
        except ScenarioError:
            continue
    raise AssertionError(f"no cut makes Llama-3.1-8B fit {name}")


@pytest.mark.parametrize("name", sorted(accelerators()))
def test_every_accelerator_answers(name):
    c = smallest_that_fits(name)
    assert_sound(c)
    # no chip decodes faster than its datasheet bandwidth reads the weights (15 GB in 16 bits)
    chip = accelerators()[name]
    floor_s = 15.0e9 / c.accelerators / (chip.memory_bytes_per_s * 1.05)
    assert c.token_s[1] + c.sequence_s[1] > floor_s


@pytest.mark.parametrize("name", sorted(models()))
def test_every_model_answers_on_a_roomy_chip(name):
    model = models()[name]
    c = step_cost(model, ROOMY, Deployment(), max_batch=64, max_step_tokens=1024)
    assert_sound(c)
    assert 0 < c.knowledge.tpot_error < 1
