"""Maximum a posteriori fit of the tree's deviations: robust Gauss-Newton with the simulator in the loop.

minimise  sum_i w_i^2 rho((ln predicted_i - ln measured_i) / s) + sum_k (d_k / width_k)^2,
rho(z) = 2 (sqrt(1 + z^2) - 1), the pseudo-Huber loss (Charbonnier et al. 1997, doi:10.1109/83.551699).

Rows of one group (stack, chip, model) share their oddities, so R of them count as R^0.6 together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.cost.calibration import Catalog
from sim.cost.coefficients import coefficients
from sim.study.observe import Observation, Pool
from sim.study.tree import Place, Tree, tree

SCALE = 0.1
"""Log ratio beyond which a residual counts linearly."""
SHARED = 0.6
"""Exponent of what a group's rows count together: 1 if they were independent, 0 if they said the same."""
DAMPING = (1.0, 1.0, 1.0, 0.7, 0.5, 0.5)
"""Share of each step that is taken: the last ones settle what is not smooth."""
_WEIGHT = {"ttft_ms": 0.7, "ttft_ms_p50": 0.7, "per_layer_latency_ms": 0.6}
LARGEST_MOVE = 0.7
"""Of any deviation in one iteration, in widths times two: the model is not linear over more."""


@dataclass(frozen=True)
class Linear:
    """The fit about a point: N residuals, P deviations.

    residual: ln predicted - ln measured at `at`. slope: float64[N, P]. weight: float64[N]. owner: the
    observation of each residual.
    """

    at: np.ndarray
    residual: np.ndarray
    slope: np.ndarray
    weight: np.ndarray
    owner: np.ndarray


@dataclass(frozen=True)
class Fit:
    """Deviations float64[P] and their covariance float64[P, P]."""

    tree: Tree
    deviation: np.ndarray
    covariance: np.ndarray


def base_logs(places: Sequence[Place], names: Sequence[str], catalog: Catalog) -> np.ndarray:
    """ln of the catalog's coefficients of each place. float64[places, names]"""
    known = {}
    for p in places:
        if p not in known:
            c = coefficients(p.generation, p.stack, p.precision, catalog).coefficients
            known[p] = [np.log(getattr(c, n)) for n in names]
    return np.array([known[p] for p in places])


def group_weights(seen: Sequence[Observation]) -> np.ndarray:
    """Weight of each observation: those of a group of R rows and n observations share R^0.6 / n."""
    groups = [_group(o) for o in seen]
    rows: dict[tuple, float] = defaultdict(float)
    count: Counter[tuple] = Counter()
    for g, o in zip(groups, seen, strict=True):
        rows[g] += sum(o.rows)
        count[g] += len(o.rows)
    return np.array([(rows[g] ** SHARED / count[g]) ** 0.5 for g in groups])


def _weight(o: Observation, metric: str) -> float:
    share = o.reading.setup.protocol.ttft_weight if metric.startswith("ttft") else 1.0
    return _WEIGHT.get(metric, 1.0) * share


def _group(o: Observation) -> tuple[str, str, str]:
    return o.place.stack, o.reading.chip.name, o.reading.model.name


class Problem:
    """A fit of many observations; `base` are the ln coefficients at deviation 0."""

    def __init__(
        self,
        seen: Sequence[Observation],
        names: Sequence[str],
        catalog: Catalog,
        only: tuple[str, str] | None = None,
    ):
        self.seen = list(seen)
        self.places = [o.place for o in seen]
        unique = sorted(set(self.places))
        self.tree = tree(unique, names, catalog, only)
        self.place_of = np.array([unique.index(p) for p in self.places])
        self.selection = self.tree.selection(unique, catalog)
        self.unique_base = base_logs(unique, names, catalog)
        self.group_weight = group_weights(seen)

    def logs(self, deviation: np.ndarray) -> np.ndarray:
        """ln coefficients of every observation. float64[observations, names]"""
        return (self.unique_base + self.selection @ deviation)[self.place_of]

    def linearise(self, pool: Pool, deviation: np.ndarray) -> Linear:
        """Residuals and slopes at `deviation`; residuals without a prediction are left out."""
        parts = pool.differentiate(self.logs(deviation))
        residual, slope, weight, owner = [], [], [], []
        for i, (here, slopes) in enumerate(parts):
            o = self.seen[i]
            for m, name in enumerate(o.metrics):
                if np.isfinite(here[m]) and np.isfinite(slopes[m]).all():
                    residual.append(here[m] - o.measured[m])
                    slope.append(slopes[m] @ self.selection[self.place_of[i]])
                    weight.append(self.group_weight[i] * _weight(o, name))
                    owner.append(i)
        return Linear(
            deviation.copy(), np.array(residual), np.array(slope), np.array(weight), np.array(owner)
        )


def solve(t: Tree, line: Linear, keep: np.ndarray | None = None, iterations: int = 12) -> Fit:
    """The minimum for linear predictions, by iteratively reweighted least squares.

    keep: bool[N], residuals to use (default: all).
    """
    keep = np.ones(len(line.residual), bool) if keep is None else keep
    slope, weight = line.slope[keep], line.weight[keep]
    deviation = line.at.copy()
    prior = np.diag(t.width**-2.0)
    hessian = prior
    for _ in range(iterations):
        residual = line.residual[keep] + slope @ (deviation - line.at)
        robust = 1.0 / np.sqrt(1.0 + (residual / SCALE) ** 2)
        w = weight**2 * robust / SCALE**2
        hessian = (slope * w[:, None]).T @ slope + prior
        gradient = (slope * w[:, None]).T @ residual + deviation / t.width**2
        move = np.linalg.solve(hessian, gradient)
        deviation = deviation - move
        if np.abs(move).max() < 1e-3:
            break
    return Fit(t, deviation, np.linalg.inv(hessian))


def fit(problem: Problem, pool: Pool, iterations: int = 6, progress=lambda _: None) -> tuple[Fit, Linear]:
    """Gauss-Newton from the uncalibrated catalog; returns the fit and the last linearisation."""
    t = problem.tree
    deviation = np.zeros(len(t.keys))
    for i in range(iterations):
        line = problem.linearise(pool, deviation)
        progress(f"iteration {i + 1}: median |log ratio| {np.median(np.abs(line.residual)):.4f}")
        found = solve(t, line)
        limit = 2 * LARGEST_MOVE * t.width
        step = DAMPING[min(i, len(DAMPING) - 1)]
        deviation = deviation + step * np.clip(found.deviation - deviation, -limit, limit)
    line = problem.linearise(pool, deviation)
    progress(f"fitted: median |log ratio| {np.median(np.abs(line.residual)):.4f}")
    return solve_at(t, line, deviation), line


def solve_at(t: Tree, line: Linear, deviation: np.ndarray) -> Fit:
    """The fit at a given point, with the covariance there."""
    robust = 1.0 / np.sqrt(1.0 + (line.residual / SCALE) ** 2)
    w = line.weight**2 * robust / SCALE**2
    hessian = (line.slope * w[:, None]).T @ line.slope + np.diag(t.width**-2.0)
    return Fit(t, deviation, np.linalg.inv(hessian))
