"""What accelerators draw, fitted to measured watts with the measured times in place; and rows left out.

Power needs rates: a time predicted 20 % too long makes watts 10 % too small. So each row's step times are stretched to
those measured before its power is predicted, and the fit says what work costs, not what errors of time do. With true
times the error of joules per token is that of watts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.cost.calibration import Catalog
from sim.cost.coefficients import coefficients
from sim.cost.step import fitted_for
from sim.errors import UserError
from sim.study.fit import Fit, Linear, Problem, fit, solve
from sim.study.observe import Observation, Pool, observations, thinned
from sim.study.protocols import predict
from sim.study.setup import Reading
from sim.study.source_rules import rules_for
from sim.study.tree import POWER, REFERENCE, TYPICAL
from sim.study.validate import metric_name

METRICS = ("power_w", "joules_per_output_token", "power_avg_fraction_of_tdp", "joules_per_batch")
_TIMES = ("tokens_per_s_output", "latency_ms")
WATTS = "power_w"
SOURCE = "fit-power"
"""Tag of the fitted entries in a calibration file."""
MOST = 60
"""Observations of one stack, chip and model in the fit."""
ITERATIONS = 6
_RULES = {"flop_power": "flops_per_w", "irregular_power": "flops_per_w", "byte_power": "bytes_per_j"}
"""What the square-root rule scales a coefficient by (sim/cost/power.py)."""


@dataclass(frozen=True)
class PowerFit:
    """A fit of what generations draw, and what it needs to be gone over again with rows left out."""

    found: Fit
    problem: Problem
    line: Linear
    catalog: Catalog


@dataclass(frozen=True)
class LeftOut:
    """One observation's measured and predicted figure; `way` says what was left out, `of` what it is of:
    "W" (all its accelerators, with measured times) or "J/token" (of output, with predicted times)."""

    observation: Observation
    way: str
    of: str
    measured: float
    predicted: float

    @property
    def ape(self) -> float:
        """|predicted / measured - 1|."""
        return abs(self.predicted / self.measured - 1.0)


def powered(readings: Sequence[Reading], catalog: Catalog) -> list[Observation]:
    """Observations of power alone, stretched to the measured times; those without either are left out, and
    those that their source's rules call unfit for power."""
    fit_for_power = [r for r in readings if not rules_for(r.case)[0].get("power_unfit")]
    found = []
    for o in observations(fit_for_power, (*METRICS, *_TIMES)):
        values = {n: math.exp(v) for n, v in zip(o.metrics, o.measured, strict=True)}
        stretch = _stretch(o.reading, values, catalog)
        measured_w = _measured_w(o.reading, values)
        if stretch is not None and measured_w is not None:
            one = replace(o, metrics=(WATTS,), measured=(math.log(measured_w),), rows=(max(o.rows),))
            found.append(replace(one, stretch=stretch))
    return found


def _measured_w(reading: Reading, values: Mapping[str, float]) -> float | None:
    """Watts of all accelerators of a setup, from whichever figure the source gives."""
    gpus = reading.setup.deployment.accelerators * reading.setup.protocol.replicas
    if "power_w" in values:
        return values["power_w"]
    if "power_avg_fraction_of_tdp" in values:
        return values["power_avg_fraction_of_tdp"] * reading.chip.tdp_w * gpus
    if "joules_per_output_token" in values and "tokens_per_s_output" in values:
        return values["joules_per_output_token"] * values["tokens_per_s_output"]
    if "joules_per_batch" in values and "latency_ms" in values:
        return values["joules_per_batch"] / values["latency_ms"] * 1e3
    return None


def _stretch(reading: Reading, values: Mapping[str, float], catalog: Catalog) -> float | None:
    """Measured over predicted time of a setup's steps."""
    if not values.keys() & {*_TIMES} or not values.keys() & {*METRICS}:
        return None
    try:
        fitted = fitted_for(reading.chip, reading.setup.deployment, catalog)
        known = predict(reading.setup, reading.model, reading.chip, fitted).metrics
    except UserError:
        return None
    if "tokens_per_s_output" in values and known.get("tokens_per_s_output"):
        return known["tokens_per_s_output"] / values["tokens_per_s_output"]
    if "latency_ms" in values and known.get("latency_ms"):
        return values["latency_ms"] / known["latency_ms"]
    return None


