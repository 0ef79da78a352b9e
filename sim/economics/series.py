"""The price of a part on a day, read off a series of dated prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import geometric_mean

from sim.catalog.prices import price_series
from sim.catalog.types import PricePoint

DAYS_IN_YEAR = 365.25
PREFERRED = ("server", "average", "card")
"""Bases of purchase prices, best first, of series that are equally long."""


@dataclass(frozen=True)
class Reading:
    """A price [$] read off a series; `where` says between which dates, and whether it was held beyond them."""

    usd: float
    where: str


def year_of(date: str) -> float:
    """An ISO date as a year with its fraction; a month or a year alone stands for its middle.

    >>> year_of("2022"), year_of("2022-07-01")
    (2022.5, 2022.5)
    """
    year, *rest = (int(part) for part in date.split("-"))
    if not rest:
        return year + 0.5
    month, day = rest[0], rest[1] if len(rest) > 1 else 16
    return year + (month - 1) / 12 + (day - 1) / DAYS_IN_YEAR


def read_price(points: Sequence[PricePoint], date: str) -> Reading:
    """The price on `date`: on a straight line in its logarithm between the neighbouring dates of `points`.

    points: one or more.  Prices of one date are averaged geometrically. Before the first date and after the last
    the nearest price is held, and `where` says so.
    """
    dated = [
        (day, usds[0] if len(usds) == 1 else geometric_mean(usds))
        for day, group in groupby(sorted(points, key=lambda p: p.date), key=lambda p: p.date)
        if (usds := [p.usd for p in group])
    ]
    at = year_of(date)
    first, last = dated[0], dated[-1]
    if at < year_of(first[0]):
        return Reading(first[1], f"held from {first[0]}, the first date")
    if at >= year_of(last[0]):
        held = "" if at == year_of(last[0]) else ", the last date"
        return Reading(last[1], f"held from {last[0]}{held}" if held else last[0])
    for (day, usd), (later, then_usd) in pairwise(dated):
        start, end = year_of(day), year_of(later)
        if start <= at < end:
            share = (at - start) / (end - start)
            where = f"between {day} and {later}" if share else day
            return Reading(usd * (then_usd / usd) ** share, where)
    raise AssertionError("the dates of a series are not in order")


def longest_basis(name: str) -> str | None:
    """The basis on which most prices of the accelerator `name` are known; None where none is.

    Raises CatalogError for an unknown accelerator.
    """
    found = {basis: len(price_series(name, basis)) for basis in PREFERRED}
    best = max(found.values())
    return next((b for b, count in found.items() if count == best), None) if best else None
