"""Reading the catalog files: TOML with a `[sources]` table, into plain values and the provenance of each.

An entry gives its usual source once, as ``from = { src = "TAG", conf = "datasheet" }``; any value may carry
its own as ``{ v = 700, src = "TAG", date = "2022-09", conf = "press", note = "..." }``. TAG is a key of
`[sources]`, which spells the citation out and gives it a date and a confidence. A value that names no tag of
its own, or the entry's, takes what it leaves out from the entry; one from another source takes it from there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from sim.catalog.types import Confidence, Provenance
from sim.errors import CatalogError, Fault, did_you_mean, repr_plain

CONFIDENCES = frozenset(get_args(Confidence))
_Entry = TypeVar("_Entry")


@dataclass(frozen=True)
class Document:
    """One catalog file: its name, its body, and the citations its values refer to."""

    name: str
    body: Mapping[str, Any]
    sources: Mapping[str, Mapping[str, str]]

    def fault(self, where: str, message: str, hint: str = "") -> CatalogError:
        """An error that names the file and the place in it."""
        return CatalogError(Fault(where, message, hint), source=f"{self.name}.toml")

    def provenance(self, where: str, origin: Mapping[str, Any]) -> Provenance:
        """`origin` (src, and optionally date, conf, note) with its tag spelled out.

        Raises CatalogError for a tag that `[sources]` lacks or a confidence that does not exist.
        """
        tag = origin.get("src", "")
        source = self.sources.get(tag)
        if source is None:
            hint = did_you_mean(tag, self.sources)
            raise self.fault(where, f"source {repr_plain(tag)} is not in [sources]", hint)
        confidence = origin.get("conf", source.get("conf", ""))
        if confidence not in CONFIDENCES:
            raise self.fault(where, f"confidence {repr_plain(confidence)} is none of {sorted(CONFIDENCES)}")
        return Provenance(
            source=source["cite"],
            date=str(origin.get("date", source["date"])),
            confidence=confidence,
            note=str(origin.get("note", "")),
        )


@cache
def read(name: str) -> Document:
    """The catalog file `name` (without ``.toml``), parsed once. Raises CatalogError where it is malformed."""
    path = resources.files("sim.catalog") / "data" / f"{name}.toml"
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(Fault("", f"cannot read the catalog: {error}"), source=f"{name}.toml") from error
    sources = body.pop("sources", {})
    for tag, source in sources.items():
        if "cite" not in source or "date" not in source:
            raise CatalogError(Fault(f"sources.{tag}", "needs `cite` and `date`"), source=f"{name}.toml")
    return Document(name, body, sources)


def unpack(
    doc: Document, where: str, entry: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Provenance]]:
    """An entry's plain values, and the provenance of each under its (dotted) key.

    A sub-table's values stand under ``key.sub``, and the sub-table itself under ``key`` with the provenance
    of its first value.
    """
    origin = entry.get("from", {})
    default = doc.provenance(f"{where}.from", origin)
    values: dict[str, Any] = {}
    found: dict[str, Provenance] = {}
    for key, raw in entry.items():
        if key == "from":
            continue
        values[key], own = _unwrap(doc, f"{where}.{key}", raw, origin, default)
        if key != "aliases":
            found.update((f"{key}{sub}", provenance) for sub, provenance in own.items())
    return values, found


def _unwrap(
    doc: Document, where: str, raw: Any, origin: Mapping[str, Any], default: Provenance
) -> tuple[Any, dict[str, Provenance]]:
    """One value with its provenance under "", or a sub-table with each of its values' under ".sub" too."""
    if not isinstance(raw, dict):
        return raw, {"": default}
    if "v" in raw:
        own = {key: x for key, x in raw.items() if key != "v"}
        inherits = own.get("src", origin.get("src")) == origin.get("src")
        return raw["v"], {"": doc.provenance(where, {**origin, **own} if inherits else own)}
    values, found = {}, {}
    for key, inner in raw.items():
        values[key], own = _unwrap(doc, f"{where}.{key}", inner, origin, default)
        found[f".{key}"] = own[""]
    found[""] = next(iter(found.values()), default)
    return values, found


def spread(
    doc: Document,
    where: str,
    key: str,
    names: Sequence[str],
    values: dict[str, Any],
    found: dict[str, Provenance],
) -> None:
    """In `values` and `found`, put one field for each of `names` in the place of the list `key`.

    Raises CatalogError where the list has another length.
    """
    given, origin = values.pop(key), found.pop(key)
    if len(given) != len(names):
        raise doc.fault(f"{where}.{key}", f"needs {len(names)} numbers: {', '.join(names)}")
    values.update(zip(names, given, strict=True))
    found.update(dict.fromkeys(names, origin))


def build(
    doc: Document,
    where: str,
    kind: type[_Entry],
    values: Mapping[str, Any],
    found: Mapping[str, Provenance],
    origin: Mapping[str, Any],
) -> _Entry:
    """A frozen entry of dataclass `kind`; fields left at their defaults take the entry's usual provenance.

    Raises CatalogError naming the field that is unknown or missing.
    """
    entry_type: Any = kind
    known = {f.name: f for f in fields(entry_type)}
    for key in values:
        if key not in known:
            raise doc.fault(f"{where}.{key}", f"unknown field of {kind.__name__}", did_you_mean(key, known))
    required = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [n for n in required if n not in values]:
        raise doc.fault(where, f"lacks {', '.join(missing)}")
    default = doc.provenance(f"{where}.from", origin)
    whole = {n: default for n in known if n not in ("name", "aliases", "provenance")} | dict(found)
    frozen = {k: MappingProxyType(x) if isinstance(x, dict) else x for k, x in values.items()}
    return entry_type(**frozen, provenance=MappingProxyType(whole))


def plain_name(name: str) -> str:
    """A name without case, spaces and punctuation that people write differently."""
    return "".join(c for c in name.lower() if c.isalnum() or c in "+.")


def name_index(doc: Document, aliases: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Plain spelling of each name and of its `aliases` -> name.

    Raises CatalogError where two entries claim one spelling.
    """
    index: dict[str, str] = {}
    for name, others in aliases.items():
        for spelling in (name, *others):
            other = index.setdefault(plain_name(spelling), name)
            if other != name:
                raise doc.fault(name, f"{repr_plain(spelling)} already names {repr_plain(other)}")
    return index


def unknown(kind: str, name: str, choices: Iterable[str], listed_by: str) -> CatalogError:
    """The error for a name that the catalog lacks: the nearest ones, and the command that lists them all."""
    hint = f"{did_you_mean(name, choices)} `simulate catalog {listed_by}` lists them".strip()
    return CatalogError(Fault(kind, f"unknown {kind} {repr_plain(name)}", hint))


def short_source(provenance: Provenance) -> str:
    """The first clause of a citation, for tables."""
    return provenance.source.partition(",")[0]