def fit_power(
    readings: Sequence[Reading],
    catalog: Catalog,
    workers: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> PowerFit | None:
    """Fit what each generation draws, with the times of `catalog`; None where no row speaks of power."""
    seen = thinned(powered(readings, catalog), MOST)
    if not seen:
        return None
    problem = Problem(seen, POWER, catalog)
    with Pool(seen, POWER, catalog, workers) as pool:
        found, line = fit(problem, pool, ITERATIONS, progress)
    return PowerFit(found, problem, line, catalog)


def power_tables(fitted: PowerFit) -> dict[str, Any]:
    """What each generation draws, as tables of a calibration file.

    A generation that nobody has measured takes the geometric mean of the typical ones, each brought to the
    reference chip by the square-root rule; its band is half as wide again as they differ.
    """
    found, index = fitted.found, fitted.found.tree.index()
    generations = list(dict.fromkeys(thing for _, thing, _ in found.tree.keys))
    tables: dict[str, Any] = {}
    for generation in generations:
        logs = generation_logs(fitted, found, generation)
        entries = {}
        for i, name in enumerate(POWER):
            at = index[("generation", generation, name)]
            entries[name] = _entry(logs[i], math.sqrt(max(found.covariance[at, at], 1e-6)))
        tables[generation] = {"set": entries}
    known = [g for g in TYPICAL if g in generations]
    if len(known) > 1:
        logs = np.array([_brought(generation_logs(fitted, found, g), g, REFERENCE, fitted) for g in known])
        sigma = np.maximum(1.5 * logs.std(axis=0, ddof=1), 0.15)
        tables["unmeasured"] = {
            "set": {n: _entry(v, s) for n, v, s in zip(POWER, logs.mean(axis=0), sigma, strict=True)}
        }
    return {"sources": {SOURCE: _citation(fitted.problem.seen)}, "generation": tables}


def _citation(seen: Sequence[Observation]) -> str:
    names = dict.fromkeys(o.reading.case.text["source"].split("(")[0] for o in seen)
    return f"calibration to {len(seen)} measured powers of {', '.join(names)}"


def _entry(log: float, sigma: float) -> dict[str, Any]:
    return {"v": float(f"{math.exp(log):.4g}"), "sigma": round(float(sigma), 3), "src": SOURCE}


def generation_logs(fitted: PowerFit, found: Fit, generation: str) -> np.ndarray:
    """ln of a generation's coefficients of power in a fit. float64[POWER]"""
    base = coefficients(generation, "vllm-2025", "bf16", fitted.catalog).coefficients
    index = found.tree.index()
    return np.array(
        [math.log(getattr(base, n)) + found.deviation[index[("generation", generation, n)]] for n in POWER]
    )


def _brought(logs: np.ndarray, source: str, target: str, fitted: PowerFit) -> np.ndarray:
    """Coefficients of one generation's reference chip brought to another's by the square-root rule."""
    tables = fitted.catalog.tables["generation"]
    here, there = tables[source]["reference"], tables[target]["reference"]
    rule = [0.5 * math.log(there[_RULES[n]] / here[_RULES[n]]) if n in _RULES else 0.0 for n in POWER]
    return logs + np.array(rule)


def cross_validate_power(fitted: PowerFit, workers: int | None = None) -> list[LeftOut]:
    """Watts and joules per token of every observation three times: in sample, with its model family left out of its
    generation's rows, and with its generation left out (predicted as one that nobody has measured). Times are
    never left out: watts have the measured ones, joules per token the predicted ones."""
    results = []
    for of, seen in (("W", fitted.problem.seen), ("J/token", [_untimed(o) for o in fitted.problem.seen])):
        with Pool(seen, POWER, fitted.catalog, workers) as pool:
            for way, which, logs in _left_out(fitted):
                predictions = pool.predict(logs, which.tolist())
                results += [
                    LeftOut(seen[i], way, of, math.exp(seen[i].measured[0]), math.exp(float(p[0])))
                    for i, p in zip(which, predictions, strict=True)
                    if math.isfinite(p[0]) and math.isfinite(seen[i].measured[0])
                ]
    return results


def _untimed(o: Observation) -> Observation:
    """The same setup's joules per output token, times predicted; nan where the source does not give them."""
    known = [r.value for r in o.reading.case.rows if metric_name(r.metric) == "joules_per_output_token"]
    value = math.log(known[0]) if known else math.nan
    return replace(o, metrics=("joules_per_output_token",), measured=(value,), stretch=1.0)


def _left_out(fitted: PowerFit) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What is left out, which observations that concerns, and the ln coefficients that predict them."""
    problem, found = fitted.problem, fitted.found
    groups = [(o.place.generation, o.reading.model.family) for o in problem.seen]
    yield "nothing", np.arange(len(groups)), problem.logs(found.deviation)
    for group in sorted(set(groups)):
        held = np.array([g == group for g in groups])
        without = solve(problem.tree, fitted.line, ~held[fitted.line.owner])
        which = np.flatnonzero(held)
        yield "model family", which, problem.logs(without.deviation)[which]
    measured = {g for g, _ in groups}
    for generation in sorted(measured):
        others = [g for g in TYPICAL if g != generation and g in measured]
        which = np.flatnonzero([g == generation for g, _ in groups])
        known = [_brought(generation_logs(fitted, found, g), g, generation, fitted) for g in others]
        if known:
            yield "generation", which, np.tile(np.mean(known, axis=0), (len(which), 1))
