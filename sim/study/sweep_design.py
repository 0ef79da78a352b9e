"""The design of a sweep: which runs it has, in which order, with which values, and the key of each.

A run is (row, setting, replication). Rows are values of the uncertain inputs: first those of the tornado, then the
samples, base sample by base sample. With sensitivity indices a base sample has rows A, B and, for each factor, A
with that factor's inputs taken from B (Saltelli 2010). Every setting of the axes sees the same rows.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from sim.cost.interval import ENERGY, STEP_COST
from sim.errors import Fault, ScenarioError, UserError
from sim.scenario import build, resolved, scenario_sha256
from sim.scenario.show import toml_value
from sim.study import sampling
from sim.study.sweep_file import ListAxis, Sweep, ZipAxis, normal_key

CALIBRATION = "calibration."
"""Before the names of inputs that are standard normal deviates of a coefficient."""
SEED = "seed"
SEEDS = 2.0**53
SEED_STEP = 7919
"""Between the seeds of replications."""
MEDIAN, LOW, HIGH = 0.5, 0.05, 0.95
GROUP_DRAWS = 32
"""Rows of the tornado for a factor of several inputs, or of random seeds: it has no single low and high end."""
A, B, FACTOR = -2, -1, 0
"""Parts of a base sample; from FACTOR on, A with factor `part` taken from B."""


@dataclass(frozen=True)
class Factor:
    """Inputs, by number, that vary together: one bar of the tornado, one pair of sensitivity indices."""

    name: str
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Setting:
    """One setting of the axes: values by key, and the digest of the scenario that they make."""

    values: Mapping[str, Any]
    digest: bytes
    seed: int


@dataclass(frozen=True)
class Task:
    """One run. changes: key=value on the base's data.  calibration_z: see `sim.cost.interval.at`."""

    number: int
    key: str
    row: int
    setting: int
    replication: int
    seed: int
    changes: tuple[str, ...]
    calibration_z: Mapping[str, float]


