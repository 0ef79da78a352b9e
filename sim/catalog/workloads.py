"""Workloads: token lengths as quantile tables, and how the arrival rate goes over the day and the week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from sim.catalog._load import Document, build, name_index, plain_name, read, unknown, unpack
from sim.catalog.quantiles import mixed
from sim.catalog.types import ClientLengths, LengthTable, RateShape


@cache
def length_tables() -> Mapping[str, LengthTable]:
    """Every table of token lengths by name."""
    doc = read("workloads")
    return MappingProxyType({n: _length(doc, n, e) for n, e in doc.body["length"].items()})


@cache
def shapes() -> Mapping[str, RateShape]:
    """Every periodic shape of the arrival rate by name."""
    doc = read("workloads")
    return MappingProxyType({n: _shape(doc, n, e) for n, e in doc.body["shape"].items()})


def length_table(name: str) -> LengthTable:
    """The token lengths called `name` ("azure-2023-conversation"). Raises CatalogError with the nearest
    names.
    """
    hit = _index("length").get(plain_name(name))
    if hit is None:
        raise unknown("length table", name, length_tables(), "workloads")
    return length_tables()[hit]


def shape(name: str) -> tuple[float, ...]:
    """Hourly rates relative to their mean of the shape called `name` ("diurnal"): 24 or 168 of them, mean 1.

    Raises CatalogError with the nearest names where there is none.
    """
    hit = _index("shape").get(plain_name(name))
    if hit is None:
        raise unknown("shape", name, shapes(), "workloads")
    return shapes()[hit].hourly


@cache
def _index(table: str) -> Mapping[str, str]:
    doc = read("workloads")
    aliases = {n: e.get("aliases", ()) for n, e in doc.body[table].items()}
    return name_index(doc, aliases)


def _length(doc: Document, name: str, entry: Mapping[str, Any]) -> LengthTable:
    where = f"length.{name}"
    values, found = unpack(doc, where, entry)
    values.pop("aliases", None)
    p, p_found = tuple(float(x) for x in values.pop("p")), found.pop("p")
    if "clients" in values:
        values["clients"] = clients = tuple(_client(doc, where, p, c) for c in values["clients"])
        shares = [c.share for c in clients]
        for side in ("input", "output"):
            tables = [(c.p, getattr(c, f"{side}_tokens")) for c in clients]
            values[f"{side}_p"], values[f"{side}_tokens"] = mixed(shares, tables)
            found[f"{side}_p"], found[f"{side}_tokens"] = p_found, found["clients"]
        return build(doc, where, LengthTable, {"name": name, **values}, found, entry["from"])
    for side in ("input", "output"):
        tokens = tuple(float(x) for x in values.pop(side))
        _check_table(doc, f"{where}.{side}", p, tokens)
        values[f"{side}_p"], values[f"{side}_tokens"] = p, tokens
        found[f"{side}_p"], found[f"{side}_tokens"] = p_found, found.pop(side)
    return build(doc, where, LengthTable, {"name": name, **values}, found, entry["from"])


def _client(doc: Document, where: str, p: tuple[float, ...], raw: Mapping[str, Any]) -> ClientLengths:
    sides = []
    for side in ("input", "output"):
        sides.append(tuple(float(x) for x in raw[side]))
        _check_table(doc, f"{where}.clients.{side}", p, sides[-1])
    if not raw["share"] > 0:
        raise doc.fault(f"{where}.clients.share", "must be above 0")
    return ClientLengths(float(raw["share"]), p, *sides)


def _check_table(doc: Document, where: str, p: Sequence[float], tokens: Sequence[float]) -> None:
    if len(p) != len(tokens) or len(p) < 2 or (p[0], p[-1]) != (0.0, 1.0):
        raise doc.fault(where, "needs one number for each p, and p from 0 to 1")
    if any(a >= b for a, b in pairwise(p)) or any(a > b for a, b in pairwise(tokens)) or tokens[0] < 0:
        raise doc.fault(where, "p must rise, and tokens must not fall")


def _shape(doc: Document, name: str, entry: Mapping[str, Any]) -> RateShape:
    where = f"shape.{name}"
    values, found = unpack(doc, where, entry)
    values.pop("aliases", None)
    raw = [float(x) for x in values["hourly"]]
    if len(raw) not in (24, 168) or min(raw) < 0 or sum(raw) <= 0:
        raise doc.fault(f"{where}.hourly", "needs 24 or 168 rates of 0 or more, not all 0")
    mean = sum(raw) / len(raw)
    values["hourly"] = tuple(x / mean for x in raw)
    return build(doc, where, RateShape, {"name": name, **values}, found, entry["from"])
