"""The summary of a sweep, read from its table of runs: one entry for each setting of the axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import Fault, UserError, did_you_mean
from sim.results import column_kinds, read_columns
from sim.study.sweep_design import FACTOR, A, B, Design
from sim.study.sweep_file import Sweep
from sim.study.sweep_statistics import band, indices_as_data, probability, sobol_indices

SLO, MARGIN = "slo.attainment", "margin"


class Runs:
    """The table of runs; its columns are read one at a time.

    tasks: int64[runs], numbers of the tasks of its rows.
    """

    def __init__(self, path: Path, design: Design, tasks: np.ndarray):
        self.path, self.design = path, design
        self.row, self.setting, _ = design.places(tasks)
        self.metrics = [
            name
            for name, kind in column_kinds(path).items()
            if kind == "number"
            and not name.startswith(("axis.", "input."))
            and name not in ("sample", "setting", "replication")
        ]

    def metric(self, name: str) -> np.ndarray:
        """A metric of every run. Raises UserError where no run has it."""
        check_metric(name, self.metrics)
        return read_columns(self.path, [name])[name]

    def is_sample(self, setting: int) -> np.ndarray:
        """Runs that are independent draws of all inputs (parts A and B)."""
        parts = self.design.part_of[self.row]
        return (self.setting == setting) & ((parts == A) | (parts == B))

    def by_row(self, values: np.ndarray, setting: int) -> np.ndarray:
        """Means over replications of one setting: float64[rows], nan where there is none."""
        here = (self.setting == setting) & ~np.isnan(values)
        sums = np.bincount(self.row[here], values[here], len(self.design.values))
        counts = np.bincount(self.row[here], minlength=len(self.design.values))
        return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)


def check_metric(name: str, known: list[str]) -> None:
    """Raises UserError unless `name` is one of the metrics `known`."""
    if name not in known:
        hint = did_you_mean(name, known) or "names are those of the JSON result, dotted"
        raise UserError(Fault("metric", f'no run has a metric "{name}"', hint))


def settings_summary(sweep: Sweep, runs: Runs) -> list[dict[str, Any]]:
    """Bands, probabilities, indices and tornado of every setting."""
    design = runs.design
    bands: list[dict[str, Any]] = [{} for _ in design.settings]
    for name in runs.metrics:
        values = runs.metric(name)
        for s in range(len(design.settings)):
            bands[s][name] = band(values[runs.is_sample(s)])
    return [
        {
            "setting": dict(setting.values),
            "probability": _probabilities(sweep, runs, s),
            "metrics": bands[s],
            "sensitivity": _sensitivity(sweep, runs, s),
            "tornado": _tornado(sweep, runs, s),
        }
        for s, setting in enumerate(design.settings)
    ]


def _probabilities(sweep: Sweep, runs: Runs, setting: int) -> dict[str, Any]:
    """Of meeting the SLO and of making a profit; None where there is no target, or no revenue."""
    found: dict[str, Any] = {"slo_met": None, "profit": None}
    mine = runs.is_sample(setting)
    for name, metric, least in (("slo_met", SLO, sweep.slo_met), ("profit", MARGIN, 0.0)):
        if metric in runs.metrics:
            values = runs.metric(metric)[mine]
            above = values >= least if name == "slo_met" else values > least
            found[name] = probability(np.where(np.isnan(values), np.nan, above))
    return found


def _sensitivity(sweep: Sweep, runs: Runs, setting: int) -> dict[str, Any] | None:
    wanted, design = sweep.sensitivity, runs.design
    if wanted is None or not wanted.indices or not runs.metrics:
        return None
    values = runs.by_row(runs.metric(wanted.metric), setting)[design.tornado_rows :]
    parts = values.reshape(-1, design.block).T
    found = sobol_indices(parts[0], parts[1], parts[2 + FACTOR :], seed=sweep.sampling.seed)
    data = indices_as_data(found, [f.name for f in design.factors])
    return {"metric": wanted.metric, **data} if data else None


def _tornado(sweep: Sweep, runs: Runs, setting: int) -> dict[str, Any] | None:
    wanted, design = sweep.sensitivity, runs.design
    if wanted is None or not wanted.tornado or not runs.metrics:
        return None
    values = runs.by_row(runs.metric(wanted.metric), setting)[: design.tornado_rows]
    factor_of = design.factor_of[: design.tornado_rows]
    bars = [_bar(design, f, values, factor_of == f) for f in range(len(design.factors))]
    known = [b for b in bars if b["at_low"] is not None and b["at_high"] is not None]
    known.sort(key=lambda b: -abs(b["at_high"] - b["at_low"]))
    middle = values[0]
    return {"metric": wanted.metric, "median": None if np.isnan(middle) else float(middle), "bars": known}


def _bar(design: Design, f: int, values: np.ndarray, mine: np.ndarray) -> dict[str, Any]:
    """The metric at the two ends of a factor, others at their medians.

    An input alone stands at its 5 and 95 % quantiles (`inputs`); of a group, drawn as a whole, the metric's own
    5 and 95 % quantiles are given.
    """
    factor, found = design.factors[f], values[mine]
    if np.isnan(found).any():
        low = high = None
    elif len(found) == 2:
        low, high = map(float, found)
    else:
        low, high = map(float, np.percentile(found, [5, 95]))
    rows = np.flatnonzero(mine)
    ends = [float(design.values[r, factor.inputs[0]]) for r in rows] if len(found) == 2 else None
    return {"factor": factor.name, "inputs": ends, "at_low": low, "at_high": high, "runs": len(found)}
