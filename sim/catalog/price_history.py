"""Price history of API families: which model headed a line when, at what list price, and for how long."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import MappingProxyType

from sim.catalog._load import read, unknown
from sim.catalog.prices import api_price, api_prices
from sim.catalog.types import ApiPrice, Provenance

DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Succession:
    """A vendor's models that headed one line, in order of launch."""

    line: str
    models: tuple[str, ...]
    provenance: Provenance


@dataclass(frozen=True)
class PeakTariff:
    """From `date` on, token prices are `multiplier` times the listed ones in these `hours` of the day (UTC)."""

    model: str
    date: str
    multiplier: float
    hours: tuple[tuple[float, float], ...]
    provenance: Provenance


@cache
def successions() -> Mapping[str, Succession]:
    """Every line of models, by name. Raises CatalogError where a model of one has no price."""
    doc = read("prices")
    found = {}
    for i, block in enumerate(doc.body["succession"]):
        where = f"succession[{i}]"
        for model in block["models"]:
            if model not in api_prices():
                raise doc.fault(f"{where}.models", f'"{model}" has no price in [[api]]')
        origin = doc.provenance(where, block["from"])
        found[block["line"]] = Succession(block["line"], tuple(block["models"]), origin)
    return MappingProxyType(found)


@cache
def price_history(line: str) -> tuple[ApiPrice, ...]:
    """List prices of the line's head, in order of date: each model's until the next one's first price.

    Raises CatalogError for an unknown line.
    """
    if line not in successions():
        raise unknown("line of models", line, successions(), "prices")
    models = successions()[line].models
    firsts = [api_prices()[model][0].date for model in models] + ["9999"]
    return tuple(
        price
        for model, end in zip(models, firsts[1:], strict=True)
        for price in api_prices()[model]
        if price.date < end
    )


def list_price_months(line: str) -> tuple[float, ...]:
    """How long each list price of the line's head stood before another took its place [months].

    The last one, which still stands, is left out; a change that left both prices the same is none.
    """
    changes = [
        after.date
        for before, after in pairwise(price_history(line))
        if (before.input_usd_per_mtok, before.output_usd_per_mtok)
        != (after.input_usd_per_mtok, after.output_usd_per_mtok)
    ]
    return _gaps([price_history(line)[0].date, *changes])


def flagship_months(line: str) -> tuple[float, ...]:
    """How long each model headed the line [months]; the last, which still does, is left out."""
    return _gaps([api_prices()[model][0].date for model in successions()[line].models])


@cache
def peak_tariffs() -> tuple[PeakTariff, ...]:
    """Peak tariffs of APIs, in order of model and date. Raises CatalogError where a model has no price."""
    doc = read("prices")
    found = []
    for i, block in enumerate(doc.body["peak"]):
        for row, (model, date, multiplier, hours) in enumerate(block["rows"]):
            api_price(model, date)
            origin = doc.provenance(f"peak[{i}].rows[{row}]", {**block["from"], "date": date})
            spans = tuple((float(a), float(b)) for a, b in hours)
            found.append(PeakTariff(model, date, float(multiplier), spans, origin))
    return tuple(sorted(found, key=lambda t: (t.model, t.date)))


def day_of(date: str) -> datetime.date:
    """A date given as year, month or day: the middle of what is left open."""
    year, *rest = (int(part) for part in date.split("-"))
    month, day = [*rest, 15][:2] if rest else (7, 1)
    return datetime.date(year, month, day)


def _gaps(dates: list[str]) -> tuple[float, ...]:
    days = sorted(day_of(d) for d in dates)
    return tuple((b - a).days / DAYS_PER_MONTH for a, b in pairwise(days))
