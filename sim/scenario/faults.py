"""Pydantic's errors in the user's words: key path, value given, what is allowed, the nearest right name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sim.errors import Fault, did_you_mean
from sim.scenario.fields import Refusal, Table
from sim.scenario.keys import (
    Place,
    allowed_values,
    discriminator,
    fields_of,
    locate,
    sections_with,
    table_options,
)
from sim.scenario.schema import Scenario
from sim.scenario.show import show, toml_value

Explain = Callable[[ErrorDetails, Place, object], Fault]


def faults_of(error: ValidationError, data: Mapping[str, Any], root: type[Table] = Scenario) -> list[Fault]:
    """One fault for each error in `error`, which validating `data` as a `root` raised."""
    return [_fault(details, data, root) for details in error.errors(include_url=False)]


def _fault(details: ErrorDetails, data: Mapping[str, Any], root: type[Table]) -> Fault:
    place = locate(details["loc"], root)
    given = _given(data, place)
    return _EXPLAIN.get(details["type"], _anything)(details, place, given)


def _given(data: Mapping[str, Any], place: Place) -> object:
    """What stands in the file at `place`, unconverted; for a missing key, its table."""
    value: Any = data
    for step in place.steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return value
    return value


def _example(place: Place, kind: type = object) -> str:
    examples = [e for e in (place.field.examples if place.field else None) or [] if isinstance(e, kind)]
    return f"for example {place.key} = {toml_value(examples[0])}" if examples else ""


def _join(*parts: str) -> str:
    return " ".join(p for p in parts if p)


def _missing(details: ErrorDetails, place: Place, given: object) -> Fault:
    if place.key in ("workload", "pool"):
        return Fault(place.path, f"needs at least one [[{place.key}]] table")
    words = allowed_values(place.field)
    choice = f"; one of {', '.join(words)}" if words else ""
    return Fault(place.path, f"is required{choice}", _example(place))


def _unknown_key(details: ErrorDetails, place: Place, given: object) -> Fault:
    known = list(fields_of(place.table)) if place.table else []
    guess = did_you_mean(place.key, known)
    elsewhere = sections_with(place.key, place.root)
    if elsewhere:
        where = elsewhere[0] or "the top of the file, before the first [table]"
        guess = f"it belongs {'in' if elsewhere[0] else 'at'} {where};"
    return Fault(
        place.path, f"is not a key of {place.section}", _join(guess, f"its keys are {', '.join(known)}")
    )


def _word(details: ErrorDetails, place: Place, given: object) -> Fault:
    words = allowed_values(place.field)
    guess = did_you_mean(given, words) if isinstance(given, str) else ""
    return Fault(place.path, f"{show(given)} is not known; allowed: {', '.join(words)}", guess)


def _tag(details: ErrorDetails, place: Place, given: object) -> Fault:
    """A union whose `process` or `kind` is missing or unknown."""
    options = table_options(place.field.annotation) if place.field else {}
    key = discriminator(options)
    words = [tag for tag, table in options.items() if table is not None]
    if not isinstance(given, Mapping):
        return _not_a_table(details, place, given)
    path = f"{place.path}.{key}"
    if key not in given:
        return Fault(path, f"is required; one of {', '.join(words)}", _example(place, dict))
    guess = did_you_mean(given[key], words) if isinstance(given[key], str) else ""
    return Fault(path, f"{show(given[key])} is not known; allowed: {', '.join(words)}", guess)


def _not_a_table(details: ErrorDetails, place: Place, given: object) -> Fault:
    if isinstance(given, list) and "." not in place.path and "[" not in place.path:
        return Fault(place.path, "stands only once", f"write [{place.path}], with single brackets")
    text = None in table_options(place.field.annotation).values() if place.field else False
    what = "must be a name in quotes or a table" if text else "must be a table"
    return Fault(place.path, f"{what}; given {show(given)}", _example(place))


def _not_a_list(details: ErrorDetails, place: Place, given: object) -> Fault:
    if isinstance(given, Mapping):
        return Fault(place.path, "is a list of tables", f"write [[{place.path}]], with double brackets")
    return Fault(place.path, f"must be a list of [[{place.path}]] tables; given {show(given)}")


def _refused(details: ErrorDetails, place: Place, given: object) -> Fault:
    error = details.get("ctx", {}).get("error")
    if isinstance(error, Refusal):
        return Fault(place.path, error.message, error.hint)
    return Fault(place.path, f"{error}; given {show(given)}")


def _must(text: str) -> Explain:
    """Explains an error as "must ..., given ..."; `text` may name the limit by pydantic's word for it."""

    def explain(details: ErrorDetails, place: Place, given: object) -> Fault:
        limits = {k: f"{v:g}" if isinstance(v, float) else v for k, v in details.get("ctx", {}).items()}
        return Fault(place.path, f"must {text.format_map(limits)}; given {show(given)}", _example(place))

    return explain


def _anything(details: ErrorDetails, place: Place, given: object) -> Fault:
    return Fault(place.path, f"{details['msg']}; given {show(given)}", _example(place))


_EXPLAIN: Mapping[str, Explain] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _word,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _tag,
    "model_type": _not_a_table,
    "model_attributes_type": _not_a_table,
    "tuple_type": _not_a_list,
    "value_error": _refused,
    "string_type": _must("be text in quotes"),
    "string_too_short": _must("not be empty"),
    "int_type": _must("be a whole number"),
    "float_type": _must("be a number, without quotes"),
    "finite_number": _must("be a finite number"),
    "greater_than": _must("be above {gt}"),
    "greater_than_equal": _must("be at least {ge}"),
    "less_than": _must("be below {lt}"),
    "less_than_equal": _must("be at most {le}"),
}
