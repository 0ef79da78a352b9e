"""Moments and look-ups of quantile tables: tokens, linear in p between (p, tokens) points."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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


def mixed(
    shares: Sequence[float], tables: Sequence[tuple[Sequence[float], Sequence[float]]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The (p, tokens) table of a mixture of tables with the given shares.

    Exact: a mixture's CDF is the shares' mean of the CDFs, each linear between its points, so that it is linear between
    the points of all. Where it stays level over a stretch of tokens, p rises by 1e-12.
    """
    total = sum(shares)
    parts = [(share / total, p, tokens) for share, (p, tokens) in zip(shares, tables, strict=True)]
    points: list[tuple[float, float]] = []
    for x in sorted({t for _, _, tokens in parts for t in tokens}):
        for upper in (False, True):  # below an atom of the distribution, and with it
            p = sum(share * _cdf(p, tokens, x, upper) for share, p, tokens in parts)
            if not points or x > points[-1][1] or p > points[-1][0]:
                points.append((max(p, points[-1][0] + 1e-12) if points else 0.0, x))
    last = points[-1][0]
    return tuple(p / last for p, _ in points), tuple(t for _, t in points)


def _cdf(p: Sequence[float], tokens: Sequence[float], x: float, upper: bool) -> float:
    """P(length <= x), or without `upper` P(length < x)."""
    i = bisect_right(tokens, x) if upper else bisect_left(tokens, x)
    if i == 0:
        return 0.0
    if i == len(tokens):
        return 1.0
    low, high = tokens[i - 1], tokens[i]
    return p[i - 1] + (p[i] - p[i - 1]) * (x - low) / (high - low)


def _segments(p: Sequence[float], tokens: Sequence[float]):
    return zip(pairwise(p), pairwise(tokens), strict=True)
