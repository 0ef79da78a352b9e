"""Measured images and videos: from a row of the tidy schema to what the simulator predicts of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sim.catalog.accelerators import resolve_accelerator
from sim.catalog.diffusion import DiffusionModel, resolve_diffusion_model
from sim.catalog.types import Accelerator
from sim.cost.calibration import Catalog
from sim.cost.deployment import Deployment
from sim.cost.diffusion import Split, job_cost, split_of
from sim.cost.diffusion_coefficients import JobFitted, job_coefficients
from sim.cost.diffusion_work import JobShape
from sim.cost.limit import power_limited
from sim.cost.types import StepCost
from sim.errors import UserError
from sim.study.rows import Case, first_number
from sim.study.setup import Unanswered

EAGER = re.compile(r"diffusers|xdit|pytorch|eager", re.IGNORECASE)
"""Frameworks whose kernels the coefficients speak of."""
_NOTES = {
    "width": ("image_width", "video_width", "width"),
    "height": ("image_height", "video_height", "height"),
    "frames": ("num_frames", "Frames", "frames"),
    "steps": ("inference_steps", "Denoising steps", "steps", "num_inference_steps"),
}


@dataclass(frozen=True)
class JobSetup:
    """One batch as the simulator sees it. `deployment` names precision and stack, as a text setup's does."""

    accelerator: str
    model: str
    deployment: Deployment
    split: Split
    shape: JobShape
    batch: int


@dataclass(frozen=True)
class JobReading:
    """A case with its setup, what was assumed for it, and why it is not fitted to ("" if it is)."""

    case: Case
    setup: JobSetup
    chip: Accelerator
    model: DiffusionModel
    assumptions: tuple[str, ...]
    unfit: str


def read_job(case: Case) -> JobReading | Unanswered | None:
    """The setup of a case that makes images or videos, or why it has none; None where it makes text."""
    model = resolve_diffusion_model(case.text["model"])
    if model is None:
        return None
    chip = resolve_accelerator(case.text["accelerator"])
    framework = case.text["framework"]
    if chip is None:
        return Unanswered(case, f'accelerator "{case.text["accelerator"]}" is not in the catalog')
    if not EAGER.search(framework):
        return Unanswered(case, f'images by "{framework}": only diffusers and xDiT were measured')
    batch = case.number("batch_or_concurrency")
    if batch is None or batch < 1:
        return Unanswered(case, "the batch is not stated")
    try:
        split = _split(case, model)
    except UserError as error:
        return Unanswered(case, error.faults[0].message)
    shape, assumed = _shape(case, model)
    deployment = Deployment(
        precision=_precision(case), tensor_parallel=split.accelerators, stack=_stack(framework)
    )
    setup = JobSetup(chip.name, model.name, deployment, split, shape, round(batch))
    origin = model.provenance["unet.position_flops" if model.unet else "layers"].note
    unfit = "the work of this U-Net is a guess" if model.unet and "likeness" in _source(model) else ""
    return JobReading(case, setup, chip, model, (*assumed, *([origin] if origin else ())), unfit)


def _source(model: DiffusionModel) -> str:
    return model.provenance["unet.position_flops"].source


def _split(case: Case, model: DiffusionModel) -> Split:
    notes = case.notes
    ulysses, ring = (first_number(notes.get(k, "")) for k in ("ulysses_degree", "ring_degree"))
    gpus = int(case.number("num_gpus") or 1)
    if ulysses and ring and ulysses * ring == gpus:
        return Split(int(ulysses), int(ring))
    return split_of(model, gpus)


def _shape(case: Case, model: DiffusionModel) -> tuple[JobShape, tuple[str, ...]]:
    default = {"width": model.size[0], "height": model.size[1], "frames": model.frames, "steps": model.steps}
    found: dict[str, int] = {}
    assumed = []
    for key, names in _NOTES.items():
        stated = next((first_number(case.notes[n]) for n in names if n in case.notes), None)
        found[key] = int(stated) if stated else default[key]
        if not stated and not (key == "frames" and model.kind == "image"):
            assumed.append(f"{key} is not stated: {default[key]}, the model's default")
    return JobShape(**found), tuple(assumed)


def _precision(case: Case) -> str:
    text = case.text["precision"].lower()
    return "fp8" if "fp8" in text else "bf16"


def _stack(framework: str) -> str:
    return "xdit" if "xdit" in framework.lower() else "diffusers"


def predict_job(reading: JobReading, catalog: Catalog | None = None) -> Mapping[str, float]:
    """Every metric that a batch of images or videos is measured by."""
    return metrics(reading, job_coefficients(reading.chip.generation, catalog))


def metrics(reading: JobReading, fitted: JobFitted) -> dict[str, float]:
    """The same under given coefficients."""
    setup, chip = reading.setup, reading.chip
    cost = job_cost(
        reading.model,
        chip,
        setup.shape,
        max_batch=setup.batch,
        precision=setup.deployment.precision,
        split=setup.split,
        fitted=fitted,
        ran=True,
    )
    latency_s, joules = batch_totals(power_limited(cost, chip.tdp_w, 0.0), setup.batch, setup.shape.steps)
    each_j, rate = joules / setup.batch, setup.batch / latency_s
    return {
        "latency_ms": latency_s * 1e3,
        "power_w": joules / latency_s,
        "power_avg_fraction_of_tdp": joules / latency_s / chip.tdp_w / setup.split.accelerators,
        "joules_per_request": each_j,
        "joules_per_batch": joules,
        "requests_per_s": rate,
        **{
            name: each_j
            for item in ("image", "video")
            for name in (f"energy_per_{item}_joules", f"joules_per_{item}")
        },
        **{f"throughput_{item}s_per_sec": rate for item in ("image", "video")},
    }


def batch_totals(cost: StepCost, batch: int, steps: int) -> tuple[float, float]:
    """Duration [s] and energy [J] of one batch, as the engine sums them: a first step with what comes once, then
    the others."""
    once_s = float(cost.sequence_s[0]) + cost.attention_s * 0.5 * batch
    time_s = once_s + steps * float(cost.token_s[batch])
    joules = cost.static_w * time_s + steps * float(cost.token_j[batch]) + cost.attention_j * 0.5 * batch
    return time_s, joules
