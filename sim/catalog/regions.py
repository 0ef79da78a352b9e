"""Regions a site can stand in: grid, electricity price, tariff, water and climate, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from sim.catalog._load import build, name_index, plain_name, read, unknown, unpack
from sim.catalog.types import Provenance

MONTHS = 12


@dataclass(frozen=True)
class Region:
    """What a place decides.

    grid: name in the catalog of grids.  electricity: region of the catalog of electricity prices.
    tariff: name of a tariff that large customers there pay, or "".
    wue_l_per_kwh: water that cooling evaporates on site, per kWh of IT energy [L/kWh].
    grid_water_l_per_kwh: water that making its electricity evaporates, per kWh at the meter [L/kWh].
    monthly_c: mean outdoor temperature of each month [deg C].
    daily_range_c: the day's highest less its lowest temperature, mean of each month [K].
    """

    name: str
    description: str
    grid: str
    electricity: str
    tariff: str
    wue_l_per_kwh: float
    grid_water_l_per_kwh: float
    monthly_c: tuple[float, ...]
    daily_range_c: tuple[float, ...]
    aliases: tuple[str, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)


@cache
def regions() -> Mapping[str, Region]:
    """Every region of the catalog by name. Raises CatalogError where a climate has not twelve months."""
    doc = read("regions")
    found = {}
    for name, entry in doc.body["region"].items():
        where = f"region.{name}"
        values, provenance = unpack(doc, where, entry)
        for key in ("monthly_c", "daily_range_c", "aliases"):
            values[key] = tuple(values[key])
        for key in ("monthly_c", "daily_range_c"):
            if len(values[key]) != MONTHS:
                raise doc.fault(f"{where}.{key}", f"needs {MONTHS} values, one for each month")
        found[name] = build(doc, where, Region, {"name": name, **values}, provenance, entry["from"])
    return MappingProxyType(found)


def region(name: str) -> Region:
    """The region called `name` (name or alias). Raises CatalogError with the nearest names."""
    hit = _index().get(plain_name(name))
    if hit is None:
        raise unknown(
            "region", name, [*regions(), *(a for r in regions().values() for a in r.aliases)], "regions"
        )
    return regions()[hit]


@cache
def _index() -> Mapping[str, str]:
    return name_index(read("regions"), {n: r.aliases for n, r in regions().items()})
