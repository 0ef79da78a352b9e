"""What repeated runs tell: paired ratios with intervals, and the probability that a fresh run meets a target.

Runs of one seed see the same requests on every fleet (draws are keyed by request), so that the ratio of two fleets is
taken seed by seed: what the demand does to both cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import t

CONFIDENCE = 0.95
SEED_STEP = 7919
"""Between the seeds of replications: far apart, so that scenarios with neighbouring seeds share none."""


@dataclass(frozen=True)
class Interval:
    """A mean and the interval that holds it with `CONFIDENCE`; an interval of one run is unknown (None)."""

    mean: float
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


def fresh_seeds(seed: int, count: int) -> tuple[int, ...]:
    """`count` seeds that the search of `seed` did not use."""
    return tuple((seed + SEED_STEP * (i + 1)) % 2**63 for i in range(count))


def interval(values: Sequence[float]) -> Interval:
    """Student's interval of the mean of independent runs."""
    return _interval(np.asarray(values, np.float64), lambda x: x)


def paired_ratio(of: Sequence[float], over: Sequence[float]) -> Interval:
    """Ratio of two fleets run by run: geometric mean and Student's interval of the log ratios.

    of, over: positive figures of the same seeds in the same order. Raises ValueError where they are not.
    """
    above, below = np.asarray(of, np.float64), np.asarray(over, np.float64)
    figures = np.concatenate([above, below])
    if not len(above) or not (np.isfinite(figures).all() and (figures > 0).all()):
        raise ValueError("ratios need positive figures of the same runs")
    return _interval(np.log(above / below), math.exp)


def _interval(values: np.ndarray, back: Callable[[float], float]) -> Interval:
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(back(mean), None, None)
    half = float(values.std(ddof=1)) / math.sqrt(len(values)) * _student(len(values) - 1)
    return Interval(back(mean), back(mean - half), back(mean + half))


def probability_above(values: Sequence[float], target: float) -> float:
    """Probability that one further run of the same kind gives at least `target`.

    Student's predictive distribution of a normal sample: (x - mean) / (s sqrt(1 + 1/n)) has n - 1 degrees of freedom
    (Geisser, Predictive Inference, 1993, 2.2). Runs that all agree answer with certainty.
    """
    found = np.asarray(values, np.float64)
    mean, spread = float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else 0.0
    if spread < 1e-12:
        return float(mean >= target)
    scale = spread * math.sqrt(1 + 1 / len(found))
    return float(t.cdf((mean - target) / scale, len(found) - 1))


def slope(x: Sequence[float], y: Sequence[float]) -> Interval | None:
    """Slope of a straight line by least squares with its interval; None of fewer than two points."""
    if len(x) < 2:
        return None
    if len(x) == 2:
        return Interval((y[1] - y[0]) / (x[1] - x[0]), None, None)
    away = np.asarray(x, np.float64) - np.mean(x)
    spread = float(away @ away)
    middle = float(away @ np.asarray(y, np.float64)) / spread
    left = np.asarray(y, np.float64) - np.mean(y) - middle * away
    half = math.sqrt(float(left @ left) / (len(x) - 2) / spread) * _student(len(x) - 2)
    return Interval(middle, middle - half, middle + half)


def _student(freedom: int) -> float:
    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))


def side_by_side(work: Callable[[Any], Any], items: Iterable[Any], workers: int = 2) -> list[Any]:
    """`work` of each item, in order, `workers` at once: the kernel runs without the interpreter's lock."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))
