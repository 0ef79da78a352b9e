"""The building blocks of the scenario's tables: their base class, and the types of their values.

Every refusal of a value is a `Refusal`: a message and a hint in the user's words. `sim.scenario.faults` turns
them, and pydantic's own errors, into faults with a key path.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt, WithJsonSchema

from sim.units import parse_duration, parse_money, parse_power

UNSET: Any = None
"""Default of a value that depends on other keys; a validator of the table replaces it."""


class Refusal(ValueError):
    """A value that cannot stand: why (`message`), and how to mend it (`hint`)."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message = message
        self.hint = hint


class Table(BaseModel):
    """A TOML table: immutable, without unknown keys; attributes carry units that the keys leave out."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
        defer_build=True,
    )


def read_duration(value: object) -> float:
    """Seconds [s] of a number or text with a unit; raises Refusal."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Refusal(str(error)) from None


def _money(value: object) -> float:
    try:
        return parse_money(value)
    except ValueError as error:
        raise Refusal(str(error)) from None


def _whole(value: object) -> object:
    """Accepts 1e6 for a million; leaves other values to the strict type."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_number(value: object) -> bool:
    """Whether `value` is a finite number that fits a float; TOML's booleans are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max


def name_or_kind(value: object) -> str:
    """Tag of a value that is a name or a table of several kinds: "name" for text, else its `kind`."""
    if isinstance(value, str):
        return "name"
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else "no kind"


Seconds = Annotated[
    float,
    BeforeValidator(read_duration),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}], "examples": ["90 s", "5 min", 30]}),
]
"""A duration [s]: a number of seconds, or text with a unit."""

Usd = Annotated[
    float,
    BeforeValidator(_money),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}], "examples": ["$25_000", "$1.2M"]}),
]
"""An amount of money [US dollars]: a number, or text such as "$25_000"."""

Whole = Annotated[StrictInt, BeforeValidator(_whole)]
"""A whole number."""

Count = Annotated[Whole, Field(ge=1, le=2**53)]
"""A whole number from 1 up; no more than a float holds exactly."""

Number = StrictFloat
"""A finite number, whole or not."""

Positive = Annotated[Number, Field(gt=0)]
"""A number above 0."""

NotNegative = Annotated[Number, Field(ge=0)]
"""A number from 0 up."""

Fraction = Annotated[Number, Field(ge=0, le=1)]
"""A number from 0 to 1."""

Name = Annotated[str, Field(min_length=1)]
"""Text that is not empty."""


def _power(value: object) -> object:
    try:
        return parse_power(value)
    except ValueError as error:
        raise Refusal(str(error)) from None


Watts = Annotated[
    Number,
    BeforeValidator(_power),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}], "examples": ["20 MW", "400 kW"]}),
]
"""A power [W]: a number of watts, or text with a unit."""
