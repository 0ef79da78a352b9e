"""History, where scale, falling prices and changing products move together: published cost against use.

These elasticities are of a third kind. They say nothing of what a fleet costs at another size with the same technology,
and are never drawn on its curve.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """elasticity: ln of the ratio of total costs over ln of the ratio of use.  confidence: "measured", "press",
    "estimate" or "unverified"."""

    service: str
    kind: str
    period: str
    use: str
    elasticity: float
    what: str
    source: str
    confidence: str


RECORDS = (
    Record(
        "Stack Overflow",
        "conventional",
        "2013-2016",
        "page loads",
        -0.87,
        "processor hours of the web tier, same product, newer servers and tuning",
        "stackoverflow.blog/2016/02/17",
        "measured",
    ),
    Record(
        "Dropbox",
        "conventional",
        "2015-2017",
        "paying users",
        -0.19,
        "cost of revenue, after leaving rented storage",
        "S-1 of 2018-02-23, via press",
        "press",
    ),
    Record(
        "Facebook",
        "conventional",
        "2009-2011",
        "monthly users",
        1.6,
        "cost of revenue per user rose from $0.60 to $1.00: a counter-example",
        "technologyreview.com/s/427941; 10-K 2012",
        "press",
    ),
    Record(
        "Snap",
        "conventional",
        "2016-2017",
        "daily users",
        1.5,
        "hosting per user rose from $0.55 to $0.61 a quarter: a counter-example",
        "marketrealist.com/2017/09",
        "press",
    ),
    Record(
        "Zoom",
        "conventional",
        "FY2020-FY2021",
        "minutes",
        0.62,
        "cost of revenue; free users, rented capacity",
        "10-K FY2021",
        "unverified",
    ),
    Record(
        "OpenAI",
        "generative",
        "2024-2025",
        "messages",
        0.68,
        "inference on rented capacity, from a leak that Microsoft disputes",
        "press, via FT",
        "unverified",
    ),
    Record(
        "Anthropic",
        "generative",
        "2024-2025",
        "revenue",
        0.53,
        "cost of revenue against revenue, price and volume together",
        "press",
        "unverified",
    ),
    Record(
        "Google",
        "generative",
        "2025-2026",
        "tokens",
        0.22,
        "tokens times unit serving cost; windows differ",
        "earnings calls, via press",
        "unverified",
    ),
)


def history() -> list[dict[str, Any]]:
    """The records as plain data."""
    return [asdict(r) for r in RECORDS]
