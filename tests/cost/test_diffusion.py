from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.catalog.accelerators import accelerator
from sim.catalog.diffusion import diffusion_model, diffusion_models
from sim.cost.diffusion import Split, job_cost, job_times, split_of
from sim.cost.diffusion_coefficients import MOST_SHARE, NAMES, job_coefficients
from sim.cost.diffusion_work import JobShape, default_shape, job_work
from sim.cost.limit import power_limited
from sim.errors import ScenarioError

H100 = accelerator("H100")
CHIPS = ("V100-SXM-32GB", "A100-SXM-80GB", "H100", "H200", "B200", "MI300X-192GB", "L40S-PCIE-48GB")
NAMED = sorted(diffusion_models())


ALONE = Split()


def times(name: str, chip: str, jobs: int, split: Split = ALONE):
    model, found = diffusion_model(name), accelerator(chip)
    work = job_work(model, default_shape(model))
    return (
        work,
        found,
        job_times(work, found, split, "bf16", job_coefficients(found.generation), np.array([jobs * 1.0])),
    )


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMED), st.sampled_from(CHIPS), st.integers(1, 64))
def test_no_step_beats_the_chip(name, chip, jobs):
    work, found, took = times(name, chip, jobs)
    least_s = jobs * work.step_flops / found.peak("bf16") / MOST_SHARE
    assert took.step_s[0] > least_s
    assert took.step_s[0] > work.weight_bytes16 / found.memory_bytes_per_s * 0.99


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMED), st.sampled_from(CHIPS), st.integers(1, 63))
def test_a_larger_batch_takes_longer_and_no_longer_each(name, chip, jobs):
    one, more = (times(name, chip, n)[2].step_s[0] for n in (jobs, jobs + 1))
    assert one < more
    assert more / (jobs + 1) <= one / jobs * (1 + 1e-9)


def test_sharing_a_long_sequence_shortens_its_step_but_costs_accelerator_time():
    alone = times("Wan2.1-T2V-1.3B", "H100", 1)[2].step_s[0]
    for g in (2, 4):
        shared = times("Wan2.1-T2V-1.3B", "H100", 1, Split(g, 1))[2].step_s[0]
        assert alone / g < shared < alone


def test_heads_say_how_a_sequence_is_shared():
    assert split_of(diffusion_model("Wan2.1-T2V-1.3B"), 8) == Split(4, 2)  # 12 heads
    assert split_of(diffusion_model("FLUX.1-dev"), 8) == Split(8, 1)
    with pytest.raises(ScenarioError, match="U-Net"):
        split_of(diffusion_model("Stable-Diffusion-XL"), 2)


def test_tables_hold_a_batch_and_what_comes_once():
    model = diffusion_model("PixArt-Sigma")
    shape = JobShape(1024, 1024, 1, 20)
    cost = job_cost(model, H100, shape, max_batch=8, watermark=0.01)
    assert cost.token_s.shape == (9,)
    assert cost.sequence_s[0] > 0 and not cost.sequence_s[1:].any()
    assert not cost.kv_s.any() and not cost.host_s.any()
    assert cost.memory.kv_capacity_tokens * 0.99 >= 8 * 21
    assert cost.token_j[8] == pytest.approx(8 * cost.token_j[1])


def test_no_board_draws_more_than_its_limit():
    model = diffusion_model("CogVideoX1.5-5B")
    cost = power_limited(job_cost(model, H100, default_shape(model), max_batch=4), H100.tdp_w, 0.0)
    watts = cost.static_w + cost.token_j[1:] / cost.token_s[1:]
    assert (watts <= H100.tdp_w).all() and (watts > 0.8 * H100.tdp_w).all()


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does():
    model = diffusion_model("CogVideoX1.5-5B")
    with pytest.raises(ScenarioError, match="max_batch = 4"):
        job_cost(model, H100, default_shape(model), max_batch=64)


def test_a_slower_clock_slows_arithmetic_alone():
    model, shape = diffusion_model("PixArt-Sigma"), JobShape(1024, 1024, 1, 20)
    full, half = (job_cost(model, H100, shape, max_batch=16, clock=c) for c in (1.0, 0.5))
    assert 1.5 < half.token_s[16] / full.token_s[16] < 2.0
    assert half.token_j[16] < full.token_j[16]
    assert half.static_w < full.static_w


def test_coefficients_say_how_they_are_known():
    known, unknown = job_coefficients("hopper"), job_coefficients("cdna3")
    assert known.knowledge.basis == "measured" and not known.warnings
    assert unknown.knowledge.basis == "datasheet only" and "cdna3" in unknown.warnings[0]
    assert unknown.spread > known.spread > 0
    assert unknown.knowledge.ttft_error > known.knowledge.ttft_error


@pytest.mark.parametrize("name", NAMES)
def test_a_coefficient_moves_by_its_band(name):
    fitted = job_coefficients("hopper")
    moved = fitted.at({name: 1.0, "host_step_s": 3.0})
    ratio = getattr(moved.coefficients, name) / getattr(fitted.coefficients, name)
    assert ratio == pytest.approx(np.exp(fitted.sigma[name]))
    assert replace(moved.coefficients, **{name: getattr(fitted.coefficients, name)}) == fitted.coefficients


def test_shares_of_peak_fall_as_peaks_rise():
    shares = [
        job_coefficients(accelerator(c).generation).share("dense_flops", accelerator(c))
        for c in ("A100", "H100", "B200")
    ]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("chip", CHIPS)
def test_the_band_of_an_unmeasured_model_is_as_wide_as_left_out_ones_were_missed(chip):
    found = accelerator(chip)
    model, shape = diffusion_model("CogVideoX-5b"), default_shape(diffusion_model("CogVideoX-5b"))
    middle = job_coefficients(found.generation)
    slow, fast = (
        job_times(
            job_work(model, shape), found, ALONE, "bf16", middle.at({"dense_flops": z}), np.array([4.0])
        )
        for z in (-1.645, 1.645)
    )
    assert slow.step_s[0] / fast.step_s[0] > 0.95 * np.exp(2 * 1.645 * middle.spread)
