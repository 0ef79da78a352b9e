"""What a sweep's runs say: bands, probabilities, Sobol indices, and how well a mean is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

BAND = (5, 95)
RESAMPLES = 400
"""Resamples of the bootstrap, which gives 5 to 95 % of each index."""


def band(values: np.ndarray) -> dict[str, float | int | None]:
    """Median, 5 to 95 % band and mean of the values that are known (not nan)."""
    known = values[~np.isnan(values)]
    if not len(known):
        return {"median": None, "p5": None, "p95": None, "mean": None, "runs": 0}
    p5, median, p95 = np.percentile(known, [BAND[0], 50, BAND[1]])
    return {
        "median": float(median),
        "p5": float(p5),
        "p95": float(p95),
        "mean": float(known.mean()),
        "runs": len(known),
    }


def probability(happened: np.ndarray) -> dict[str, float | int] | None:
    """Share of runs in which something happened, with Wilson's 95 % interval for so many independent draws.

    happened: float[n] of 1, 0 and nan where it cannot be told. None where it can be told of no run.
    """
    known = happened[~np.isnan(happened)]
    if not len(known):
        return None
    count = int(known.sum())
    found = stats.binomtest(count, len(known)).proportion_ci(method="wilson")
    return {"p": count / len(known), "low": float(found.low), "high": float(found.high), "runs": len(known)}


def relative_half_width(values: np.ndarray, confidence: float) -> float:
    """Half width of Student's interval of the mean over the mean's size [1]; infinite where it is not known."""
    known = values[~np.isnan(values)]
    if len(known) < 2 or known.mean() == 0:
        return math.inf
    half = (
        float(known.std(ddof=1))
        / math.sqrt(len(known))
        * float(stats.t.ppf((1 + confidence) / 2, len(known) - 1))
    )
    return half / abs(float(known.mean()))


@dataclass(frozen=True)
class Indices:
    """Sobol indices of each factor [1]: float64[factors] each, with 5 and 95 % of a bootstrap.

    first: share of the variance that goes when this factor alone is known.  total: that stays while only it is
    not.  samples: base samples that they rest on.
    """

    first: np.ndarray
    first_band: np.ndarray
    total: np.ndarray
    total_band: np.ndarray
    samples: int


def sobol_indices(a: np.ndarray, b: np.ndarray, ab: np.ndarray, seed: int = 0) -> Indices | None:
    """Indices from a metric at samples A, B float64[n] and AB float64[factors, n]; None where nothing varies.

    First: mean(f_B (f_AB - f_A)) / V, total: mean((f_A - f_AB)^2) / 2 V, with f about its mean (Saltelli et al.,
    Comput. Phys. Commun. 181, 2010, doi:10.1016/j.cpc.2009.09.018, table 2 b and f), as `scipy.stats.sobol_indices`
    has them; that one takes complete powers of two only. Base samples with an unknown value are left out.
    """
    known = ~(np.isnan(a) | np.isnan(b) | np.isnan(ab).any(axis=0))
    a, b, ab = a[known], b[known], ab[:, known]
    if len(a) < 2 or np.ptp(np.concatenate([a, b])) == 0:
        return None
    first, total = _estimates(a, b, ab)
    rng = np.random.default_rng(seed)
    picks = (rng.integers(len(a), size=len(a)) for _ in range(RESAMPLES))
    drawn = np.array([_estimates(a[i], b[i], ab[:, i]) for i in picks])
    low_high = np.nanpercentile(drawn, BAND, axis=0)
    return Indices(first, low_high[:, 0], total, low_high[:, 1], len(a))


def _estimates(a: np.ndarray, b: np.ndarray, ab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    both = np.concatenate([a, b])
    mean, variance = both.mean(), both.var()
    if variance == 0:
        return np.full(len(ab), np.nan), np.full(len(ab), np.nan)
    first = np.mean((b - mean) * (ab - a), axis=1) / variance
    return first, np.mean((a - ab) ** 2, axis=1) / (2 * variance)


def indices_as_data(found: Indices | None, factors: Sequence[str]) -> dict[str, Any] | None:
    """Indices as plain data, the factor with the largest total first."""
    if found is None:
        return None
    order = np.argsort(-found.total, kind="stable")
    return {
        "samples": found.samples,
        "factors": [
            {
                "factor": factors[i],
                "first": float(found.first[i]),
                "first_p5": float(found.first_band[0, i]),
                "first_p95": float(found.first_band[1, i]),
                "total": float(found.total[i]),
                "total_p5": float(found.total_band[0, i]),
                "total_p95": float(found.total_band[1, i]),
            }
            for i in order
        ],
    }
