"""What a summary says of images and videos, and that text beside them is as if they were not there."""

from __future__ import annotations

import pytest

from sim.run import run, step_costs
from sim.scenario import loads
from sim.study.jobs import batch_totals

IMAGES = """
[[workload]]
name = "pictures"
model = "PixArt-Sigma"
arrivals = { process = "poisson", rate_per_s = 1 }
job = { steps = 20 }
[[workload]]
name = "drafts"
model = "PixArt-Sigma"
arrivals = { process = "poisson", rate_per_s = 0.5 }
job = { steps = 10 }
[[pool]]
name = "art"
accelerator = "H100"
model = "PixArt-Sigma"
replicas = 3
"""
CHAT = """
[[workload]]
name = "chat"
model = "Llama-3.1-8B"
arrivals = { process = "poisson", rate_per_s = 2 }
lengths = { kind = "fixed", input = 200, output = 30 }
[[pool]]
name = "chat"
accelerator = "H100"
model = "Llama-3.1-8B"
"""
HEAD = 'name = "mixed"\nseed = 2\nduration = "60 s"\n'


@pytest.fixture(scope="module")
def mixed():
    return run(loads(HEAD + IMAGES + CHAT)).summary


@pytest.fixture(scope="module")
def images():
    return run(loads(HEAD + IMAGES)).summary


def test_tokens_are_those_of_text(mixed, images):
    chat = mixed["workloads"][2]["requests"]["completed"]
    assert mixed["tokens"]["output"] == mixed["tokens"]["user_output"] == 30 * chat
    assert mixed["tokens"]["input"] == mixed["tokens"]["prefill_computed"] == 200 * chat
    assert set(images["tokens"].values()) == {0}


def test_figures_per_token_leave_images_out(mixed, images):
    assert images["energy"]["j_per_output_token"] is None
    assert images["cost"]["usd_per_mtok_output"] is images["cost"]["usd_per_mtok"] is None
    usd = mixed["cost"]["by"]["workload"]["chat"]
    assert mixed["cost"]["usd_per_mtok_output"] == pytest.approx(usd * 1e6 / mixed["tokens"]["output"])
    site_j = mixed["energy"]["by_workload"][2]["site_j"]
    assert mixed["energy"]["j_per_output_token"] == pytest.approx(site_j / mixed["tokens"]["output"])


def test_every_dollar_and_joule_goes_to_something_made(images):
    made = images["jobs"]
    assert [job["workload"] for job in made] == ["pictures", "drafts"]
    usd = sum(job["usd_per_item"] * job["completed"] for job in made)
    joules = sum(job["j_per_item"] * job["completed"] for job in made)
    assert usd == pytest.approx(images["cost"]["usd_total"])
    assert joules == pytest.approx(images["energy"]["serving_j"])
    assert made[0]["wh_per_item"] == pytest.approx(made[0]["j_per_item"] / 3600)


def test_twice_the_steps_cost_about_twice(images):
    twenty, ten = images["jobs"]
    assert 1.6 < twenty["usd_per_item"] / ten["usd_per_item"] <= 2.01
    assert 1.6 < twenty["j_per_item"] / ten["j_per_item"] <= 2.01


def test_steps_made_and_their_flops(images):
    steps = sum(job["denoising_steps"] for job in images["jobs"])
    assert steps == sum(job["steps"] * job["completed"] for job in images["jobs"])
    per_step = images["flops"]["decode"] / steps
    assert per_step == pytest.approx(13.3e12, rel=0.02)  # of one image: linear 8.6, attention 4.65 TFLOP


def test_an_image_shows_when_it_is_done(images):
    assert images["latency"]["ttft_s"] == images["latency"]["e2e_s"]
    assert images["latency"]["tpot_s"]["mean"] is None
    assert images["jobs"][0]["latency_s"] == images["workloads"][0]["latency"]["e2e_s"]
    assert images["workloads"][0]["stages"] == []


def test_capacity_is_that_of_full_batches():
    made = loads(HEAD + IMAGES, ["workload.1.job.steps=20"])
    (cost,) = step_costs(made, {})
    batch_s, _ = batch_totals(cost, 8, 20)
    pool = run(made).summary["pools"][0]
    assert pool["capacity"]["requests_per_s"] == pytest.approx(3 * 8 / batch_s)
    assert 1.0 <= pool["mean_batch"] <= 8


def test_text_alone_has_no_section_of_jobs():
    assert "jobs" not in run(loads(HEAD + CHAT)).summary


def test_the_band_moves_images():
    made = loads(HEAD + IMAGES)
    slow, fast = (run(made, calibration_z={"dense_flops": z}).summary["jobs"][0] for z in (-1.645, 1.645))
    assert slow["latency_s"]["mean"] > 1.1 * fast["latency_s"]["mean"]


def test_a_power_cap_slows_images():
    made = loads(HEAD + IMAGES, ['pool.0.power_cap="400 W"'])
    capped, free = (run(m).summary["jobs"][0] for m in (made, loads(HEAD + IMAGES)))
    assert capped["latency_s"]["mean"] > free["latency_s"]["mean"]
