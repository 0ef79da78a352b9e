"""Techniques against hallucination, of reasoning and of agents: stages of passes, as data, with published effects.

The data has the form of a scenario's [[technique]] (`sim.scenario.technique` checks it); here it is found by name,
and its sources are spelled out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from sim.catalog._load import Document, name_index, plain_name, read, unknown
from sim.catalog.types import Technique, TechniqueEffect


@cache
def techniques() -> Mapping[str, Technique]:
    """Every technique of the catalog by name."""
    doc = read("techniques")
    return MappingProxyType({e["name"]: _entry(doc, e) for e in doc.body["technique"]})


def technique(name: str) -> Technique:
    """The technique called `name` ("chain-of-verification"), or by an alias ("cove").

    Raises CatalogError with the nearest names where there is none.
    """
    hit = _index().get(plain_name(name))
    if hit is None:
        raise unknown("technique", name, techniques(), "techniques")
    return techniques()[hit]


@cache
def _index() -> Mapping[str, str]:
    return name_index(read("techniques"), {n: t.aliases for n, t in techniques().items()})


def _entry(doc: Document, entry: Mapping[str, Any]) -> Technique:
    form = {key: value for key, value in entry.items() if key != "aliases"}
    where = f"technique.{form['name']}"
    provenance = doc.provenance(where, _origin(form))
    effects = tuple(_effect(doc, f"{where}.effect[{i}]", e) for i, e in enumerate(form.get("effect", ())))
    spelled = [
        {**e, "source": made.provenance.source, "confidence": made.provenance.confidence}
        for e, made in zip(form.get("effect", ()), effects, strict=True)
    ]
    form |= {"source": provenance.source, "confidence": provenance.confidence, "effect": spelled}
    return Technique(
        name=form["name"],
        family=form["family"],
        about=form["about"],
        form=MappingProxyType(form),
        effects=effects,
        aliases=tuple(entry.get("aliases", ())),
        provenance=provenance,
    )


def _effect(doc: Document, where: str, entry: Mapping[str, Any]) -> TechniqueEffect:
    return TechniqueEffect(
        metric=entry["metric"],
        benchmark=entry["benchmark"],
        model=entry["model"],
        measures=entry["measures"],
        before=entry.get("before"),
        after=entry["after"],
        conditions=entry.get("with", ""),
        provenance=doc.provenance(where, _origin(entry)),
    )


def _origin(entry: Mapping[str, Any]) -> dict[str, str]:
    origin = {"src": entry.get("source", "")}
    return origin | ({"conf": entry["confidence"]} if "confidence" in entry else {})
