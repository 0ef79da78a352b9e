"""Points of the unit cube, ranks correlated by a copula, and the distributions that turn them into values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats
from scipy.stats import qmc

from sim.errors import Fault, UserError
from sim.study.sweep_file import (
    Beta,
    Distribution,
    Empirical,
    Lognormal,
    Normal,
    Triangular,
    Uncertain,
    Uniform,
)

EDGE = 1e-9
"""Distance from 0 and 1 that points keep: a Sobol sequence may hold 0 itself, where a normal has no quantile."""


def unit_points(method: str, count: int, dimensions: int, seed: int) -> np.ndarray:
    """float64[count, dimensions] in (0, 1), by "monte-carlo", "latin-hypercube" or "sobol" (scrambled).

    The first points of a longer sample by Monte Carlo or Sobol are those of a shorter one of the same seed.
    """
    if method == "monte-carlo":
        points = np.random.default_rng(seed).random((count, dimensions))
    elif method == "latin-hypercube":
        points = qmc.LatinHypercube(dimensions, rng=np.random.default_rng(seed)).random(count)
    else:
        points = qmc.Sobol(dimensions, rng=np.random.default_rng(seed)).random(count)
    return np.clip(points, EDGE, 1 - EDGE, out=points)


def correlated(points: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """`points` float64[n, d] of independent columns with Spearman's correlations `rank` float64[d, d].

    Gaussian copula: Pearson's r = 2 sin(pi rank / 6) of normals has that rank correlation (Pearson 1907; Kruskal,
    J. Am. Stat. Assoc. 53, 1958). Raises UserError where no joint distribution has these correlations.
    """
    pearson = 2 * np.sin(np.pi * rank / 6)
    np.fill_diagonal(pearson, 1.0)
    try:
        lower = np.linalg.cholesky(pearson)
    except np.linalg.LinAlgError:
        message = "no inputs have all of these correlations at once (the matrix is not positive definite)"
        raise UserError(Fault("correlation", message, "bring the ranks nearer to 0")) from None
    return np.clip(stats.norm.cdf(stats.norm.ppf(points) @ lower.T), EDGE, 1 - EDGE)


def rank_matrix(size: int, pairs: Sequence[tuple[int, int, float]]) -> np.ndarray:
    """Symmetric float64[size, size] with 1 on its diagonal and each (i, j, rank) at its two places."""
    matrix = np.eye(size)
    for i, j, rank in pairs:
        matrix[i, j] = matrix[j, i] = rank
    return matrix


def values_at(given: Uncertain, path: str, points: np.ndarray) -> np.ndarray:
    """The input's values at quantiles `points` of its distribution, cut off at its bounds. float64[len(points)]

    Raises UserError, naming `path`, where nothing of the distribution lies within the bounds.
    """
    low = -np.inf if given.at_least is None else given.at_least
    high = np.inf if given.at_most is None else given.at_most
    if isinstance(given.distribution, Empirical):
        values = _drawn(given.distribution, path, points, low, high)
    else:
        law = _law(given.distribution)
        below, above = float(law.cdf(low)), float(law.cdf(high))
        if not above > below:
            raise UserError(Fault(path, "nothing of the distribution lies between at_least and at_most"))
        values = np.clip(law.ppf(below + points * (above - below)), low, high)
    return np.round(values) if given.whole else values


def _law(given: Distribution):
    match given:
        case Normal():
            return stats.norm(given.mean, given.sd)
        case Lognormal():
            return stats.lognorm(given.sigma, scale=given.median)
        case Triangular():
            width = given.high - given.low
            return stats.triang((given.mode - given.low) / width, given.low, width)
        case Beta():
            return stats.beta(given.alpha, given.beta, given.low, given.high - given.low)
        case Uniform():
            return stats.uniform(given.low, given.high - given.low)
    raise AssertionError(given)


def _drawn(given: Empirical, path: str, points: np.ndarray, low: float, high: float) -> np.ndarray:
    """Observed values in order, each over as much of (0, 1) as it weighs."""
    values = np.asarray(given.values)
    weights = np.ones(len(values)) if given.weights is None else np.asarray(given.weights)
    inside = (values >= low) & (values <= high)
    if not inside.any():
        raise UserError(Fault(path, "none of the values lies between at_least and at_most"))
    order = np.argsort(values[inside], kind="stable")
    values, ends = values[inside][order], np.cumsum(weights[inside][order])
    return values[np.minimum(np.searchsorted(ends, points * ends[-1], side="right"), len(values) - 1)]
