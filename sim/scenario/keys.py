"""From pydantic's location of an error to the user's key path, and to its part of the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import Tag
from pydantic.fields import FieldInfo

from sim.scenario.fields import Table
from sim.scenario.schema import Scenario

DISCRIMINATORS = ("process", "kind")


@dataclass(frozen=True)
class Place:
    """A key of a file: the steps to it, the table class it belongs to, its field where there is one.

    root: the table that the whole file is.
    """

    steps: tuple[int | str, ...]
    table: type[Table] | None
    field: FieldInfo | None
    root: type[Table] = Scenario

    @property
    def path(self) -> str:
        return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.steps).removeprefix(".")

    @property
    def key(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def section(self) -> str:
        """The table that the key is in, as it stands in the file."""
        head = self.path.rpartition(".")[0]
        if not head:
            return f"the {self.root.__name__.lower()}'s top level"
        if "." in head:
            return head + (_choice(self.table) if self.table else "")
        return f"[[{head.partition('[')[0]}]]" if head.endswith("]") else f"[{head}]"


def locate(loc: tuple[int | str, ...], root: type[Table] = Scenario) -> Place:
    """The place of an error location: tags of unions are no part of the path."""
    steps: list[int | str] = []
    options: dict[str, type[Table] | None] = {"": root}
    table: type[Table] | None = None
    field: FieldInfo | None = None
    for part in loc:
        if isinstance(part, str) and len(options) > 1 and part in options:
            options = {part: options[part]}
            continue
        steps.append(part)
        if isinstance(part, str):
            table = next(iter(options.values()), None)
            field = fields_of(table).get(part) if table else None
            options = table_options(field.annotation) if field else {}
    return Place(tuple(steps), table, field, root)


def fields_of(table: type[Table]) -> dict[str, FieldInfo]:
    """Fields of a table by their TOML key."""
    return {f.alias or name: f for name, f in table.model_fields.items()}


def table_options(annotation: Any) -> dict[str, type[Table] | None]:
    """Table classes that a value of this type can be, by the tag that tells them apart; None for text or a number."""
    found: dict[str, type[Table] | None] = {}
    for tag, kind in _options(annotation, ""):
        found[tag] = kind
    return found if len(found) > 1 else {t: k for t, k in found.items() if k is not None}


def allowed_values(field: FieldInfo | None) -> tuple[str, ...]:
    """The words that a field with a fixed vocabulary accepts; empty for others."""
    return tuple(_literals(field.annotation)) if field else ()


def discriminator(options: Mapping[str, type[Table] | None]) -> str:
    """The key that chooses among tables: "process" or "kind"."""
    classes = [c for c in options.values() if c is not None]
    return next(k for k in DISCRIMINATORS if all(k in c.model_fields for c in classes))


def sections_with(key: str, root: type[Table] = Scenario) -> list[str]:
    """Headers of the tables in which `key` is right; "" stands for the top level."""
    found = [""] if key in fields_of(root) else []
    for name, field in fields_of(root).items():
        for table in table_options(field.annotation).values():
            if table is not None and key in fields_of(table):
                found.append(f"[[{name}]]" if _is_array(field.annotation) else f"[{name}]")
    return found


def _is_array(annotation: Any) -> bool:
    return any(get_origin(a) is tuple for a in (annotation, *get_args(annotation)))


def _options(annotation: Any, tag: str) -> Iterator[tuple[str, type[Table] | None]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield tag or _own_tag(annotation), annotation
    elif annotation in (str, float) and tag:
        yield tag, None
    elif get_origin(annotation) is not Literal:
        named = [m.tag for m in getattr(annotation, "__metadata__", ()) if isinstance(m, Tag)]
        for argument in get_args(annotation):
            yield from _options(argument, named[0] if named else tag)


def _own_tag(table: type[Table]) -> str:
    """The one word that `process` or `kind` must be for `table`, else its class name."""
    for key in DISCRIMINATORS:
        words = list(_literals(table.model_fields[key].annotation)) if key in table.model_fields else []
        if len(words) == 1:
            return words[0]
    return table.__name__


def _choice(table: type[Table]) -> str:
    """`` with process = "poisson"`` for a table that is chosen by that word."""
    word = _own_tag(table)
    keys = [k for k in DISCRIMINATORS if k in table.model_fields]
    return f' with {keys[0]} = "{word}"' if keys and word != table.__name__ else ""


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for argument in get_args(annotation):
            yield from _literals(argument)
