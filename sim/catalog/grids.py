"""Carbon intensity of electricity grids, power usage effectiveness of sites, carbon of making hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

from sim.catalog._load import Document, build, name_index, plain_name, read, unknown, unpack
from sim.catalog.types import GridCarbon, Provenance, SiteOverhead


@cache
def grids() -> Mapping[str, GridCarbon]:
    """Carbon intensity of every grid by its code ("US", "US-VA", "FR", "world")."""
    doc = read("grids")
    found = {}
    for name, entry in doc.body["carbon"].items():
        where = f"carbon.{name}"
        values, provenance = unpack(doc, where, entry)
        values |= {"grid": name, "g_per_kwh": float(values["g_per_kwh"])}
        values["aliases"] = tuple(values.get("aliases", ()))
        values["hourly"] = _hourly(doc, where, values.get("hourly", ()))
        found[name] = build(doc, where, GridCarbon, values, provenance, entry["from"])
    return MappingProxyType(found)


def carbon(grid: str) -> GridCarbon:
    """Carbon intensity of `grid` (code, ISO code or name). Raises CatalogError with the nearest names."""
    hit = _index().get(plain_name(grid))
    if hit is None:
        raise unknown("grid", grid, [*grids(), *(a for g in grids().values() for a in g.aliases)], "grids")
    return grids()[hit]


@cache
def site_overheads() -> Mapping[str, SiteOverhead]:
    """Power usage effectiveness by operator."""
    doc = read("grids")
    found = {}
    for name, entry in doc.body["pue"].items():
        where = f"pue.{name}"
        values, provenance = unpack(doc, where, entry)
        found[name] = build(doc, where, SiteOverhead, {"operator": name, **values}, provenance, entry["from"])
    return MappingProxyType(found)


def pue(operator: str) -> float:
    """Power usage effectiveness [1] of `operator` ("Google", "AI-typical"). Raises CatalogError."""
    hit = {plain_name(n): n for n in site_overheads()}.get(plain_name(operator))
    if hit is None:
        raise unknown("operator", operator, site_overheads(), "grids")
    return site_overheads()[hit].pue


@cache
def embodied_kg() -> tuple[Mapping[str, float], Mapping[str, Provenance]]:
    """Carbon of making [kg CO2e], with sources: `accelerator_kg`, and `server_kg` of the rest of a server."""
    doc = read("grids")
    values, provenance = unpack(doc, "embodied", doc.body["embodied"])
    return MappingProxyType({k: float(v) for k, v in values.items()}), MappingProxyType(provenance)


def _hourly(doc: Document, where: str, raw: Sequence[float]) -> tuple[float, ...]:
    """Hourly values as multiples of their mean."""
    if raw and (len(raw) != 24 or min(raw) < 0 or sum(raw) <= 0):
        raise doc.fault(f"{where}.hourly", "needs 24 values of 0 or more, not all 0")
    return tuple(24 * value / sum(raw) for value in raw)


@cache
def _index() -> Mapping[str, str]:
    return name_index(read("grids"), {n: g.aliases for n, g in grids().items()})
