"""Fitting the coefficients of denoising to measured batches, and leaving out models and generations in turn.

Times: least squares of ln(predicted / measured) with a robust loss (soft L1 at 10 %), normal priors on the
logarithms of coefficients, and each pair of model and chip counted as at most 20 rows. Power: the same for two
coefficients, at measured times.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from sim.cost.diffusion import job_energy, job_times
from sim.cost.diffusion_coefficients import (
    GENERATION_FACTORS,
    NAMES,
    POWERS,
    PRIOR,
    REFERENCE,
    TIMES,
    JobCoefficients,
    JobFitted,
)
from sim.cost.diffusion_work import JobWork, job_work
from sim.cost.power import soft_limit_w
from sim.cost.types import Knowledge
from sim.study.jobs import JobReading

KNEE = 0.1
POWER_KNEE = 0.08
MOST_ROWS = 20
FACTOR_WIDTH = 0.15
"""Prior log-sd of a generation's factors."""
STACK = "eager PyTorch: xDiT (2025) and diffusers (2024)"
_WIDTHS = {f: JobCoefficients.__dataclass_fields__[f].metadata["width"] for f in NAMES}
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Batch:
    """One measured batch: its reading, work, and duration [s]; watts per accelerator [W], nan where not measured."""

    reading: JobReading
    work: JobWork
    time_s: float
    power_w: float

    @property
    def generation(self) -> str:
        return self.reading.chip.generation

    @property
    def model(self) -> str:
        return self.reading.model.name


@dataclass(frozen=True)
class JobFit:
    """Values and log-sd of the coefficients, and of each generation's factors: ln values by name."""

    coefficients: JobCoefficients
    factors: Mapping[str, Mapping[str, float]]
    sigma: Mapping[str, float]
    factor_sigma: Mapping[str, Mapping[str, float]]

    def fitted(self, generation: str) -> JobFitted:
        """As the cost stage takes them."""
        known = Knowledge("measured", STACK)
        return JobFitted(self.coefficients, self.factors.get(generation, {}), self.sigma, known)


@dataclass(frozen=True)
class LeftOut:
    """A batch predicted by a fit without its group: duration [s] and energy [J] over the measured ones."""

    batch: Batch
    kind: str
    group: str
    time_ratio: float
    energy_ratio: float


def batches(readings: Iterable[JobReading]) -> list[Batch]:
    """The measured batches among readings that may be fitted to."""
    found = []
    for reading in readings:
        values = {row.metric: row.value for row in reading.case.rows}
        time_s = values.get("latency_ms", math.nan) / 1e3
        if reading.unfit or not time_s > 0:
            continue
        joules = next(
            (v for k, v in values.items() if k.startswith(("energy_per_", "joules_per_"))), math.nan
        )
        setup = reading.setup
        watts = joules * setup.batch / time_s / setup.split.accelerators
        found.append(Batch(reading, job_work(reading.model, setup.shape), time_s, watts))
    return found


def fit_jobs(seen: Sequence[Batch], start: JobFit | None = None) -> JobFit:
    """Fit times, then power at measured times."""
    keys = _keys(seen)
    prior = np.array([_prior(k) for k in keys])
    width = np.array([_width(k) for k in keys])
    begin = prior if start is None else np.array([_value(start, k) for k in keys])
    measured, weight = np.log([b.time_s for b in seen]), _weights(seen)

    def residuals(x: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [weight * _robust((log_times(seen, keys, x) - measured) / KNEE), (x - prior) / width]
        )

    found = least_squares(residuals, begin, diff_step=1e-3, max_nfev=30 if start is None else 8)
    sd = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac)))
    power, power_sd = _fit_power(seen)
    made = _made(keys, found.x)
    coefficients = replace(made, **power)
    factors: dict[str, dict[str, float]] = {}
    factor_sd: dict[str, dict[str, float]] = {}
    for (generation, name), value, s in zip(keys, found.x, sd, strict=True):
        if generation:
            factors.setdefault(generation, {})[name] = math.exp(value)
            factor_sd.setdefault(generation, {})[name] = float(s)
    sigma = {n: float(s) for (g, n), s in zip(keys, sd, strict=True) if not g} | power_sd
    return JobFit(coefficients, factors, sigma, factor_sd)


