"""Errors of power against measured files: in sample, a model family left out, a generation left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.cost.calibration import packaged_calibration, packaged_calibrations
from sim.study.calibrate import calibrate_power
from sim.study.power_fit import LeftOut, cross_validate_power
from sim.study.power_report import Table

TARGETS = {
    ("W", "nothing"): (0.06, 0.15),
    ("W", "generation"): (0.10, 0.22),
    ("J/token", "nothing"): (0.12, 0.30),
}
"""Median and 90th percentile aimed at: watts with measured times, joules per token with predicted ones."""
GENERATIONS = ("volta", "ampere", "hopper", "blackwell")


def power_errors(left_out: Sequence[LeftOut]) -> Table:
    """Errors by what they are of, what was left out, and generation ("all" first), with the aims."""
    rows = []
    for of in ("W", "J/token"):
        for way in ("nothing", "model family", "generation"):
            part = [x for x in left_out if x.of == of and x.way == way]
            for generation in ("all", *GENERATIONS):
                some = [x for x in part if generation in ("all", x.observation.place.generation)]
                aim = TARGETS.get((of, way), (None, None)) if generation == "all" else (None, None)
                if some:
                    rows.append({"of": of, "left_out": way, "generation": generation, **_error(some, aim)})
    return rows


def _error(part: Sequence[LeftOut], aim: tuple[float | None, float | None]) -> dict[str, Any]:
    apes = np.array([x.ape for x in part])
    return {
        "configurations": len(part),
        "median_ape": float(np.median(apes)),
        "p90_ape": float(np.quantile(apes, 0.9)),
        "median_ratio": float(np.median([x.predicted / x.measured for x in part])),
        "aim_median": aim[0],
        "aim_p90": aim[1],
    }


def power_summary(paths: Sequence[str | Path], workers: int | None = None) -> Table:
    """`power_errors` of measured files: power fitted anew to them, at the packaged calibration's times.

    Raises UserError for files that are not of the schema, or without a row of power that can be fitted to.
    """
    return power_errors(fitted_and_left_out(paths, workers))


def fitted_and_left_out(paths: Sequence[str | Path], workers: int | None = None) -> list[LeftOut]:
    """The fit of power to measured files, gone over with rows left out."""
    like = packaged_calibration(packaged_calibrations()[-1])
    _, found = calibrate_power(paths, like=like, date=like["calibration"]["date"], workers=workers)
    return cross_validate_power(found, workers)


_PAIRS: tuple[tuple[str, str], ...] = (("A100", "V100"), ("H100", "A100"), ("B200", "H100"))


def generation_pairs(left_out: Sequence[LeftOut]) -> Table:
    """Joules per output token of a newer over an older chip on the same model, load and source: medians over pairs,
    measured and predicted in sample with predicted times."""
    cells: dict[tuple, dict[str, LeftOut]] = {}
    for x in left_out:
        if (x.of, x.way) == ("J/token", "nothing"):
            case, size = x.observation.reading.case, x.observation.reading.setup.deployment.tensor_parallel
            load = (case.text["batch_or_concurrency"], case.notes.get("task", ""), size)
            key = (case.text["source"], x.observation.reading.model.name, *load)
            cells.setdefault(key, {})[x.observation.reading.chip.name[:4]] = x
    rows = []
    for newer, older in _PAIRS:
        pairs = [(c[newer], c[older]) for c in cells.values() if newer in c and older in c]
        if pairs:
            measured, predicted = (
                float(np.median([getattr(a, f) / getattr(b, f) for a, b in pairs]))
                for f in ("measured", "predicted")
            )
            row = {"newer": newer, "older": older, "pairs": len(pairs)}
            rows.append({**row, "measured_ratio": measured, "predicted_ratio": predicted})
    return rows
