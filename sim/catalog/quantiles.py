"""Moments and look-ups of quantile tables: tokens, linear in p between (p, tokens) points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt


def tokens_at(p: Sequence[float], tokens: Sequence[float], u: float) -> int:
    """Tokens at quantile `u` in [0, 1]: linear between the points, rounded to the nearest, at least 1."""
    i = min(max(bisect_right(p, u), 1), len(p) - 1)
    low, high = p[i - 1], p[i]
    value = tokens[i - 1] + (tokens[i] - tokens[i - 1]) * (u - low) / (high - low)
    return max(1, int(value + 0.5))


def mean_tokens(p: Sequence[float], tokens: Sequence[float]) -> float:
    """Mean of the piecewise-linear inverse CDF [tokens], before rounding."""
    return sum((pb - pa) * (a + b) / 2.0 for (pa, pb), (a, b) in _segments(p, tokens))


def sd_tokens(p: Sequence[float], tokens: Sequence[float]) -> float:
    """Standard deviation of the piecewise-linear inverse CDF [tokens], before rounding."""
    square = sum((pb - pa) * (a * a + a * b + b * b) / 3.0 for (pa, pb), (a, b) in _segments(p, tokens))
    return sqrt(max(0.0, square - mean_tokens(p, tokens) ** 2))


def _segments(p: Sequence[float], tokens: Sequence[float]):
    return zip(pairwise(p), pairwise(tokens), strict=True)
