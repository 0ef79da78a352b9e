from __future__ import annotations

from dataclasses import replace

import pytest

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.cost.deployment import Deployment
from sim.study.protocols import predict, step_s
from sim.study.setup import Protocol, Setup

MODEL, CHIP = model("Llama-3.1-8B"), accelerator("H100")


def setup(**changes) -> Setup:
    base = {"kind": "steady", "size": 32, "input_len": 200, "output_len": 400, "requests": 1, "max_batch": 32}
    return Setup(CHIP.name, MODEL.name, Deployment(), Protocol(**{**base, **changes}))


def test_a_batch_held_full_by_hand():
    found = predict(setup(), MODEL, CHIP)
    m, cost = found.metrics, found.cost
    context = 200 + 0.6 * 400
    quiet = step_s(cost, 32, 32 * context, 0, 0)
    # 32 / 400 prompts a step: most steps have none, so the median is a step without
    assert m["tpot_ms_p50"] == pytest.approx(quiet * 1e3)
    assert m["tpot_ms_p99"] > m["tpot_ms_p90"] >= m["tpot_ms_p50"]
    assert m["tokens_per_s_output"] == pytest.approx(32 / (m["tpot_ms_mean"] / 1e3))
    assert 32 / m["tokens_per_s_output"] > quiet
    assert m["joules_per_output_token"] == pytest.approx(m["power_w"] / m["tokens_per_s_output"])


def test_prefilling_first_stops_the_batch():
    chunked, first = (predict(setup(scheduler=s), MODEL, CHIP).metrics for s in ("chunked", "prefill-first"))
    assert first["tokens_per_s_output"] < chunked["tokens_per_s_output"]
    assert first["tpot_ms_mean"] < 32e3 / first["tokens_per_s_output"]


def test_one_layer_is_a_share_of_the_model():
    layer = predict(setup(kind="layer", phase="decode", size=16, max_batch=1), MODEL, CHIP).metrics
    whole = predict(setup(size=16, max_batch=16), MODEL, CHIP).metrics
    assert layer["per_layer_latency_ms"] * MODEL.layers < whole["tpot_ms_p50"]
    assert layer["per_layer_latency_ms"] * MODEL.layers > whole["tpot_ms_p50"] / 2


def test_an_engine_without_a_server_has_no_outside_latency():
    static = {"kind": "static", "size": 1, "requests": 1, "scheduler": "static", "max_batch": 1}
    served, bare = (predict(setup(**static, served=s), MODEL, CHIP) for s in (True, False))
    gap = served.metrics["ttft_ms"] - bare.metrics["ttft_ms"]
    assert gap == pytest.approx(served.cost.first_token_s * 1e3)
    assert bare.cost.first_token_s == 0


def test_replicas_multiply_rates_and_power():
    closed = {"kind": "closed", "size": 16, "requests": 160, "max_batch": 16}
    one = predict(setup(**closed), MODEL, CHIP).metrics
    two = predict(setup(**{**closed, "size": 32, "requests": 320}, replicas=2), MODEL, CHIP).metrics
    for name in ("tokens_per_s_output", "power_w", "requests_per_s"):
        assert two[name] == pytest.approx(2 * one[name])
    for name in ("tpot_ms", "joules_per_output_token", "output_tokens_per_s_per_gpu", "joules_per_request"):
        assert two[name] == pytest.approx(one[name])


def test_power_never_exceeds_the_limit():
    big = {"kind": "closed", "size": 512, "requests": 2000, "max_batch": 512, "input_len": 4000}
    found = predict(setup(**big), MODEL, replace(CHIP, tdp_w=100.0)).metrics
    assert found["power_w"] <= 100.0
