"""Figures as words for reports; what is not known is a dash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sim.units import format_count, format_duration, format_usd

NONE = "-"


def counted(count: int, what: str) -> str:
    """``"1 replica"``, ``"8 replicas"``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """Seconds [s] in a fitting unit."""
    return NONE if seconds is None else format_duration(seconds)


def dollars(usd: float | None) -> str:
    """US dollars with three digits."""
    return NONE if usd is None else format_usd(usd)


def figure(value: float | None) -> str:
    """A bare number with three digits."""
    return NONE if value is None else format_count(value)


def fine(value: float | None) -> str:
    """A bare number with four digits, whole from 10,000 on."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 9_999.5 else f"{value:,.4g}"


def rate(capacity: Mapping[str, Any] | None) -> str:
    """Requests per second of a capacity in a summary."""
    return NONE if capacity is None else f"{capacity['requests_per_s']:.3g}/s"


def percent(share: float | None) -> str:
    """As percent with three digits; from 90 on rounded down, so that no share reaches a target by rounding."""
    if share is None:
        return NONE
    hundred = 100 * share
    if not 90 <= hundred < 100:
        return f"{hundred:.3g} %"
    places = 100 if hundred >= 99.9 else 10
    return f"{math.floor(hundred * places + 1e-6) / places:g} %"
