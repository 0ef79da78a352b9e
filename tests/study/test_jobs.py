from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from sim.cost.calibration import default_catalog, read_calibration
from sim.cost.diffusion import Split
from sim.cost.diffusion_coefficients import PRIOR, job_coefficients, job_tables_in_force
from sim.errors import UserError
from sim.study.calibrate import calibrate_jobs
from sim.study.calibration_file import write
from sim.study.jobs import JobReading, read_job
from sim.study.jobs_fit import batches, cross_validate_jobs, fit_jobs, job_tables, log_times, ratios
from sim.study.rows import cases, read_rows
from sim.study.setup import Unanswered
from sim.study.validate import validate
from tests.study.measured import STATIC, write_rows

IMAGE = {
    "source": "ml.energy-leaderboard-v3",
    "url_or_repo_path": "a#1",
    "accelerator": "NVIDIA H100",
    "num_gpus": "2",
    "model": "stabilityai/stable-diffusion-3.5-medium",
    "precision": "bfloat16",
    "framework": "xDiT (ML.ENERGY v3)",
    "scenario": "static",
    "batch_or_concurrency": "4",
    "metric": "latency_ms",
    "value": "7000",
    "notes": "image_height=512; image_width=768; inference_steps=20; ring_degree=2; ulysses_degree=1",
}


def readings(tmp_path, rows):
    return [read_job(case) for case in cases(read_rows([write_rows(tmp_path / "m.csv", rows)]))]


def test_a_row_is_read_as_it_was_measured(tmp_path):
    (found,) = readings(tmp_path, [IMAGE])
    assert isinstance(found, JobReading)
    shape = found.setup.shape
    assert (shape.width, shape.height, shape.frames, shape.steps) == (768, 512, 1, 20)
    assert (found.setup.batch, found.setup.split, found.assumptions) == (4, Split(1, 2), ())


def test_what_is_not_stated_is_assumed_and_said(tmp_path):
    (found,) = readings(tmp_path, [{**IMAGE, "notes": "Denoising steps=25", "num_gpus": "8"}])
    assert isinstance(found, JobReading)
    assert found.setup.split == Split(8, 1)
    assert (found.setup.shape.width, found.setup.shape.steps) == (1024, 25)
    assert any("width" in text for text in found.assumptions)


def test_rows_that_cannot_be_answered_say_why(tmp_path):
    rows = [
        {**IMAGE, "framework": "TensorRT 10.2"},
        {**IMAGE, "accelerator": "abacus"},
        {**IMAGE, "model": "stable-diffusion-xl", "notes": ""},
        {**IMAGE, "batch_or_concurrency": ""},
    ]
    whys = [r.why for r in readings(tmp_path, rows) if isinstance(r, Unanswered)]
    assert len(whys) == 4
    for why, word in zip(whys, ("TensorRT", "abacus", "U-Net", "batch"), strict=True):
        assert word in why


def test_text_is_left_to_text(tmp_path):
    assert readings(tmp_path, [{**IMAGE, "model": "Llama-3.1-8B"}]) == [None]


def test_every_figure_of_a_batch_is_answered_and_they_agree(tmp_path):
    names = ("latency_ms", "power_w", "energy_per_image_joules", "throughput_images_per_sec")
    path = write_rows(tmp_path / "m.csv", [{**IMAGE, "metric": m, "value": "1"} for m in names])
    found = validate([path])
    assert found["unanswered"] == []
    ms, watts, joules, rate = (1 + found["overall"][m]["median_ape"] for m in names)
    assert rate == pytest.approx(4 / (ms / 1e3))
    assert joules == pytest.approx(watts * ms / 1e3 / 4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Batches of known coefficients: what the prior's would have taken, sixty of them on two chips."""
    models = {
        "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS": 20,
        "Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers": 20,
        "zai-org/CogVideoX-2b": 50,
    }
    rows = []
    for (model, steps), chip, batch, gpus in product(
        models.items(), ("NVIDIA H100", "NVIDIA B200"), (1, 2, 4, 8, 16), (1, 2)
    ):
        text = {
            **IMAGE,
            "model": model,
            "accelerator": chip,
            "num_gpus": str(gpus),
            "batch_or_concurrency": str(batch),
        }
        notes = f"inference_steps={steps}; ring_degree={gpus}; ulysses_degree=1"
        path = f"{model}{chip}{batch}{gpus}"
        rows.append({**text, "url_or_repo_path": path, "notes": notes, "value": "1000"})
        rows.append(
            {
                **text,
                "url_or_repo_path": path,
                "notes": notes,
                "metric": "energy_per_image_joules",
                "value": "500",
            }
        )
    path = write_rows(tmp_path_factory.mktemp("jobs") / "m.csv", rows)
    found = [read_job(case) for case in cases(read_rows([path]))]
    seen = batches(r for r in found if isinstance(r, JobReading))
    truth = replace(PRIOR, dense_flops=0.5, attention_flops=0.5, launch_s=4e-4)
    keys = [("", n) for n in ("dense_flops", "attention_flops", "launch_s")]
    logs = log_times(seen, keys, np.log([getattr(truth, n) for _, n in keys]))
    return [replace(b, time_s=math.exp(t)) for b, t in zip(seen, logs, strict=True)], truth


def test_the_fit_finds_what_made_the_times(made):
    seen, truth = made
    found = fit_jobs(seen)
    ratio = [ratios(b, found)[0] for b in seen]
    assert max(abs(math.log(r)) for r in ratio) < 0.06  # what little three models tell, priors fill in
    assert found.coefficients.dense_flops == pytest.approx(truth.dense_flops, rel=0.35)
    assert found.coefficients.launch_s == pytest.approx(truth.launch_s, rel=0.15)


def test_left_out_batches_make_the_errors_to_expect(made):
    seen, _ = made
    full = fit_jobs(seen)
    left_out = cross_validate_jobs(seen, full)
    assert {o.kind for o in left_out} == {"model", "generation"}
    assert len(left_out) == 2 * len(seen)
    tables = job_tables(full, left_out, seen, job_tables_in_force())
    assert 0 <= tables["expected_error"]["measured"]["latency"] < 0.3
    kept = job_tables(full, [], seen, job_tables_in_force())
    assert kept["expected_error"] == job_tables_in_force()["expected_error"]


def test_a_calibration_of_images_alone_is_written_read_and_used(made, tmp_path):
    seen, _ = made
    rows = [
        {**b.reading.case.text, "value": repr(b.time_s * 1e3), "notes": b.reading.case.notes[""]}
        for b in seen
    ]
    path = write_rows(tmp_path / "m.csv", [{**row, "metric": "latency_ms"} for row in rows])
    tables, left_out = calibrate_jobs([path], date="2026-11-22")
    assert left_out == [] and tables["calibration"]["answered"] == len(rows)
    write(tables, tmp_path / "c.toml")
    catalog = default_catalog().overlaid(read_calibration(tmp_path / "c.toml"))
    used = job_coefficients("hopper", catalog).coefficients
    assert used.launch_s == tables["diffusion"]["coefficients"]["launch_s"]["v"]
    assert used.launch_s != job_coefficients("hopper").coefficients.launch_s


def test_files_without_images_cannot_be_fitted_to(tmp_path):
    with pytest.raises(UserError, match="image or video"):
        calibrate_jobs([write_rows(tmp_path / "m.csv", [STATIC])], date="2026-11-22")
