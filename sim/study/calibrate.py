"""Calibration: fit the coefficients to measured rows and write them as a dated file of the catalog.

First times, then power with times in place. `calibrate` fits the whole tree to public measurements;
`calibrate_stack` fits one new stack to a user's own, everything else held.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sim.cost.calibration import Catalog, default_catalog, prior_catalog
from sim.cost.coefficients import coefficients, stack_chain
from sim.cost.diffusion_coefficients import job_tables_in_force
from sim.errors import Fault, UserError, did_you_mean
from sim.study.crossval import HeldOut, cross_validate
from sim.study.fit import Fit, Problem, fit
from sim.study.held_out import expected_errors
from sim.study.jobs_fit import LeftOut, batches, cross_validate_jobs, fit_jobs, job_tables
from sim.study.observe import Observation, Pool, observations, thinned
from sim.study.power_fit import PowerFit, fit_power, power_tables
from sim.study.setup import Reading, with_stack
from sim.study.tree import REFERENCE, TIMING, TYPICAL
from sim.study.validate import Readings, answers, by, errors, read_files

TIMES = (
    "ttft_ms",
    "ttft_ms_p50",
    "tpot_ms",
    "tpot_ms_p50",
    "tpot_ms_mean",
    "latency_ms",
    "tokens_per_s_output",
    "output_tokens_per_s_per_gpu",
    "tokens_per_s_total",
    "per_layer_latency_ms",
)
"""Metrics that times are fitted to; the tails of distributions are predicted, not fitted."""
ITERATIONS = 6
MOST = 40
"""Observations of one stack, chip and model in the fit; more would say the same again."""
_UNMEASURED = "unmeasured"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """The fits of times and of power, the catalog's tables that they make, and rows left out (if asked for)."""

    times: Fit
    power: PowerFit | None
    tables: dict[str, Any]
    held_out: tuple[HeldOut, ...] = ()


