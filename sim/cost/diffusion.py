"""Time and energy of denoising a batch, as the tables that the engine runs.

One step of n images or videos on g accelerators that share every sequence (u ways by heads, r by ring, g = u r):

    linear     norm3(n FLOPs / (peak e_d) / g,  weights / bandwidth)
    attention  n FLOPs / (16-bit peak e_a) / g
    memory     n k activations / bandwidth / g               k: activation_passes
    exchange   n activations / g (4 (u - 1)/u + 2 (r - 1)) / (link e_l)
               four all-to-alls (DeepSpeed-Ulysses, arXiv 2309.14509), or keys and values passed round a ring
               (arXiv 2310.01889)
    host       launches x (launch_s [+ parallel_launch_s]) + attentions x (r - 1) x ring_hop_s
    step       ((linear + attention + memory + exchange)^4 + host^4)^(1/4)

Before the first step prompts are encoded, after the last one latents are decoded; neither is shared among accelerators.
Power is that of `sim.cost.power`: base + joules per FLOP x FLOPs/s, under the boards' soft limit (`sim.cost.limit`).

The engine sees a batch as static: a job reads one token and emits one for each step, and step T of its tables is a step
of T jobs. What comes once per batch is `sequence_s[0]`, once per job `attention_s` (a prompt of one token is half a
pair): only a batch's first step has either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sim.catalog.diffusion import DiffusionModel
from sim.catalog.types import Accelerator
from sim.cost import dvfs
from sim.cost.diffusion_coefficients import (
    REFERENCE_PEAK_FLOPS,
    REFERENCE_TDP_W,
    JobFitted,
    job_coefficients,
)
from sim.cost.diffusion_work import ELEMENT_BYTES, JobShape, JobWork, job_work
from sim.cost.power import Energy
from sim.cost.precision import arithmetic, number_format
from sim.cost.types import MemoryBudget, StepCost
from sim.errors import Fault, ScenarioError
from sim.units import format_bytes

PAIR = 0.5
"""Attention work of a prompt of one token [token^2], as the engine counts it."""
LIVE_ARRAYS = 20.0
"""Arrays of one width that a block holds at once. An estimate; with it the largest batches that ML.ENERGY ran fit."""
RESERVE_BYTES = 3e9
"""Context, libraries and the decoder's weights. An estimate."""


@dataclass(frozen=True)
class Split:
    """How accelerators share a sequence: `ulysses` ways by attention heads, `ring` ways by passing keys and values."""

    ulysses: int = 1
    ring: int = 1

    @property
    def accelerators(self) -> int:
        return self.ulysses * self.ring


@dataclass(frozen=True)
class JobTimes:
    """step_s: duration of a step of n jobs, float64[len(n)].  job_s: per job, batch_s: per batch, before and after."""

    step_s: np.ndarray
    job_s: float
    batch_s: float