def cross_validate_jobs(
    seen: Sequence[Batch], full: JobFit, progress: Progress = lambda _: None
) -> list[LeftOut]:
    """Every batch twice: predicted without its model, and without its generation."""
    found = []
    for kind, label in (("model", lambda b: b.model), ("generation", lambda b: b.generation)):
        for group in sorted({label(b) for b in seen}):
            rest = [b for b in seen if label(b) != group]
            fit = fit_jobs(rest, full)
            if kind == "generation":
                fit = replace(fit, factors={g: f for g, f in fit.factors.items() if g != group})
            out = [b for b in seen if label(b) == group]
            found += [LeftOut(b, kind, group, *ratios(b, fit)) for b in out]
            progress(f"without {kind} {group}: {len(out)} batches predicted")
    return found


def ratios(batch: Batch, fit: JobFit) -> tuple[float, float]:
    """Predicted over measured duration, and energy at the predicted duration (nan where it was not measured)."""
    fitted = fit.fitted(batch.generation)
    time_s = _time_s(batch, fitted)
    watts = _power_w(batch, fitted, time_s)
    return time_s / batch.time_s, time_s * watts / (batch.time_s * batch.power_w)


def job_tables(
    fit: JobFit, left_out: Sequence[LeftOut], seen: Sequence[Batch], kept: Mapping[str, Any]
) -> dict[str, Any]:
    """The `diffusion` table of a calibration file. kept: expected errors to keep where nothing was left out."""
    names = ("expected_error", "model_sigma", "generation_sigma")
    errors = _expected(left_out) if left_out else {n: kept[n] for n in names}
    sources = sorted({b.reading.case.text["source"] for b in seen})
    return {
        "stack": STACK,
        "source": f"fit to {len(seen)} measured batches of {', '.join(sources)}",
        **errors,
        "coefficients": {n: _entry(getattr(fit.coefficients, n), fit.sigma[n]) for n in NAMES},
        "generation": {
            g: {n: _entry(v, fit.factor_sigma[g][n]) for n, v in sorted(f.items())}
            for g, f in sorted(fit.factors.items())
        },
    }


def _expected(left_out: Sequence[LeftOut]) -> dict[str, Any]:
    """Errors to expect, and the log-sd of a model and of a generation that nobody measured: bands of 90 % that hold
    90 % of the times that were left out."""
    parts = {k: [o for o in left_out if o.kind == k] for k in ("model", "generation")}
    medians, bands = {}, {}
    for kind, part in parts.items():
        time = np.abs(np.log([o.time_ratio for o in part]))
        energy = np.abs(np.array([o.energy_ratio for o in part]) - 1.0)
        medians[kind] = (float(np.median(np.expm1(time))), float(np.nanmedian(energy)))
        bands[kind] = float(np.quantile(time, 0.9)) / 1.645
    notes = {
        "measured": ("model", "generation measured, with other models"),
        "datasheet only": ("generation", "no image or video measured on this generation"),
    }
    errors = {
        basis: {"latency": round(medians[kind][0], 3), "energy": round(medians[kind][1], 3), "note": note}
        for basis, (kind, note) in notes.items()
    }
    sigmas = {f"{kind}_sigma": round(band, 3) for kind, band in bands.items()}
    return {"expected_error": errors, **sigmas}


def _entry(value: float, sigma: float) -> dict[str, float]:
    return {"v": float(f"{value:.4g}"), "sigma": round(max(sigma, 1e-3), 3)}


# ---------------------------------------------------------------- times


def log_times(seen: Sequence[Batch], keys: Sequence[tuple[str, str]], x: np.ndarray) -> np.ndarray:
    """ln of the predicted durations at ln coefficients `x` of `keys`. float64[len(seen)]"""
    coefficients, known = _made(keys, x), Knowledge("measured", STACK)
    factors: dict[str, dict[str, float]] = {}
    for (generation, name), value in zip(keys, x, strict=True):
        if generation:
            factors.setdefault(generation, {})[name] = math.exp(value)
    fitted = {g: JobFitted(coefficients, factors.get(g, {}), {}, known) for g in {b.generation for b in seen}}
    return np.log([_time_s(b, fitted[b.generation]) for b in seen])


