"""Jobs: images and videos that a workload asks for, and what workloads and pools of them must agree on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from sim.errors import Fault
from sim.scenario.fields import Count, Refusal, Table
from sim.scenario.show import show

if TYPE_CHECKING:
    from sim.scenario.pool import Pool
    from sim.scenario.workload import Workload

IMAGE_BATCH, VIDEO_BATCH = 8, 1
"""Default `max_batch` of pools that make images and videos."""
_KEYS = ("steps", "width", "height", "frames")
_ALONE = {
    "pipeline_parallel": 1,
    "attention_data_parallel": 1,
    "expert_parallel": 1,
    "cost_model": "mechanistic",
}


class Job(Table):
    """One image or video per request. What is left out is the model publisher's own choice."""

    steps: Count = Field(le=10_000, description="Denoising steps.", examples=[28])
    width: Count = Field(le=65_536, description="Width [pixels].", examples=[1024])
    height: Count = Field(le=65_536, description="Height [pixels].", examples=[1024])
    frames: Count = Field(
        default=1, le=100_000, description="Frames of a video; 1 for an image.", examples=[81]
    )


def makes_jobs(model: str | None) -> bool:
    """Whether `model`, by its catalog name, makes images or videos."""
    from sim.catalog.diffusion import is_diffusion

    return is_diffusion(model)


def completed_job(value: object, model: str | None) -> object:
    """`job` of a workload for `model` with every key; None where the model makes text.

    Raises Refusal where a model of text is given one, or the value is no table.
    """
    if not makes_jobs(model):
        if value is not None and model is not None:
            raise Refusal(f"{model} makes text, not images", "give `lengths` instead")
        return None
    if isinstance(value, Job):
        return value
    if value is not None and not isinstance(value, dict):
        raise Refusal(
            f"must be a table; given {show(value)}", "for example job = { steps = 28, width = 1024 }"
        )
    return {**_defaults(str(model)), **(value or {})}


def job_lengths(value: object, job: Job | None, model: str | None) -> object:
    """What stands in `lengths` for jobs: the engine reads one token, and emits one per denoising step."""
    steps = job.steps if job else 1
    counted = {"kind": "fixed", "input": 1, "output": steps}
    given = value.model_dump() if isinstance(value, Table) else value
    if given not in (None, counted):
        raise Refusal(f"{model} makes images or videos, which have no tokens", "give `job` instead")
    return counted


def job_scheduler(value: Any, model: str | None, unset: Any) -> Any:
    """`scheduler` of a pool: static where the model makes images or videos, whose batches start and end together."""
    if not makes_jobs(model):
        return value
    given = {} if value == unset else value
    if not isinstance(given, dict):
        return given
    return {"kind": "static", "max_batch": _default_batch(str(model)), **given}


def job_faults(workloads: Sequence[Workload], pools: Sequence[Pool]) -> Iterator[Fault]:
    """What jobs and their pools contradict themselves or each other in."""
    first: dict[str, tuple[int, Job]] = {}
    for i, workload in enumerate(workloads):
        yield from _role_faults(i, workload)
        if workload.job is None:
            continue
        yield from _workload_faults(i, workload)
        place, other = first.setdefault(workload.model, (i, workload.job))
        if any(getattr(other, k) != getattr(workload.job, k) for k in ("width", "height", "frames")):
            yield Fault(
                f"workload[{i}].job",
                f"differs in size from workload[{place}].job, which asks for {workload.model} too",
                "batches hold jobs of one size: jobs of one model must agree in width, height and frames",
            )
    for i, pool in enumerate(pools):
        if makes_jobs(pool.model):
            yield from _pool_faults(i, pool)


def _workload_faults(i: int, workload: Workload) -> Iterator[Fault]:
    from sim.catalog.diffusion import diffusion_model

    if workload.slo.tpot_s is not None:
        yield Fault(f"workload[{i}].slo.tpot", "an image or video has no output tokens", "use e2e")
    if workload.mitigation.technique != "none":
        yield Fault(f"workload[{i}].mitigation", f"{workload.model} makes images or videos", "leave it out")
    if workload.spill is not None:
        text = "its prices are of tokens, and an image or video has none"
        yield Fault(f"workload[{i}].spill", text, "leave it out")
    if diffusion_model(workload.model).kind == "image" and workload.job and workload.job.frames > 1:
        yield Fault(f"workload[{i}].job.frames", f"{workload.model} makes images", "use frames = 1")


def _role_faults(i: int, workload: Workload) -> Iterator[Fault]:
    for role, model in workload.mitigation.models.items():
        if makes_jobs(model):
            yield Fault(
                f"workload[{i}].mitigation.models.{role}", f"{model} makes images or videos, not text"
            )


def _pool_faults(i: int, pool: Pool) -> Iterator[Fault]:
    if pool.scheduler.kind != "static":
        text = f'"{pool.scheduler.kind}" is for text: batches of images and videos start and end together'
        yield Fault(f"pool[{i}].scheduler.kind", text, 'use "static", or leave it out')
    if pool.prefix_cache.enabled:
        yield Fault(f"pool[{i}].prefix_cache", "images and videos have no KV cache", "leave it out")
    if pool.role is not None:
        yield Fault(
            f"pool[{i}].role", f"{pool.model} makes images or videos, without prefill", "leave it out"
        )
    for key, only in _ALONE.items():
        if getattr(pool, key) != only:
            yield Fault(
                f"pool[{i}].{key}",
                f"{show(getattr(pool, key))} is not possible for {pool.model}",
                f"use {show(only)}",
            )


def _defaults(model: str) -> dict[str, int]:
    from sim.catalog.diffusion import diffusion_model

    found = diffusion_model(model)
    return dict(zip(_KEYS, (found.steps, *found.size, found.frames), strict=True))


def _default_batch(model: str) -> int:
    from sim.catalog.diffusion import diffusion_model

    return IMAGE_BATCH if diffusion_model(model).kind == "image" else VIDEO_BATCH
