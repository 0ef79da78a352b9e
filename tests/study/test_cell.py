from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.cost.deployment import Deployment
from sim.cost.step import step_cost
from sim.engine.state import TPOT
from sim.study.cell import observe
from sim.study.protocols import step_s
from sim.study.setup import Protocol

COST = step_cost(model("Llama-3.1-8B"), accelerator("H100"), Deployment(), max_batch=8, max_step_tokens=4096)


def protocol(**changes) -> Protocol:
    base = {"kind": "static", "size": 8, "input_len": 100, "output_len": 20, "requests": 8}
    return Protocol(**{**base, "scheduler": "static", **changes})


def test_a_static_batch_is_one_prefill_and_its_steps():
    seen = observe(COST, protocol())
    prefill = step_s(COST, 0, 0.0, 800, 8 * 100 * 50) + 8 * COST.admit_s
    # each of the 8 holds 101 tokens in the first of 19 decode steps, one more in each that follows
    steps = sum(step_s(COST, 8, 8 * (101 + i), 0, 0) for i in range(19))
    assert seen.elapsed_s == pytest.approx(prefill + steps + COST.first_token_s)
    assert seen.ttft_s == pytest.approx(prefill + COST.first_token_s)
    assert seen.tpot_s == pytest.approx(steps / 19)
    assert (seen.requests, seen.input_tokens, seen.output_tokens) == (8, 800, 160)


def test_replicas_share_the_load():
    seen = observe(COST, protocol(kind="closed", scheduler="chunked", size=8, requests=80, replicas=4))
    assert seen.requests == 20


def test_a_serial_client_never_waits():
    seen = observe(COST, protocol(kind="serial", size=1, scheduler="chunked", requests=5))
    alone = observe(COST, protocol(kind="static", size=1, requests=1))
    assert seen.ttft_s == pytest.approx(alone.ttft_s)
    assert seen.quantiles_s(TPOT, [0.5])[0] == pytest.approx(alone.tpot_s, rel=0.02)


def test_a_cached_prompt_is_held_but_not_computed():
    changes = {"kind": "closed", "scheduler": "chunked", "size": 4, "requests": 40, "input_len": 2000}
    cold, warm = (observe(COST, protocol(**changes, cached=c)) for c in (False, True))
    assert warm.ttft_s < cold.ttft_s / 2
    # the same context is attended to, so a step is no cheaper than one of the same batch without prefill
    assert warm.tpot_s > step_s(COST, 4, 4 * 2000, 0, 0)


def test_lengths_spread_about_their_mean():
    changes = {"kind": "burst", "scheduler": "chunked", "requests": 4000, "output_len": 50}
    seen = observe(COST, protocol(**changes, spread=0.4))
    assert seen.output_tokens / seen.requests == pytest.approx(50, rel=0.02)
    shorter = observe(COST, protocol(**changes, shortest=0.8))
    assert shorter.output_tokens / shorter.requests == pytest.approx(45, rel=0.02)
