"""Efficiencies of denoising: few, fitted to measured images and videos, with their bands.

Shares of peak are those of the reference chip (H100). Eager kernels do not grow with a chip's peak, so on another chip

    share = share on the reference x (peak / reference peak)^-decline x factor of the generation,   0.73 at most

A generation without a factor of its own has 1, and the answer says so and carries a wider band.

The priors of the first two are what prefill of text reaches on Hopper in the packaged calibration (vLLM, 2025), as the
products are of the same kind: the rows alone cannot tell slow products from memory traffic, and models wider than those
measured depend on which it is.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from typing import Any

from sim.catalog.types import Accelerator
from sim.cost.calibration import Catalog, default_catalog
from sim.cost.types import Knowledge

REFERENCE = "hopper"
REFERENCE_PEAK_FLOPS = 989e12
"""H100 SXM, dense 16 bits."""
REFERENCE_TDP_W = 700.0
MOST_SHARE = 0.73
"""No share of peak is predicted above this: the most that FlashAttention-2 reports of an A100 (arXiv 2307.08691)."""
GENERATION_FACTORS = ("dense_flops", "attention_flops")
_PACKAGED = "diffusion-2026-11-22.toml"


def _of(unit: str, prior: float, width: float, doc: str):
    return field(metadata={"unit": unit, "prior": prior, "width": width, "doc": doc})


@dataclass(frozen=True)
class JobCoefficients:
    """What shapes and datasheets do not tell of denoising. Unit, prior value, its width (log) and meaning: metadata."""

    dense_flops: float = _of(
        "1", 0.63, 0.1, "share of peak in linear layers and convolutions, on the reference"
    )
    attention_flops: float = _of("1", 0.40, 0.2, "share of 16-bit peak in attention, on the reference")
    decline: float = _of("1", 0.4, 0.15, "exponent with which shares of peak fall as the peak grows")
    activation_passes: float = _of("1", 8.0, 0.4, "times that what products write is written or read")
    decoder_flops: float = _of("1", 0.1, 0.5, "share of 16-bit peak in decoding latents, on the reference")
    launch_s: float = _of("s", 2e-4, 1.0, "host time to launch one part of a block")
    parallel_launch_s: float = _of("s", 3e-4, 1.0, "more of it under sequence parallelism")
    ring_hop_s: float = _of("s", 2e-4, 1.0, "host time of one hop of ring attention")
    link_bandwidth: float = _of(
        "1", 0.5, 0.5, "share of one-way link bandwidth in exchanges, layout changes in it"
    )
    batch_s: float = _of("s", 0.05, 1.0, "before and after each batch, whatever its size")
    base_power: float = _of("TDP", 0.25, 0.5, "draw while denoising that no work explains, as a share of TDP")
    flop_power: float = _of("TDP", 2.0, 1.0, "draw at 100 % of peak, as a share of TDP")


NAMES = tuple(f.name for f in fields(JobCoefficients))
PRIOR = JobCoefficients(*(f.metadata["prior"] for f in fields(JobCoefficients)))
TIMES = NAMES[:-2]
POWERS = NAMES[-2:]


@dataclass(frozen=True)
class JobFitted:
    """Coefficients in force for one chip's generation, and how they are known.

    factors: of the generation, on the shares of `GENERATION_FACTORS`.  sigma: log-sd by name of coefficient.
    spread: log-sd of the accelerator's time of a model (and, if need be, a generation) that was not in the fit.
    speed: by which the accelerator is faster than predicted, somewhere in that band.
    """

    coefficients: JobCoefficients
    factors: Mapping[str, float]
    sigma: Mapping[str, float]
    knowledge: Knowledge
    warnings: tuple[str, ...] = ()
    spread: float = 0.0
    speed: float = 1.0

    def share(self, name: str, chip: Accelerator) -> float:
        """Share of the chip's 16-bit peak that work of the kind `name` reaches."""
        relative = chip.peak("bf16") / REFERENCE_PEAK_FLOPS
        found = getattr(self.coefficients, name) * relative**-self.coefficients.decline
        return min(found * self.factors.get(name, 1.0), MOST_SHARE)

    def at(self, z: Mapping[str, float]) -> JobFitted:
        """With each coefficient named in `z` moved by z standard deviations of its logarithm; other names are left.

        `dense_flops` moves the accelerator's whole time as well, by as much as left-out models were missed.
        """
        own = {n: d for n, d in z.items() if n in NAMES}
        moved = {n: getattr(self.coefficients, n) * math.exp(d * self.sigma[n]) for n, d in own.items()}
        speed = self.speed * math.exp(z.get("dense_flops", 0.0) * self.spread)
        return replace(self, coefficients=replace(self.coefficients, **moved), speed=speed)


def job_coefficients(generation: str, catalog: Catalog | None = None) -> JobFitted:
    """The coefficients for a generation ("hopper"). catalog: where from; by default the packaged fit, or what a
    calibration of the user's puts in its place."""
    tables = _tables(catalog or default_catalog())
    entries = tables["coefficients"]
    own = tables["generation"].get(generation, {})
    basis = "measured" if generation == REFERENCE or own else "datasheet only"
    error = tables["expected_error"][basis]
    warnings = ()
    if basis != "measured":
        warnings = (
            f"no measured image or video on {generation} accelerators: figures rest on the datasheet",
        )
    unmeasured = 0.0 if basis == "measured" else tables["generation_sigma"]
    return JobFitted(
        coefficients=JobCoefficients(**{n: entries[n]["v"] for n in NAMES}),
        factors={n: own[n]["v"] for n in GENERATION_FACTORS if n in own},
        sigma={n: entries[n]["sigma"] for n in NAMES},
        knowledge=Knowledge(
            basis,
            tables["stack"],
            error["note"],
            ttft_error=error["latency"],
            throughput_error=error["latency"],
        ),
        warnings=warnings,
        spread=math.hypot(tables["model_sigma"], unmeasured),
    )


def job_tables_in_force() -> Mapping[str, Any]:
    """The `diffusion` table in force."""
    return _tables(default_catalog())


def _tables(catalog: Catalog) -> Mapping[str, Any]:
    return catalog.tables.get("diffusion") or _packaged()


@functools.cache
def _packaged() -> Mapping[str, Any]:
    text = resources.files("sim.cost").joinpath(f"data/{_PACKAGED}").read_text(encoding="utf-8")
    return tomllib.loads(text)["diffusion"]