def calibrate(
    paths: Sequence[str | Path],
    *,
    date: str,
    cross: bool = False,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> tuple[dict[str, Any], Fitted]:
    """Fit the whole tree; returns the tables of the calibration file (see `calibration_file.write`) and the fit.

    date: ISO date of the calibration, which names it.  cross: cross-validate as well, and take the errors to
    expect from it.  workers: processes (default: all cores).
    Raises UserError for files that are not of the schema, or without a row that can be fitted to.
    """
    readings = read_files(paths)
    found = fit_all(readings.answered, cross=cross, workers=workers, progress=progress)
    tables = found.tables
    if cross:
        tables = {**tables, "expected_error": expected_errors(found.held_out)}
    if readings.jobs:
        tables = {**tables, "diffusion": _diffusion(readings, cross, progress)[0]}
    catalog = prior_catalog().overlaid(tables)
    return {**_summary(readings, catalog, date, paths), **tables}, found


def calibrate_jobs(
    paths: Sequence[str | Path], *, date: str, cross: bool = False, progress: Progress = lambda _: None
) -> tuple[dict[str, Any], list[LeftOut]]:
    """Fit image and video generation alone; returns the tables of the calibration file, and what was predicted
    without its model and without its generation (if asked for: `cross`).

    Raises UserError for files that are not of the schema, or without a batch that can be fitted to.
    """
    readings = read_files(paths)
    only = Readings((), (), readings.jobs)
    table, left_out = _diffusion(only, cross, progress)
    catalog = default_catalog().overlaid({"diffusion": table})
    return {**_summary(only, catalog, date, paths), "diffusion": table}, left_out


def _diffusion(readings: Readings, cross: bool, progress: Progress) -> tuple[dict[str, Any], list[LeftOut]]:
    seen = batches(readings.jobs)
    if not seen:
        raise UserError("no row of the files is of an image or video that can be fitted to")
    found = fit_jobs(seen)
    progress(f"images and videos: {len(seen)} batches fitted")
    left_out = cross_validate_jobs(seen, found, progress) if cross else []
    return job_tables(found, left_out, seen, job_tables_in_force()), left_out


def fit_all(
    readings: Sequence[Reading],
    *,
    cross: bool = False,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> Fitted:
    """Fit times and then power of the whole tree to `readings`."""
    seen = thinned(observations(readings, TIMES), MOST)
    if not seen:
        raise UserError("no row of the files can be fitted to")
    prior = prior_catalog()
    problem = Problem(seen, TIMING, prior)
    held: list[HeldOut] = []
    with Pool(seen, TIMING, prior, workers) as pool:
        times, line = fit(problem, pool, ITERATIONS, progress)
        if cross:
            held = cross_validate(problem, line, pool, prior, progress)
    tables = timing_tables(times, seen)
    power = fit_power(readings, prior.overlaid(tables), workers, progress)
    if power is not None:
        tables = merged(tables, power_tables(power))
    return Fitted(times, power, tables, tuple(held))


def calibrate_power(
    paths: Sequence[str | Path],
    *,
    like: Mapping[str, Any],
    date: str,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> tuple[dict[str, Any], PowerFit]:
    """Fit power alone, with the times of the calibration `like` (its tables), which stay as they are.

    Returns the tables of the calibration file and the fit. Raises UserError for files that are not of the
    schema, or without a row of power that can be fitted to.
    """
    readings = read_files(paths)
    generations = {g: {k: v for k, v in t.items() if k != "set"} for g, t in like["generation"].items()}
    times = {**like, "generation": generations}
    found = fit_power(readings.answered, prior_catalog().overlaid(times), workers, progress)
    if found is None:
        raise UserError("no row of the files speaks of power and of time")
    tables = merged(times, power_tables(found))
    return {**tables, **_summary(readings, prior_catalog().overlaid(tables), date, paths)}, found


def timing_tables(found: Fit, seen: Sequence[Observation]) -> dict[str, Any]:
    """Stacks, generations and precisions of a timing fit, as tables of a calibration file."""
    prior = prior_catalog()
    index = found.tree.index()
    stacks = {s: _stack(s, found, index) for s in prior.tables["stack"]}
    generations = {
        g: {"factor": _factors("generation", g, found, index)} for g in _levels(found, "generation")
    }
    generations[_UNMEASURED] = {"factor": _unmeasured(generations)}
    precisions = {p: {"factor": _factors("precision", p, found, index)} for p in _levels(found, "precision")}
    return {
        "sources": {"fit": _citation(seen)},
        "stack": stacks,
        "generation": generations,
        "precision": precisions,
        "measured": _measured(seen),
    }


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables of two fits as one."""
    return dict(Catalog(below).overlaid(above).tables)


def _stack(stack: str, found: Fit, index: Mapping) -> dict[str, Any]:
    """Every timing coefficient of a stack: its own deviations and those of the stacks it is like."""
    prior = prior_catalog()
    base = coefficients(REFERENCE, stack, "bf16", prior).coefficients
    chain = stack_chain(stack, prior)
    entries = {}
    for name in TIMING:
        where = [index[("stack", s, name)] for s in chain if ("stack", s, name) in index]
        entries[name] = _entry(getattr(base, name), found, where)
    return entries


def _factors(level: str, thing: str, found: Fit, index: Mapping) -> dict[str, Any]:
    tables = prior_catalog().tables[level].get(thing, {})
    if "like" in tables:
        tables = prior_catalog().tables[level][tables["like"]]
    entries = {}
    for name in TIMING:
        if (level, thing, name) in index:
            base = tables.get("factor", {}).get(name, {"v": 1.0})["v"]
            entries[name] = _entry(base, found, [index[(level, thing, name)]])
    return entries


def _entry(base: float, found: Fit, where: Sequence[int]) -> dict[str, Any]:
    """Value and log-sd of a product of deviations with a base value."""
    value = base * math.exp(float(found.deviation[list(where)].sum()))
    variance = float(found.covariance[np.ix_(where, where)].sum())
    return {"v": _rounded(value), "sigma": round(math.sqrt(max(variance, 1e-6)), 3), "src": "fit"}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _unmeasured(generations: Mapping[str, Any]) -> dict[str, Any]:
    """The mean of typical generations (in logarithms), its band their spread and half as much again."""
    entries = {}
    for name in TIMING:
        logs = [
            0.0 if g == REFERENCE else math.log(generations[g]["factor"][name]["v"])
            for g in TYPICAL
            if g == REFERENCE or (g in generations and name in generations[g]["factor"])
        ]
        if len(logs) > 1:
            mean, spread = float(np.mean(logs)), float(np.std(logs, ddof=1))
            sigma = max(1.5 * spread, 0.15)
            entries[name] = {"v": _rounded(math.exp(mean)), "sigma": round(sigma, 3), "src": "fit"}
    return entries


def _levels(found: Fit, level: str) -> list[str]:
    return list(dict.fromkeys(thing for lev, thing, _ in found.tree.keys if lev == level))


def _citation(seen: Sequence[Observation]) -> str:
    names = dict.fromkeys(o.reading.case.text["source"].split("(")[0] for o in seen)
    rows = round(sum(sum(o.rows) for o in seen))
    return f"calibration to {rows} measured times of {', '.join(names)}"


def _measured(seen: Sequence[Observation]) -> list[dict[str, Any]]:
    """Generation, stack (up to the family and year it is like) and precisions that rows speak of."""
    found: dict[tuple[str, str], set[str]] = {}
    for o in seen:
        for stack in _up_to_family(stack_chain(o.place.stack, prior_catalog())):
            found.setdefault((o.place.generation, stack), set()).add(o.place.precision)
    return [
        {"generation": g, "stack": s, "precisions": sorted(precisions)}
        for (g, s), precisions in sorted(found.items())
    ]


def _up_to_family(chain: Sequence[str]) -> Sequence[str]:
    """The stacks up to the first that is named by family and year alone ("vllm-2024")."""
    ends = [i for i, s in enumerate(chain) if re.search(r"-20\d\d$", s)]
    return chain[: ends[0] + 1] if ends else chain


def _summary(readings: Readings, catalog: Catalog, date: str, paths: Sequence[str | Path]) -> dict[str, Any]:
    """When, from which files, and how well every row is met in sample."""
    found = answers(readings, catalog)
    metrics = {}
    for name, part in sorted(by(found, lambda a: a.row.metric).items()):
        e = errors(part)
        if e["answered"]:
            metrics[name] = {k: (round(v, 4) if isinstance(v, float) else v) for k, v in e.items()}
    return {
        "calibration": {
            "date": date,
            "files": [Path(p).name for p in paths],
            "rows": len(found),
            "answered": sum(not a.why for a in found),
            "in_sample": metrics,
        }
    }


def calibrate_stack(
    paths: Sequence[str | Path],
    *,
    name: str,
    like: str,
    date: str,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Fit one new stack `name`, like the known stack `like`, to the user's own rows; all else is held.

    Returns the tables of a calibration file that adds the stack. Raises UserError if `like` is unknown, `name`
    is taken, or no row can be fitted to.
    """
    known = default_catalog().tables["stack"]
    if like not in known:
        raise UserError(Fault("like", f'"{like}" is not a known serving stack', did_you_mean(like, known)))
    if name in known:
        raise UserError(Fault("name", f'a stack called "{name}" exists', "choose another name"))
    catalog = default_catalog().overlaid({"stack": {name: {"like": like}}})
    readings = read_files(paths)
    own = [replace(r, setup=with_stack(r.setup, name)) for r in readings.answered]
    seen = observations(own, TIMES)
    if not seen:
        raise UserError("no row of the files can be fitted to")
    problem = Problem(seen, TIMING, catalog, only=("stack", name))
    with Pool(seen, TIMING, catalog, workers) as pool:
        found, _ = fit(problem, pool, ITERATIONS, progress)
    base = coefficients(REFERENCE, name, "bf16", catalog).coefficients
    index = found.tree.index()
    entries = {n: _entry(getattr(base, n), found, [index[("stack", name, n)]]) for n in TIMING}
    measured = [*default_catalog().tables["measured"], *_own_measured(seen, name)]
    tables = {
        "sources": {"fit-" + name: _citation(seen)},
        "stack": {name: {"like": like, **{n: {**e, "src": "fit-" + name} for n, e in entries.items()}}},
        "measured": measured,
    }
    rest = Readings(tuple(own), readings.unanswered)
    return {**_summary(rest, default_catalog().overlaid(tables), date, paths), **tables}


def _own_measured(seen: Sequence[Observation], name: str) -> list[dict[str, Any]]:
    found: dict[str, set[str]] = {}
    for o in seen:
        found.setdefault(o.place.generation, set()).add(o.place.precision)
    return [{"generation": g, "stack": name, "precisions": sorted(p)} for g, p in sorted(found.items())]