@dataclass(frozen=True)
class Design:
    """Every run of a sweep.

    data, folder: the base scenario, as `sim.scenario.build` takes it.  names: of the inputs.
    values: float64[rows, inputs].  factor_of, part_of: int64[rows]: for a row of the tornado its factor (-1 for the
    row of medians) and -3; for a sample -1 and its part.
    tornado_rows: so many at the start.  block: rows of one base sample.  code: hash of what makes the results.
    """

    data: Mapping[str, Any]
    folder: str
    settings: tuple[Setting, ...]
    names: tuple[str, ...]
    factors: tuple[Factor, ...]
    values: np.ndarray
    factor_of: np.ndarray
    part_of: np.ndarray
    tornado_rows: int
    block: int
    replications: int
    code: str

    @property
    def tasks(self) -> int:
        return len(self.values) * len(self.settings) * self.replications

    @property
    def samples(self) -> int:
        """Base samples."""
        return (len(self.values) - self.tornado_rows) // self.block

    def tasks_until(self, samples: int) -> int:
        """Tasks of the tornado and of the first `samples` base samples: those are numbered first."""
        return (self.tornado_rows + samples * self.block) * len(self.settings) * self.replications

    def places(self, tasks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, setting and replication of each task: int64[len(tasks)]."""
        point, replication = np.divmod(tasks, self.replications)
        row, setting = np.divmod(point, len(self.settings))
        return row, setting, replication

    def place(self, number: int) -> tuple[int, int, int]:
        """Row, setting and replication of a task."""
        point, replication = divmod(number, self.replications)
        row, setting = divmod(point, len(self.settings))
        return row, setting, replication

    def seed(self, number: int) -> int:
        """The simulation's seed in a task: its setting's or the drawn one, moved on by replications."""
        row, setting, replication = self.place(number)
        drawn = SEED in self.names
        seed = int(self.values[row, self.names.index(SEED)]) if drawn else self.settings[setting].seed
        return (seed + SEED_STEP * replication) % 2**63

    def key(self, number: int) -> str:
        """What names a task's result: hash of scenario, point, replication and code; 16 hex digits."""
        row, setting, replication = self.place(number)
        digest = hashlib.blake2b(self.settings[setting].digest, digest_size=8)
        digest.update(json.dumps([self.names, replication, self.code]).encode())
        digest.update(self.values[row].tobytes())
        return digest.hexdigest()

    def task(self, number: int) -> Task:
        row, setting, replication = self.place(number)
        changes = [_change(k, v) for k, v in self.settings[setting].values.items()]
        z = {}
        for name, value in zip(self.names, map(float, self.values[row]), strict=True):
            if name == SEED:
                continue
            if name.startswith(CALIBRATION):
                z[name.removeprefix(CALIBRATION)] = value
            else:
                changes.append(_change(name, int(value) if value.is_integer() else value))
        seed = self.seed(number)
        changes.append(_change(SEED, seed))
        return Task(number, self.key(number), row, setting, replication, seed, tuple(changes), z)


def design_of(sweep: Sweep, data: Mapping[str, Any], folder: str, code: str) -> Design:
    """The design of `sweep` on the base scenario `data`. code: hash of the program (see `sim.study.sweep_point`).

    Raises UserError or ScenarioError for keys and values that the scenario refuses, in any setting of the axes.
    """
    base = _with(data, sweep.changes)
    names, factors = _inputs(sweep)
    points, parts, tornado = _unit_rows(sweep, len(names), factors)
    points = _correlate(sweep, points)
    settings = tuple(_setting(base, folder, values) for values in _settings(sweep))
    values = points  # in their place: this table is what grows with the points of a sweep
    for i, name in enumerate(names):
        values[:, i] = _column(sweep, i, name, points[:, i])
    _apply_factors(sweep, values, base, folder, settings)
    _check_medians(base, folder, settings, names, values)
    indices = sweep.sensitivity is not None and sweep.sensitivity.indices
    return Design(
        data=base,
        folder=folder,
        settings=settings,
        names=names,
        factors=factors,
        values=values,
        factor_of=np.concatenate([tornado, np.full(len(parts), -1)]),
        part_of=np.concatenate([np.full(len(tornado), -3), parts]),
        tornado_rows=len(tornado),
        block=len(factors) + 2 if indices else 1,
        replications=sweep.sampling.replications,
        code=code,
    )


def _with(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    from sim.scenario.overrides import apply_overrides

    changed, faults = apply_overrides(data, [_change(k, v) for k, v in changes.items()])
    if faults:
        raise ScenarioError(faults)
    return changed


def _change(key: str, value: object) -> str:
    return f"{key}={toml_value(value)}"


def _settings(sweep: Sweep) -> list[dict[str, Any]]:
    """Every setting of the axes; one without changes where there are none."""
    axes: list[list[dict[str, Any]]] = []
    for axis in sweep.axes:
        if isinstance(axis, ListAxis):
            axes.append(list(axis.settings))
            continue
        rows = (
            zip(*axis.keys.values(), strict=True)
            if isinstance(axis, ZipAxis)
            else itertools.product(*axis.keys.values())
        )
        axes.append([dict(zip(axis.keys, row, strict=True)) for row in rows])
    return [{k: v for part in parts for k, v in part.items()} for parts in itertools.product(*axes)]


def _setting(base: Mapping[str, Any], folder: str, values: Mapping[str, Any]) -> Setting:
    scenario = build(base, [_change(k, v) for k, v in values.items()], folder=folder, source=_said(values))
    told = json.dumps([base, values], sort_keys=True, default=str) + scenario_sha256(scenario)
    return Setting(values, hashlib.sha256(told.encode()).digest(), scenario.seed)


def _said(values: Mapping[str, Any]) -> str:
    return "the sweep at " + (", ".join(_change(k, v) for k, v in values.items()) or "its base")


def _inputs(sweep: Sweep) -> tuple[tuple[str, ...], tuple[Factor, ...]]:
    """Names of the inputs, and the factors they make: alone, by group, or by what they are correlated with."""
    labels = {i: u.group or u.key for i, u in enumerate(sweep.uncertain)}
    number = {normal_key(u.key): i for i, u in enumerate(sweep.uncertain)}
    for correlation in sweep.correlation:
        kept, lost = (labels[number[normal_key(key)]] for key in correlation.between)
        if kept != lost:
            labels = {
                i: f"{kept} + {lost}" if label in (kept, lost) else label for i, label in labels.items()
            }
    names = [u.key for u in sweep.uncertain]
    given = list(labels.values())
    drawn = sweep.calibration
    if drawn is not None:
        for wanted, group, coefficients in (
            (drawn.step_cost, "step cost", STEP_COST),
            (drawn.energy, "energy", ENERGY),
        ):
            names += [CALIBRATION + c for c in coefficients if wanted]
            given += [f"calibration of {group if drawn.grouped else c}" for c in coefficients if wanted]
    if sweep.sampling.vary_seed:
        names.append(SEED)
        given.append("chance (seed)")
    members: dict[str, list[int]] = {}
    for i, label in enumerate(given):
        members.setdefault(label, []).append(i)
    return tuple(names), tuple(Factor(label, tuple(inputs)) for label, inputs in members.items())


def _unit_rows(
    sweep: Sweep, inputs: int, factors: Sequence[Factor]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the unit cube for every row, the part of each sample row, and the factor of each tornado row."""
    if not inputs:
        return np.zeros((1, 0)), np.array([A]), np.zeros(0, np.int64)
    told, wanted = sweep.sampling, sweep.sensitivity
    indices = wanted is not None and wanted.indices
    drawn = sampling.unit_points(told.method, told.points, inputs * (2 if indices else 1), told.seed)
    tornado, factor_of = (
        _tornado(sweep, inputs, factors) if wanted and wanted.tornado else (drawn[:0, :inputs], [])
    )
    if not indices:
        return np.concatenate([tornado, drawn]), np.full(len(drawn), A), np.array(factor_of, np.int64)
    first, second = drawn[:, :inputs], drawn[:, inputs:]
    block = [first, second]
    for factor in factors:
        mixed = first.copy()
        mixed[:, list(factor.inputs)] = second[:, list(factor.inputs)]
        block.append(mixed)
    rows = np.stack(block, axis=1).reshape(-1, inputs)
    parts = np.tile(np.array([A, B, *range(len(factors))]), len(drawn))
    return np.concatenate([tornado, rows]), parts, np.array(factor_of, np.int64)


def _tornado(sweep: Sweep, inputs: int, factors: Sequence[Factor]) -> tuple[np.ndarray, list[int]]:
    """Each factor alone away from the medians: a single input at its two ends, a group by draws."""
    rows, factor_of = [np.full((1, inputs), MEDIAN)], [-1]
    for f, factor in enumerate(factors):
        single = len(factor.inputs) == 1 and inputs and not _is_seed(sweep, factor, inputs)
        count = 2 if single else GROUP_DRAWS
        part = np.full((count, inputs), MEDIAN)
        if single:
            part[:, factor.inputs[0]] = (LOW, HIGH)
        else:
            part[:, list(factor.inputs)] = sampling.unit_points(
                "latin-hypercube", count, len(factor.inputs), sweep.sampling.seed + f + 1
            )
        rows.append(part)
        factor_of += [f] * count
    return np.concatenate(rows), factor_of


def _is_seed(sweep: Sweep, factor: Factor, inputs: int) -> bool:
    return sweep.sampling.vary_seed and factor.inputs == (inputs - 1,)


def _correlate(sweep: Sweep, points: np.ndarray) -> np.ndarray:
    """Points with the correlations of the file; medians stay medians, and so do single ends of the tornado."""
    if not sweep.correlation or not points.shape[1]:
        return points
    number = {normal_key(u.key): i for i, u in enumerate(sweep.uncertain)}
    pairs = [
        (number[normal_key(a)], number[normal_key(b)], c.rank)
        for c in sweep.correlation
        for a, b in [c.between]
    ]
    rank = sampling.rank_matrix(len(sweep.uncertain), pairs)
    mixed = points.copy()
    mixed[:, : len(rank)] = sampling.correlated(points[:, : len(rank)], rank)
    return mixed


def _column(sweep: Sweep, i: int, name: str, points: np.ndarray) -> np.ndarray:
    if name == SEED:
        return np.floor(points * SEEDS)
    if name.startswith(CALIBRATION):
        return np.asarray(stats.norm.ppf(points))
    return sampling.values_at(sweep.uncertain[i], f"uncertain[{i}]", points)


def _apply_factors(
    sweep: Sweep, values: np.ndarray, base: Mapping[str, Any], folder: str, settings: Sequence[Setting]
) -> None:
    """Multiply the base's value into inputs that were given as factors of it."""
    for i, given in enumerate(sweep.uncertain):
        if given.apply == "value":
            continue
        found = {_number(base, folder, s, given.key, f"uncertain[{i}]") for s in settings}
        if len(found) > 1:
            message = (
                f'"{given.key}" differs between the settings of the axes, so a factor of it is not one value'
            )
            raise UserError(Fault(f"uncertain[{i}]", message, 'use apply = "value"'))
        values[:, i] *= found.pop()
        if given.whole:
            values[:, i] = np.round(values[:, i])


def _number(base: Mapping[str, Any], folder: str, setting: Setting, key: str, path: str) -> float:
    """The resolved scenario's number at `key`."""
    node: Any = resolved(build(base, [_change(k, v) for k, v in setting.values.items()], folder=folder))
    for step in normal_key(key).split("."):
        try:
            node = node[int(step)] if isinstance(node, list) else node[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise UserError(Fault(path, f'the scenario has no value at "{key}" to multiply')) from None
    if isinstance(node, bool) or not isinstance(node, int | float):
        raise UserError(Fault(path, f'the scenario\'s "{key}" is no number, so that no factor applies to it'))
    return float(node)


def _check_medians(
    base: Mapping[str, Any],
    folder: str,
    settings: Sequence[Setting],
    names: Sequence[str],
    values: np.ndarray,
) -> None:
    """Every setting must stand at some values of the inputs: a wrong key would fail in every run."""
    keys = [(i, n) for i, n in enumerate(names) if n != SEED and not n.startswith(CALIBRATION)]
    middle = [float(np.sort(values[:, i])[len(values) // 2]) for i, _ in keys]
    drawn = [_change(n, int(v) if v.is_integer() else v) for (_, n), v in zip(keys, middle, strict=True)]
    for setting in settings:
        changes = [_change(k, v) for k, v in setting.values.items()]
        build(base, [*changes, *drawn], folder=folder, source=_said(setting.values))
