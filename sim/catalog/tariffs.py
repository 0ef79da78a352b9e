"""Electricity tariffs by name: an energy price, periods with others, a demand charge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from sim.catalog._load import Document, build, plain_name, read, unknown, unpack
from sim.catalog.types import Provenance

ALL_MONTHS = tuple(range(1, 13))
DAYS = ("all", "weekdays", "weekends")


@dataclass(frozen=True)
class TariffPeriod:
    """Hours in which a price holds: from hours[0] until hours[1] o'clock, on `days` of `months` (1 to 12).

    demand_usd_per_kw_month: charge on the highest 15 minutes within the period, on top of the tariff's own.
    """

    name: str
    usd_per_kwh: float
    months: tuple[int, ...] = ALL_MONTHS
    days: str = "all"
    hours: tuple[int, int] = (0, 24)
    demand_usd_per_kw_month: float = 0.0


@dataclass(frozen=True)
class TariffEntry:
    """A tariff: `usd_per_kwh` where no period fits, the first period that fits elsewhere.

    demand_usd_per_kw_month: charge on the month's highest 15 minutes.
    """

    name: str
    description: str
    usd_per_kwh: float
    demand_usd_per_kw_month: float
    periods: tuple[TariffPeriod, ...]
    provenance: Mapping[str, Provenance] = field(default_factory=dict)


@cache
def tariffs() -> Mapping[str, TariffEntry]:
    """Every tariff of the catalog by name."""
    doc = read("tariffs")
    found = {}
    for name, entry in doc.body["tariff"].items():
        where = f"tariff.{name}"
        values, provenance = unpack(doc, where, entry)
        values["periods"] = tuple(
            _period(doc, f"{where}.periods[{i}]", p) for i, p in enumerate(values["periods"])
        )
        found[name] = build(doc, where, TariffEntry, {"name": name, **values}, provenance, entry["from"])
    return MappingProxyType(found)


def tariff(name: str) -> TariffEntry:
    """The tariff called `name`. Raises CatalogError with the nearest names."""
    hit = {plain_name(n): n for n in tariffs()}.get(plain_name(name))
    if hit is None:
        raise unknown("tariff", name, tariffs(), "tariffs")
    return tariffs()[hit]


def _period(doc: Document, where: str, raw: Mapping[str, Any]) -> TariffPeriod:
    values = {**raw, **{k: tuple(raw[k]) for k in ("months", "hours") if k in raw}}
    try:
        return TariffPeriod(**values)
    except TypeError as error:
        raise doc.fault(where, str(error)) from None
