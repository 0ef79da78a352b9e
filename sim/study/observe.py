"""What the fit sees: per setup its measured metrics, and how their predictions answer to each coefficient.

Predictions are those of the simulator itself; derivatives are one-sided differences in the logarithm of each
coefficient. Setups are independent, so they are shared out to processes.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from sim.cost.calibration import Catalog
from sim.cost.coefficients import Coefficients, Fitted
from sim.cost.precision import number_format, stored_as
from sim.cost.step import fitted_for
from sim.errors import UserError
from sim.study.protocols import predict
from sim.study.setup import Reading
from sim.study.tree import Place, place
from sim.study.validate import metric_name

STEP = 0.04
"""Difference in ln coefficient."""
_LIMITS = {f.name: (f.metadata["low"], f.metadata["high"]) for f in fields(Coefficients)}


@dataclass(frozen=True)
class Observation:
    """One setup and the logarithms of what was measured of it (the median where it was measured twice).

    stretch: measured over predicted time, where predictions are to be made with measured times.
    """

    reading: Reading
    place: Place
    metrics: tuple[str, ...]
    measured: tuple[float, ...]
    rows: tuple[float, ...]
    stretch: float = 1.0


def observations(readings: Sequence[Reading], metrics: Sequence[str]) -> list[Observation]:
    """The observations of these metrics, in order; readings with a reason not to fit are left out."""
    wanted, found = set(metrics), {}
    for reading in readings:
        if reading.unfit:
            continue
        seen = found.setdefault(reading.setup, (reading, {}))[1]
        for row in reading.case.rows:
            name = metric_name(row.metric)
            if name in wanted and row.value > 0:
                seen.setdefault(name, []).append(math.log(row.value))
    return [_observation(reading, seen) for reading, seen in found.values() if seen]


def thinned(seen: Sequence[Observation], most: int) -> list[Observation]:
    """At most `most` observations of each stack, chip and model, evenly through their order.

    Those kept stand for the rows of all: their counts are raised in proportion.
    """
    groups: dict[tuple, list[Observation]] = {}
    for o in seen:
        key = (o.place.stack, o.reading.chip.name, o.reading.model.name)
        groups.setdefault(key, []).append(o)
    kept = []
    for group in groups.values():
        share = max(1.0, len(group) / most)
        some = [group[int(i * share)] for i in range(min(len(group), most))]
        kept += [replace(o, rows=tuple(n * share for n in o.rows)) for o in some]
    return kept


def _observation(reading: Reading, seen: Mapping[str, list[float]]) -> Observation:
    d = reading.setup.deployment
    return Observation(
        reading=reading,
        place=place(reading.chip.generation, d.stack, stored_as(number_format(d.precision), reading.chip)),
        metrics=tuple(seen),
        measured=tuple(float(np.median(v)) for v in seen.values()),
        rows=tuple(len(v) for v in seen.values()),
    )


def with_values(fitted: Fitted, values: Mapping[str, float]) -> Fitted:
    """`fitted` with some coefficients replaced, each held within its bounds."""
    held = {n: min(max(v, _LIMITS[n][0]), _LIMITS[n][1]) for n, v in values.items()}
    return replace(fitted, coefficients=replace(fitted.coefficients, **held))


def log_predictions(o: Observation, names: Sequence[str], logs: np.ndarray, catalog: Catalog) -> np.ndarray:
    """ln of the predicted metrics of one observation at ln coefficients `logs`; nan where there is none.

    Coefficients that `names` lacks are the catalog's.
    """
    r = o.reading
    base = fitted_for(r.chip, r.setup.deployment, catalog)
    fitted = with_values(base, dict(zip(names, np.exp(logs), strict=True)))
    try:
        found = predict(r.setup, r.model, r.chip, fitted, stretch=o.stretch).metrics
    except UserError:
        found = {}
    return np.array([_log(found.get(m, math.nan)) for m in o.metrics])


def _log(value: float) -> float:
    return math.log(value) if value > 0 else math.nan


def matters(o: Observation, name: str) -> bool:
    """Whether a coefficient can have any bearing on an observation."""
    d, p = o.reading.setup.deployment, o.reading.setup.protocol
    if name.startswith("expert"):
        return o.reading.model.moe is not None
    if name == "all_reduce_latency_s":
        return d.accelerators > 1
    if name == "first_token_s":
        return p.served
    if p.kind == "layer":
        return not name.startswith(("host_step", "host_sequence", "admit"))
    return True


class Pool:
    """Processes that predict the same observations again and again; use as a context manager."""

    def __init__(
        self,
        seen: Sequence[Observation],
        names: Sequence[str],
        catalog: Catalog,
        workers: int | None = None,
    ):
        self.seen = seen
        count = workers or min(os.cpu_count() or 1, 8)
        state = (seen, tuple(names), catalog)
        context = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
        self.pool = context.Pool(count, _start, state) if count > 1 else None
        if self.pool is None:
            _start(*state)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.terminate()

    def predict(self, logs: np.ndarray, which: Iterable[int] | None = None) -> list[np.ndarray]:
        """ln predictions; logs: float64[observations, names], rows in the order of `which` (default: all)."""
        which = range(len(self.seen)) if which is None else which
        return self._map(_predict, [(i, row) for i, row in zip(which, logs, strict=True)])

    def differentiate(self, logs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Per observation: ln predictions float64[M], and their derivatives float64[M, names]."""
        return self._map(_differentiate, list(enumerate(logs)))

    def _map(self, function, tasks: list):
        if self.pool is None:
            return [function(t) for t in tasks]
        return self.pool.map(function, tasks, chunksize=32)


_STATE: dict = {}


def _start(seen: Sequence[Observation], names: tuple[str, ...], catalog: Catalog) -> None:
    _STATE.update(seen=seen, names=names, catalog=catalog)


def _predict(task: tuple[int, np.ndarray]) -> np.ndarray:
    i, logs = task
    return log_predictions(_STATE["seen"][i], _STATE["names"], logs, _STATE["catalog"])


def _differentiate(task: tuple[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    i, logs = task
    o, names, catalog = _STATE["seen"][i], _STATE["names"], _STATE["catalog"]
    here = log_predictions(o, names, logs, catalog)
    slopes = np.zeros((len(here), len(names)))
    for j, name in enumerate(names):
        if matters(o, name):
            moved = logs.copy()
            moved[j] += STEP
            slopes[:, j] = (log_predictions(o, names, moved, catalog) - here) / STEP
    return here, slopes
