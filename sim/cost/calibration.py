"""The catalog of coefficients: what was believed beforehand, overlaid with calibrations in order of their date.

data/coefficients.toml holds stacks, generations and precisions with values before any fit, data/calibration-*.toml
what `simulate calibrate` made of them. A user's own calibrations are files named in the environment variable
DATACENTER_SIM_CALIBRATION (several divided as in PATH); they come last and may add stacks.
"""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sim.errors import CatalogError, Fault

VARIABLE = "DATACENTER_SIM_CALIBRATION"


@dataclass(frozen=True, eq=False)
class Catalog:
    """Tables of stacks, generations, precisions, sources, expected errors and coverage; equal only to itself."""

    tables: Mapping[str, Any]

    def overlaid(self, calibration: Mapping[str, Any]) -> Catalog:
        """This catalog with a calibration's entries in place of its own."""
        return Catalog(_merge(self.tables, calibration))


@functools.cache
def prior_catalog() -> Catalog:
    """What is believed before any calibration."""
    return Catalog(packaged_calibration("coefficients.toml"))


@functools.cache
def default_catalog() -> Catalog:
    """The catalog in force: prior, the packaged calibrations, the user's.

    Raises CatalogError for a file of the user's that cannot be read.
    """
    catalog = prior_catalog()
    for name in packaged_calibrations():
        catalog = catalog.overlaid(packaged_calibration(name))
    for path in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        catalog = catalog.overlaid(read_calibration(path))
    return catalog


def packaged_calibrations() -> tuple[str, ...]:
    """File names of the packaged calibrations, oldest first."""
    folder = resources.files("sim.cost").joinpath("data")
    return tuple(sorted(f.name for f in folder.iterdir() if f.name.startswith("calibration-")))


def read_calibration(path: str | Path) -> Mapping[str, Any]:
    """A calibration file. Raises CatalogError if it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(Fault(VARIABLE, f"cannot read the calibration {path}: {error}")) from error


def packaged_calibration(name: str) -> Mapping[str, Any]:
    """The tables of a packaged file."""
    text = resources.files("sim.cost").joinpath(f"data/{name}").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged key by key; an entry (a table with a value `v`) and a list are replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and "v" not in value:
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged
