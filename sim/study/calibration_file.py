"""Writing a calibration as TOML, one coefficient a line, in the form that sim/cost/calibration.py reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HEADER = """\
# Written by `simulate calibrate`; not meant to be edited by hand.
# v: the coefficient (of a stack: for the reference generation in 16 bits; else a factor, or under `set` a value).
# sigma: standard deviation of its natural logarithm, so v / exp(1.645 sigma) to v x exp(1.645 sigma) holds 90 %.
"""


def write(tables: Mapping[str, Any], path: str | Path) -> None:
    """Write calibration tables to `path`."""
    Path(path).write_text(_HEADER + "\n".join(_lines(tables, ())) + "\n", encoding="utf-8")


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """The table's own values, then its sub-tables, then its arrays of tables."""
    plain, tables, arrays = [], [], []
    for key, value in table.items():
        if isinstance(value, Mapping) and not _inline(value):
            tables.append((key, value))
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            arrays.append((key, value))
        else:
            plain.append(f"{_key(key)} = {_value(value)}")
    lines = ["", f"[{'.'.join(map(_key, path))}]", *plain] if plain and path else plain
    for key, value in tables:
        lines += _lines(value, (*path, key))
    for key, values in arrays:
        name = ".".join(map(_key, (*path, key)))
        for value in values:
            lines += ["", f"[[{name}]]", *(f"{_key(k)} = {_value(v)}" for k, v in value.items())]
    return lines


def _inline(value: Mapping[str, Any]) -> bool:
    return all(not isinstance(v, Mapping | list) for v in value.values()) and (
        "v" in value or "median_ape" in value or "tpot" in value
    )


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else f'"{key}"'


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
