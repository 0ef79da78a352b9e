"""Changes from the command line: `pool.0.replicas=16`, `site.pue=1.1`."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from sim.errors import Fault

_STEP = re.compile(r"[^.\[\]]+")


def apply_overrides(data: Mapping[str, Any], overrides: Sequence[str]) -> tuple[dict[str, Any], list[Fault]]:
    """`data` with each ``key=value`` set, in order, and the faults of those that cannot be.

    Keys are dotted, with indices for lists (``pool.0.replicas`` or ``pool[0].replicas``); tables that are not
    there yet are made. A value is TOML where it reads as TOML, else text.
    """
    changed, faults = copy.deepcopy(dict(data)), []
    for override in overrides:
        key, equals, text = override.partition("=")
        steps = _STEP.findall(key.strip())
        if not equals or not steps:
            faults.append(Fault(override, "is not a change", "write key=value, for example site.pue=1.1"))
            continue
        fault = _put(changed, steps, parse_value(text.strip()))
        faults += [fault] if fault else []
    return changed, faults


def parse_value(text: str) -> object:
    """A number, list, table, boolean or quoted text as TOML reads it; anything else as the text itself.

    >>> parse_value("16"), parse_value("5 min"), parse_value("[0.5, 1]")
    (16, '5 min', [0.5, 1])
    """
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    known = isinstance(read.get("value"), bool | int | float | str | list | dict)
    return read["value"] if list(read) == ["value"] and known else text


def _put(data: dict[str, Any], steps: Sequence[str], value: object) -> Fault | None:
    node: Any = data
    for depth, step in enumerate(steps):
        path, last = _path(steps[: depth + 1]), depth == len(steps) - 1
        if isinstance(node, list):
            if not step.isdigit() or int(step) >= len(node):
                return _no_index(_path(steps[:depth]), step, len(node), steps[depth:])
            place: Any = int(step)
        elif isinstance(node, dict):
            place = step
            if not last and place not in node:
                node[place] = {}
        else:
            return Fault(path, "cannot be set", f"{_path(steps[:depth])} is not a table")
        if last:
            node[place] = value
        else:
            node = node[place]
    return None


def _no_index(path: str, step: str, length: int, rest: Sequence[str]) -> Fault:
    if step.isdigit():
        return Fault(
            f"{path}[{step}]", f"there is none: {path} has {length}", f"count from 0 to {length - 1}"
        )
    example = ".".join([path, "0", *rest])
    return Fault(f"{path}.{step}", f"{path} is a list of {length}: say which", f"for example {example}=...")


def _path(steps: Sequence[str]) -> str:
    return "".join(f"[{s}]" if s.isdigit() else f".{s}" for s in steps).removeprefix(".")
