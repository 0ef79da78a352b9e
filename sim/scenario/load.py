"""From a TOML file to a `Scenario`, or to every fault in it at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.errors import Fault, ScenarioError, did_you_mean
from sim.scenario.crosscheck import Outline, cross_faults
from sim.scenario.faults import faults_of
from sim.scenario.overrides import apply_overrides
from sim.scenario.schema import Scenario

_TOML_PLACE = re.compile(
    r"(?P<what>.*?)\s*\((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)"
)


def load(path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario in the file at `path`, with ``key=value`` changes applied.

    Raises ScenarioError with every fault: a file that cannot be read, TOML that cannot be parsed (line,
    column and text), keys, values and names that are wrong, and tables that contradict each other.
    """
    path = Path(path)
    return loads(_read(path), overrides, folder=path.parent, source=str(path))


def read_data(path: str | Path) -> dict[str, Any]:
    """The data of the TOML file at `path`, unchecked. Raises ScenarioError if it cannot be read or parsed."""
    return _parse(_read(Path(path)), str(path))


def loads(
    text: str, overrides: Sequence[str] = (), *, folder: str | Path = ".", source: str = ""
) -> Scenario:
    """The scenario in `text` (TOML); relative trace paths start at `folder`, and errors name `source`.

    Raises ScenarioError with every fault.
    """
    return build(_parse(text, source), overrides, folder=folder, source=source)


def build(
    data: Mapping[str, Any], overrides: Sequence[str] = (), *, folder: str | Path = ".", source: str = ""
) -> Scenario:
    """The scenario in `data`, shaped like the TOML file. Raises ScenarioError with every fault."""
    changed, faults = apply_overrides(data, overrides)
    scenario = None
    try:
        scenario = Scenario.model_validate(changed, context={"folder": str(folder)})
    except ValidationError as error:
        faults += [*faults_of(error, changed), *cross_faults(Outline.of_data(changed))]
    except ScenarioError as error:
        faults += error.faults
    if faults or scenario is None:
        raise ScenarioError(faults, source)
    return scenario


def _read(path: Path) -> str:
    source = str(path)
    try:
        if path.is_dir():
            hint = _files_in(path)
            raise ScenarioError(Fault("", f'"{path}" is a folder, not a scenario file', hint), source)
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ScenarioError(Fault("", f'"{path}" does not exist', _similar(path)), source) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f'"{path}" is not UTF-8 text: byte 0x{error.object[error.start]:02x} in line {line}'
        raise ScenarioError(Fault("", message, "save it as UTF-8"), source) from None
    except OSError as error:
        raise ScenarioError(Fault("", f'cannot read "{path}": {error.strerror}'), source) from None


def _files_in(folder: Path) -> str:
    names = sorted(p.name for p in folder.glob("*.toml"))
    return f"it holds {', '.join(names[:5])}" + (" ..." if len(names) > 5 else "") if names else ""


def _similar(path: Path) -> str:
    try:
        siblings = [p.name for p in path.parent.glob("*.toml")]
    except OSError:
        return ""
    return did_you_mean(path.name, siblings)


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ScenarioError(Fault("", "lists or tables are nested too deeply"), source) from None
    except ValueError as error:  # TOMLDecodeError, or a number with thousands of digits
        raise ScenarioError(_syntax_fault(str(error), text), source) from None


def _syntax_fault(message: str, text: str) -> Fault:
    """The place and the line of a TOML error, which tomllib tells in its message only."""
    matched = _TOML_PLACE.fullmatch(message)
    what = matched["what"] if matched else message
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if matched and matched["line"]:
        number, column = int(matched["line"]), int(matched["column"])
    else:
        number, column = len(lines), len(lines[-1]) + 1
    line = lines[number - 1] if number <= len(lines) else ""
    pointer = "".join("\t" if c == "\t" else " " for c in line[: column - 1]) + "^"
    tip = _TIPS.get(what, "")
    if what == "Invalid value" and not line[column - 1 :][:1].isalpha():
        tip = ""  # not a word without its quotes
    tip = f"\n    {tip}" if tip else ""
    return Fault(f"line {number}, column {column}", f"not valid TOML: {what}", f"{line}\n    {pointer}{tip}")


_TIPS = {
    "Invalid value": 'text needs quotes: duration = "1 h"',
    "Cannot overwrite a value": "the key stands twice in one table",
    "Expected '=' after a key in a key/value pair": "a line is key = value, a [table], or a # comment",
    "Expected newline or end of document after a statement": 'text needs quotes: duration = "1 h"',
}
