"""The ledger of a claim: what is claimed, by whom, and the inputs of its test with their ranges and sources."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sim.errors import CatalogError, Fault

LEDGERS = "ledgers"
INPUT_KEYS = {"v", "low", "high", "source", "conf"}


@dataclass(frozen=True)
class Input:
    """One number: the central value, the range it is stated or believed to lie in, and where it is from."""

    value: float
    low: float
    high: float
    source: str


@dataclass(frozen=True)
class Ledger:
    """One claim.

    published: its figure in `unit`, or None where the claim is in words.  tolerance: relative distance from the
    figure that still counts as holding.  scenarios: files that its test runs, beside the ledgers' folder.
    """

    id: str
    claim: str
    source: str
    published: float | None
    published_text: str
    unit: str
    tolerance: float
    inputs: Mapping[str, Input]
    scenarios: tuple[str, ...]

    def __getitem__(self, name: str) -> float:
        """Central value of an input. Raises KeyError."""
        return self.inputs[name].value

    @property
    def values(self) -> dict[str, float]:
        """Every input's central value."""
        return {name: given.value for name, given in self.inputs.items()}

    def over_ranges(self, of: Callable[[Mapping[str, float]], float]) -> tuple[float, float]:
        """Least and greatest value of a function, monotone in each input, over all inputs' ranges."""
        ranged = [n for n, i in self.inputs.items() if i.low < i.high]
        ends = ((self.inputs[n].low, self.inputs[n].high) for n in ranged)
        found = [
            of({**self.values, **dict(zip(ranged, corner, strict=True))})
            for corner in itertools.product(*ends)
        ]
        return min(found), max(found)


def folder() -> Path:
    """Where the scenarios of claims are: in the installed package, or in the source tree.

    Raises CatalogError where neither is there.
    """
    package = Path(__file__).parent
    for place in (package / "scenarios", package.parents[2] / "scenarios" / "claims"):
        if (place / LEDGERS).is_dir():
            return place
    raise CatalogError(
        Fault("", "the scenarios of the claims are missing", "install the package anew"), source="claims"
    )


@cache
def ledgers() -> Mapping[str, Ledger]:
    """Every claim by id, in order of file name. Raises CatalogError for a malformed file."""
    found = [_read(path) for path in sorted((folder() / LEDGERS).glob("*.toml"))]
    return {ledger.id: ledger for ledger in found}


def _read(path: Path) -> Ledger:
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
        published = body["published"]
        number = None if isinstance(published, str) else float(published)
        return Ledger(
            id=body["id"],
            claim=body["claim"],
            source=body["source"],
            published=number,
            published_text=body.get("published_text", published if number is None else ""),
            unit=body.get("unit", ""),
            tolerance=float(body.get("tolerance", 0.0)),
            inputs={name: _input(table) for name, table in body.get("inputs", {}).items()},
            scenarios=tuple(_names(path, body.get("scenarios", []))),
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise CatalogError(Fault("", f"malformed ledger: {error!r}"), source=path.name) from error


def _input(table: Mapping[str, Any]) -> Input:
    if unknown := set(table) - INPUT_KEYS:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    value = float(table["v"])
    low, high = float(table.get("low", value)), float(table.get("high", value))
    if not low <= value <= high:
        raise ValueError(f"{value} is outside {low} to {high}")
    confidence = f" ({table['conf']})" if "conf" in table else ""
    return Input(value, low, high, table["source"] + confidence)


def _names(path: Path, names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if not (path.parents[1] / name).is_file():
            raise ValueError(f"scenario {name} does not exist")
    return names
