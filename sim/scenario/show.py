"""Values as text: as TOML, which the standard library reads but does not write, and short, for messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sim.errors import repr_plain

_LONG = 40


def toml_value(value: object) -> str:
    """A value as TOML on one line: text, number, boolean, list or inline table."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(v) for v in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def show(value: object) -> str:
    """A value for a message: short, as it would stand in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, Sequence) and not isinstance(value, str):
        text = str(list(value))
        return text if len(text) <= _LONG else f"a list of {len(value)}"
    return repr_plain(value)
