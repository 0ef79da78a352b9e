"""Images and videos in a summary: what was made, at what rate, energy and cost; and figures of tokens without them.

The engine counts a job's denoising steps as tokens. Nothing of that shows: tokens, and what is reckoned per token, are
those of text alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.catalog.diffusion import diffusion_model
from sim.cost.diffusion import PAIR
from sim.cost.diffusion_work import JobShape, job_work
from sim.engine import state as S
from sim.metrics.observed import Observed
from sim.scenario.job import makes_jobs

WH_J = 3600.0
MILLION = 1e6


def text_workloads(observed: Observed) -> list[int]:
    """Numbers of the workloads that make text."""
    return [w for w, workload in enumerate(observed.scenario.workloads) if workload.job is None]


def text_pools(observed: Observed) -> list[int]:
    """Numbers of the pools that serve text."""
    return [i for i, pool in enumerate(observed.scenario.pools) if not makes_jobs(pool.model)]


def denoising_steps(observed: Observed, w: int) -> int:
    """Denoising steps of the jobs of workload `w` that were completed."""
    return int(observed.metrics.counters[w, S.OUTPUT])


def text_energy_j(by_workload: Sequence[Mapping[str, Any]], observed: Observed, serving_j: float) -> float:
    """The site's energy that serves text [J]: all of it where nothing else is made."""
    text = text_workloads(observed)
    if len(text) == len(by_workload):
        return serving_j
    return sum(by_workload[w]["site_j"] or 0.0 for w in text)


def job_flops(observed: Observed, pool: int) -> tuple[float, float]:
    """FLOPs of encoding and decoding, and of denoising, in the span on one pool of images or videos.

    Every job reads one token, in its first step; each later step emits one.
    """
    scenario, columns = observed.scenario, observed.pool_columns[pool]
    name = scenario.pools[pool].model
    work = job_work(diffusion_model(name), shape_of(scenario.workloads, name))
    begun, went_on = float(columns[S.PREFILLED]), float(columns[S.DECODED])
    return begun * (work.encoder_flops + work.decoder_flops), (begun + went_on) * work.step_flops


def job_capacity(observed: Observed, pool: int) -> dict[str, Any]:
    """What all replicas of a pool of images or videos make a second with full batches; exact for equal steps."""
    table, cost = observed.scenario.pools[pool], observed.costs[pool]
    n = table.scheduler.max_batch
    steps = observed.lengths_of(table.model).output
    batch_s = float(cost.sequence_s[0]) + cost.attention_s * PAIR * n + steps * float(cost.token_s[n])
    return {"requests_per_s": n / batch_s * table.replicas, "batch": n, "binds": "max_batch"}


def mean_job_batch(observed: Observed, pool: int) -> float | None:
    """Jobs in a step of a pool, in the mean over its steps; None where there was none.

    The engine's own mean leaves out first steps, in which every job still reads.
    """
    columns = observed.pool_columns[pool]
    steps = float(columns[S.STEPS])
    return (float(columns[S.PREFILLED]) + float(columns[S.DECODED])) / steps if steps else None


def shape_of(workloads: Sequence[Any], model: str) -> JobShape:
    """The size of the jobs that workloads ask of `model`, with the most steps that any of them wants."""
    jobs = [w.job for w in workloads if w.model == model and w.job is not None]
    first = jobs[0]
    return JobShape(first.width, first.height, first.frames, max(j.steps for j in jobs))


def with_jobs(summary: dict[str, Any], observed: Observed) -> dict[str, Any]:
    """`summary`, money included, with the section `jobs` and costs per token of text alone; as it is without jobs.

    jobs: one entry per workload of images or videos, in order: its shape, `completed`, `per_s` over the span,
    `wh_per_item` and `j_per_item` (the site's), `usd_per_item`, and `latency_s` (mean, p50, p90, p99), which is the
    whole of it: an image shows when it is done.
    """
    jobs = [w for w, workload in enumerate(observed.scenario.workloads) if workload.job is not None]
    if not jobs:
        return summary
    usd = summary["cost"]["by"]["workload"]
    text_usd = sum(usd.get(observed.scenario.workloads[w].name, 0.0) for w in text_workloads(observed))
    tokens = summary["tokens"]
    cost = {
        **summary["cost"],
        "usd_per_mtok_output": _per(text_usd * MILLION, tokens["output"]),
        "usd_per_mtok": _per(text_usd * MILLION, tokens["input"] + tokens["output"]),
    }
    return {**summary, "cost": cost, "jobs": [_job(summary, observed, w, usd) for w in jobs]}


def _job(summary: Mapping[str, Any], observed: Observed, w: int, usd: Mapping[str, float]) -> dict[str, Any]:
    workload = observed.scenario.workloads[w]
    job = workload.job
    assert job is not None, "asked of workloads of jobs alone"
    section = summary["workloads"][w]
    completed = section["requests"]["completed"]
    site_j = summary["energy"]["by_workload"][w]["site_j"]
    return {
        "workload": workload.name,
        "model": workload.model,
        "kind": diffusion_model(workload.model).kind,
        **job.model_dump(),
        "completed": completed,
        "per_s": completed / observed.span.length_s,
        "denoising_steps": section["denoising_steps"],
        "j_per_item": None if site_j is None else _per(site_j, completed),
        "wh_per_item": None if site_j is None else _per(site_j / WH_J, completed),
        "usd_per_item": _per(usd.get(workload.name, 0.0), completed),
        "latency_s": section["latency"]["e2e_s"],
    }


def _per(amount: float, count: float) -> float | None:
    return amount / count if count else None
