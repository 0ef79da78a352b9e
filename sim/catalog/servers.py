"""The servers and rack-scale systems around the accelerators."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from sim.catalog._load import Document, build, name_index, plain_name, read, unknown, unpack
from sim.catalog.types import Server


@cache
def servers() -> Mapping[str, Server]:
    """Every server of the catalog by name."""
    doc = read("servers")
    return MappingProxyType({n: _entry(doc, n, e) for n, e in doc.body["server"].items()})


def server(name: str) -> Server:
    """The server called `name`, whatever its case and dashes. Raises CatalogError with the nearest names."""
    hit = _index().get(plain_name(name))
    if hit is None:
        raise unknown("server", name, servers(), "servers")
    return servers()[hit]


def wall_power_w(server: Server, accelerator_power_w: float) -> float:
    """Wall draw of one server [W] when its accelerators draw `accelerator_power_w` in all [W].

    wall = ((1 + fan_fraction) P + host_power_w) / psu_efficiency: fans follow the heat, the rest of the host
    is taken at its draw under load.
    """
    return ((1.0 + server.fan_fraction) * accelerator_power_w + server.host_power_w) / server.psu_efficiency


@cache
def _index() -> Mapping[str, str]:
    return name_index(read("servers"), {name: () for name in servers()})


def _entry(doc: Document, name: str, entry: Mapping[str, Any]) -> Server:
    where = f"server.{name}"
    values, found = unpack(doc, where, entry)
    values["price_date"] = found["price_usd"].date
    return build(doc, where, Server, {"name": name, **values}, found, entry["from"])
