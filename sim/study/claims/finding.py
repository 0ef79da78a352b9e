"""What the test of a claim found, and how a figure becomes a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["holds", "holds only if", "does not hold", "not tested"]


@dataclass(frozen=True)
class Finding:
    """simulated: the figure beside the published one, in the ledger's unit; None where there is none to compare.

    interval: where it may lie, and `interval_basis` says by what: ranges of inputs, other seeds, or the error of the
    step cost.  condition: what must be so for a claim that holds only if.  flips: what would turn the verdict.
    figures: further results by name (the unit is in the name).
    """

    verdict: Verdict
    simulated: float | None
    interval: tuple[float, float] | None = None
    interval_basis: str = ""
    condition: str = ""
    flips: str = ""
    note: str = ""
    figures: Mapping[str, float | str] = field(default_factory=dict)


def judge(simulated: float, interval: tuple[float, float], published: float, tolerance: float) -> Verdict:
    """Holds where the figure is within the tolerance, holds only if where part of the interval is."""
    low, high = sorted((published * (1 - tolerance), published * (1 + tolerance)))
    if low <= simulated <= high:
        return "holds"
    return "holds only if" if interval[0] <= high and interval[1] >= low else "does not hold"


def within(simulated: float, interval: tuple[float, float], low: float, high: float) -> Verdict:
    """As `judge`, for a claim of a range."""
    if low <= simulated <= high:
        return "holds"
    return "holds only if" if interval[0] <= high and interval[1] >= low else "does not hold"


def error_band(value: float, *errors: float) -> tuple[float, float]:
    """Interval of a product or quotient whose factors err by these relative errors, independent of each other."""
    spread = math.exp(math.sqrt(math.fsum(math.log1p(e) ** 2 for e in errors)))
    return value / spread, value * spread


def compound(years: float, ratio: float) -> float:
    """Yearly factor whose compounding over `years` gives `ratio`."""
    return ratio ** (1 / years)
