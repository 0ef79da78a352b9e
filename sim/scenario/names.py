"""Names that the catalogs hold: from what the user wrote to the catalog's own spelling.

The catalogs are imported when the first name is looked up, so that the schema alone stays quick to import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from sim.errors import CatalogError, did_you_mean
from sim.scenario.fields import Refusal

DEFAULT_GRID = "US"
DEFAULT_STACK = "vllm-2025"
"""Defaults that tests hold against the catalogs, so that a scenario need not read these to be checked."""


def accelerator_name(name: str) -> str:
    """The catalog's name of an accelerator; raises Refusal, with the nearest names, where there is none."""
    from sim.catalog.accelerators import accelerator

    return _looked_up(lambda: accelerator(name).name)


def model_name(name: str) -> str:
    """The catalog's name of a model of text, images or videos; raises Refusal where there is none."""
    from sim.catalog.models import model, resolve_model

    if resolve_model(name) is None:
        from sim.catalog.diffusion import resolve_diffusion_model

        found = resolve_diffusion_model(name)
        if found is not None:
            return found.name
    return _looked_up(lambda: model(name).name)


def length_table_name(name: str) -> str:
    """The catalog's name of a table of token lengths; raises Refusal where there is none."""
    from sim.catalog.workloads import length_table

    return _looked_up(lambda: length_table(name).name)


def shape_name(name: str) -> str:
    """A catalog name of hourly rates, or "flat"; raises Refusal where there is none."""
    from sim.catalog.workloads import shape

    if name != "flat":
        _looked_up(lambda: shape(name))
    return name


def grid_name(name: str) -> str:
    """The catalog's code of an electricity grid; raises Refusal where there is none."""
    if name == DEFAULT_GRID:
        return name
    from sim.catalog.grids import carbon

    return _looked_up(lambda: carbon(name).grid)


def region_name(name: str) -> str:
    """The catalog's name of a region for a site; raises Refusal where there is none."""
    from sim.catalog.regions import region

    return _looked_up(lambda: region(name).name)


def tariff_name(name: str) -> str:
    """The catalog's name of an electricity tariff; raises Refusal where there is none."""
    from sim.catalog.tariffs import tariff

    return _looked_up(lambda: tariff(name).name)


def stack_name(name: str) -> str:
    """A serving stack whose step-cost coefficients are known; raises Refusal where they are not."""
    if name == DEFAULT_STACK:
        return name
    from sim.cost.coefficients import stacks

    known = tuple(stacks())
    if name not in known:
        hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
        raise Refusal(f'"{name}" is not a known serving stack', hint)
    return name


def _looked_up(look_up: Callable[[], object]) -> str:
    try:
        return str(look_up())
    except CatalogError as error:
        first = error.faults[0]
        raise Refusal(first.message, first.hint) from None


AcceleratorName = Annotated[str, Field(min_length=1), AfterValidator(accelerator_name)]
ModelName = Annotated[str, Field(min_length=1), AfterValidator(model_name)]
StackName = Annotated[str, Field(min_length=1), AfterValidator(stack_name)]