def split_of(model: DiffusionModel, accelerators: int) -> Split:
    """As many ways by heads as they divide into, the rest by ring.

    Raises ScenarioError for a U-Net on more than one accelerator, which is not modelled.
    """
    if model.unet and accelerators > 1:
        text = f"{model.name} is a U-Net, whose sequence cannot be shared"
        raise ScenarioError(Fault("tensor_parallel", text, "use tensor_parallel = 1 and more replicas"))
    ulysses = max(u for u in range(1, accelerators + 1) if accelerators % u == 0 and model.heads % u == 0)
    return Split(ulysses, accelerators // ulysses)


def job_times(
    work: JobWork, chip: Accelerator, split: Split, precision: str, fitted: JobFitted, jobs: np.ndarray
) -> JobTimes:
    """Times of batches of `jobs` jobs, float64[len(jobs)]."""
    c, g, fmt = fitted.coefficients, split.accelerators, number_format(precision)
    peak16 = chip.peak("bf16")
    dense_rate = fitted.share("dense_flops", chip) * chip.peak(arithmetic(fmt, chip))
    reading_s = work.weight_bytes16 / ELEMENT_BYTES * fmt.linear_bytes / chip.memory_bytes_per_s
    linear_s = np.cbrt((jobs * work.linear_flops / dense_rate / g) ** 3 + reading_s**3)
    attention_s = jobs * work.attention_flops / (peak16 * fitted.share("attention_flops", chip)) / g
    memory_s = jobs * work.activation_bytes * c.activation_passes / chip.memory_bytes_per_s / g
    arrays = 4 * (split.ulysses - 1) / split.ulysses + 2 * (split.ring - 1)
    exchange_s = jobs * work.exchange_bytes / g * arrays / (chip.link_bytes_per_s * c.link_bandwidth)
    host_s = work.launches * (c.launch_s + (c.parallel_launch_s if g > 1 else 0.0))
    host_s += work.attentions * (split.ring - 1) * c.ring_hop_s
    device_s = (linear_s + attention_s + memory_s + exchange_s) / fitted.speed
    encoder_s = work.encoder_flops / dense_rate
    decoder_s = work.decoder_flops / (peak16 * fitted.share("decoder_flops", chip))
    return JobTimes((device_s**4 + host_s**4) ** 0.25, (encoder_s + decoder_s) / fitted.speed, c.batch_s)


def job_energy(chip: Accelerator, precision: str, fitted: JobFitted) -> Energy:
    """Draws and joules per FLOP of one accelerator; no bytes: none of the rows asks for them.

    Chips other than the reference scale by the square root of their peak per watt, as in `sim.cost.power`.
    """
    c, peak16 = fitted.coefficients, chip.peak("bf16")
    rule = math.sqrt(peak16 / chip.tdp_w / (REFERENCE_PEAK_FLOPS / REFERENCE_TDP_W))
    full_rate_w = c.flop_power * rule * chip.tdp_w
    serving_w = max(c.base_power * chip.tdp_w, chip.idle_w)
    return Energy(
        serving_w=serving_w,
        linear_flop_j=full_rate_w / chip.peak(arithmetic(number_format(precision), chip)),
        attention_flop_j=full_rate_w / peak16,
        irregular=1.0,
        byte_j=0.0,
        idle_w=chip.idle_w,
    )


def job_cost(
    model: DiffusionModel,
    chip: Accelerator,
    shape: JobShape,
    *,
    max_batch: int,
    precision: str = "bf16",
    split: Split | None = None,
    accelerators: int = 1,
    memory_fraction: float = 0.9,
    watermark: float = 0.0,
    fitted: JobFitted | None = None,
    clock: float = 1.0,
    ran: bool = False,
) -> StepCost:
    """Tables of one replica that denoises batches of up to `max_batch` jobs of `shape`; energies without the boards'
    limit (see `sim.cost.limit.power_limited`).

    split: how `accelerators` share a sequence (default: see `split_of`).  watermark: share of the room that admission
    leaves free, which the room must allow for.  clock: share of full core clock.  ran: it is known to fit, having run.
    Raises ScenarioError where the model or the batch does not fit.
    """
    split = split or split_of(model, accelerators)
    fitted = fitted or job_coefficients(chip.generation)
    work = job_work(model, shape)
    memory = _memory(model, chip, work, shape, max_batch, precision, split, memory_fraction, watermark)
    if not ran:
        _check_fits(model, chip, shape, max_batch, memory)
    joules = job_energy(chip, precision, fitted)
    if clock != 1.0:
        chip = replace(chip, peak_flops={p: v * clock for p, v in chip.peak_flops.items()})
        fitted = _unmoved(fitted, clock)
        joules = dvfs.scaled(joules, clock, joules.idle_w)
    jobs = np.arange(max_batch + 1, dtype=np.float64)
    times = job_times(work, chip, split, precision, fitted, jobs)
    step_j = work.linear_flops * joules.linear_flop_j + work.attention_flops * joules.attention_flop_j
    once_j = work.encoder_flops * joules.linear_flop_j + work.decoder_flops * joules.attention_flop_j
    once_s, zeros = np.zeros(max_batch + 1), np.zeros(max_batch + 1)
    once_s[0] = times.batch_s
    g = split.accelerators
    return StepCost(
        token_s=times.step_s,
        token_s_beyond=float(times.step_s[-1] - times.step_s[-2]),
        sequence_s=once_s,
        kv_s=zeros,
        attention_s=times.job_s / PAIR,
        host_s=zeros,
        host_prefill_s=0.0,
        admit_s=0.0,
        first_token_s=0.0,
        token_j=jobs * step_j,
        token_j_beyond=step_j,
        sequence_j=0.0,
        kv_j=0.0,
        attention_j=once_j / PAIR,
        static_w=joules.serving_w * g,
        idle_w=joules.idle_w * g,
        accelerators=g,
        memory=memory,
        knowledge=fitted.knowledge,
        warnings=fitted.warnings,
    )


def _unmoved(fitted: JobFitted, clock: float) -> JobFitted:
    """`fitted` so that a slower clock leaves the shares of peak as they are."""
    c = fitted.coefficients
    back = clock**c.decline
    names = ("dense_flops", "attention_flops", "decoder_flops")
    return replace(fitted, coefficients=replace(c, **{n: getattr(c, n) * back for n in names}))


def _memory(
    model: DiffusionModel,
    chip: Accelerator,
    work: JobWork,
    shape: JobShape,
    max_batch: int,
    precision: str,
    split: Split,
    memory_fraction: float,
    watermark: float,
) -> MemoryBudget:
    """Where the memory goes; the engine's "KV room" is a batch's steps, so that the batch limit alone binds."""
    weights = model.parameters * number_format(precision).linear_bytes + model.text_encoder * ELEMENT_BYTES
    together = 1 if model.split_guidance else model.guidance_passes
    job_bytes = LIVE_ARRAYS * work.tokens * model.hidden * ELEMENT_BYTES * together / split.accelerators
    tokens = math.ceil(max_batch * (1 + shape.steps) / (1.0 - watermark)) + 1
    return MemoryBudget(
        total_bytes=chip.memory_bytes,
        weights_bytes=weights,
        reserve_bytes=RESERVE_BYTES + chip.memory_bytes * (1 - memory_fraction),
        activation_bytes=max_batch * job_bytes,
        kv_bytes=0.0,
        kv_bytes_per_token=0.0,
        state_bytes_per_sequence=0.0,
        kv_capacity_tokens=tokens,
    )


def _check_fits(
    model: DiffusionModel, chip: Accelerator, shape: JobShape, max_batch: int, memory: MemoryBudget
) -> None:
    """Raises ScenarioError where a batch of `max_batch` jobs does not fit in `memory`."""
    job_bytes = memory.activation_bytes / max_batch
    room = memory.total_bytes - memory.reserve_bytes - memory.weights_bytes
    most = max(0, math.floor(room / job_bytes))
    if most >= max_batch:
        return
    text = (
        f"{model.name} at {shape.width} x {shape.height} x {shape.frames} takes {format_bytes(job_bytes)} a job "
        f"beside {format_bytes(memory.weights_bytes)} of weights on {chip.name}: a batch of {max_batch} does not fit"
    )
    hint = f"use max_batch = {most} or less" if most else "use a chip with more memory, or tensor_parallel"
    raise ScenarioError(Fault("scheduler.max_batch", text, hint))