def _time_s(batch: Batch, fitted: JobFitted) -> float:
    setup = batch.reading.setup
    times = job_times(
        batch.work,
        batch.reading.chip,
        setup.split,
        setup.deployment.precision,
        fitted,
        np.array([float(setup.batch)]),
    )
    return setup.shape.steps * float(times.step_s[0]) + setup.batch * times.job_s + times.batch_s


def _keys(seen: Sequence[Batch]) -> list[tuple[str, str]]:
    """("", name) of every coefficient of time, and (generation, name) of the factors of each but the reference."""
    others = sorted({b.generation for b in seen} - {REFERENCE})
    return [("", n) for n in TIMES] + [(g, n) for g in others for n in GENERATION_FACTORS]


def _prior(key: tuple[str, str]) -> float:
    return 0.0 if key[0] else math.log(getattr(PRIOR, key[1]))


def _width(key: tuple[str, str]) -> float:
    return FACTOR_WIDTH if key[0] else _WIDTHS[key[1]]


def _value(fit: JobFit, key: tuple[str, str]) -> float:
    generation, name = key
    if generation:
        return math.log(fit.factors.get(generation, {}).get(name, 1.0))
    return math.log(getattr(fit.coefficients, name))


def _made(keys: Sequence[tuple[str, str]], x: np.ndarray) -> JobCoefficients:
    return replace(PRIOR, **{n: math.exp(v) for (g, n), v in zip(keys, x, strict=True) if not g})


def _weights(seen: Sequence[Batch]) -> np.ndarray:
    """Square roots of what each batch counts. float64[len(seen)]"""
    groups = [(b.model, b.reading.chip.name) for b in seen]
    count = Counter(groups)
    return np.sqrt([min(1.0, MOST_ROWS / count[g]) for g in groups])


def _robust(e: np.ndarray) -> np.ndarray:
    """Residuals whose squares are the soft L1 loss of `e`."""
    return np.sign(e) * np.sqrt(2 * (np.sqrt(1 + e * e) - 1))


# ---------------------------------------------------------------- power


def _power_w(batch: Batch, fitted: JobFitted, time_s: float) -> float:
    """Watts of one accelerator over a batch that takes `time_s`."""
    setup, chip, work = batch.reading.setup, batch.reading.chip, batch.work
    joules = job_energy(chip, setup.deployment.precision, fitted)
    steps = setup.shape.steps
    work_j = (steps * work.linear_flops + work.encoder_flops) * joules.linear_flop_j
    work_j += (steps * work.attention_flops + work.decoder_flops) * joules.attention_flop_j
    asked_w = joules.serving_w + setup.batch * work_j / setup.split.accelerators / time_s
    return soft_limit_w(asked_w, chip.tdp_w)


def _fit_power(seen: Sequence[Batch]) -> tuple[dict[str, float], dict[str, float]]:
    known = [b for b in seen if b.power_w > 0]
    prior = np.log([getattr(PRIOR, n) for n in POWERS])
    width = np.array([_WIDTHS[n] for n in POWERS])
    measured, weight = np.log([b.power_w for b in known]), _weights(known)

    def residuals(x: np.ndarray) -> np.ndarray:
        made = replace(PRIOR, **dict(zip(POWERS, np.exp(x).tolist(), strict=True)))
        fitted = JobFitted(made, {}, {}, Knowledge("measured", STACK))
        predicted = np.log([_power_w(b, fitted, b.time_s) for b in known])
        return np.concatenate([weight * _robust((predicted - measured) / POWER_KNEE), (x - prior) / width])

    found = least_squares(residuals, prior, diff_step=1e-3)
    sd = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac)))
    values = dict(zip(POWERS, np.exp(found.x).tolist(), strict=True))
    return values, dict(zip(POWERS, sd.tolist(), strict=True))
