"""Other prices for a run that is done: its money anew, without simulating again.

A result stores the resolved scenario and all that money is made of: hardware, energy by the hour, tokens. What was
simulated does not depend on prices, so the same ledger can be drawn up at others. Changed prices may be the tables
[cost] and [revenue], and of [site] what it charges.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.economics.ledger import money
from sim.economics.prices import prices_of
from sim.economics.usage import usage_of
from sim.errors import Fault, UserError, did_you_mean
from sim.results import Stored, read
from sim.scenario import Scenario, build, resolved
from sim.scenario.money import Cost
from sim.scenario.revenue import Revenue

TABLES = {"cost": Cost, "revenue": Revenue}
SITE = ("electricity_usd_per_kwh", "tariff", "colocation_usd_per_kw_month")
DERIVED = {
    "cost": ("declining_rate", "life_busy_hours", "capital_charge"),
    "revenue": ("usd_per_mtok_cached_input",),
    "site": ("electricity_usd_per_kwh",),
}
"""Keys whose defaults follow from others, which the stored scenario has filled in."""
EITHER = {"tariff": "electricity_usd_per_kwh", "electricity_usd_per_kwh": "tariff"}
"""Keys of [site] of which a new value replaces the other."""


@dataclass(frozen=True)
class Repriced:
    """money: the summary's keys `cost`, `revenue`, `margin`, `margin_fraction`, at other prices.

    before: the same keys as the run stored them.  changes: what was set, as ``key=value``.
    """

    name: str
    scenario_sha256: str
    changes: tuple[str, ...]
    money: Mapping[str, Any]
    before: Mapping[str, Any]


def price(directory: str | Path, changes: Sequence[str] = ()) -> Repriced:
    """The money of the result in `directory`, with ``key=value`` changes of prices.

    Without changes it is what the run itself found. Raises UserError for a directory that is no result, and for a
    change of anything but prices; ScenarioError for values that cannot be, and where a price is not known.
    """
    stored = read(directory)
    _refuse_others(changes)
    scenario = repriced_scenario(stored, changes)
    try:
        usage = usage_of(stored.summary)
    except KeyError as lacking:
        message = f'"{directory}" was written by an earlier version: its summary lacks {lacking}'
        raise UserError(Fault("", message, "run the scenario again")) from None
    found = money(usage, prices_of(scenario))
    return Repriced(
        name=stored.summary["name"],
        scenario_sha256=stored.summary["scenario_sha256"],
        changes=tuple(changes),
        money=found,
        before={key: stored.summary.get(key) for key in found},
    )


def repriced_scenario(stored: Stored, changes: Sequence[str]) -> Scenario:
    """The stored scenario with changed prices; defaults that follow from a changed key follow it."""
    data = tomllib.loads(stored.scenario_toml)
    if not changes:
        return build(data)
    data = _without_defaults(data)
    for key in (_steps(change)[1] for change in changes if _steps(change)[0] == "site"):
        data.get("site", {}).pop(EITHER.get(key), None)
    return build(data, changes)


def _without_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` without those derived keys that would be the same if they were left out."""
    tables = {name: table for name, table in data.items() if name in DERIVED}
    bare = {name: _less(table, DERIVED[name]) for name, table in tables.items()}
    filled = resolved(build({**data, **bare}))
    for name, table in bare.items():
        table |= {k: v for k, v in tables[name].items() if k not in table and filled[name].get(k) != v}
    return {**data, **bare}


def _less(table: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in keys}


def _steps(change: str) -> list[str]:
    """Table and key of a change; "" for what is missing."""
    steps = re.findall(r"[^.\[\]\s]+", change.partition("=")[0])
    return [*steps, "", ""][:2]


def _refuse_others(changes: Sequence[str]) -> None:
    """Raises UserError with a fault for each change of what was simulated, or of no key at all."""
    known = [f"{t}.{f.alias or n}" for t, kind in TABLES.items() for n, f in kind.model_fields.items()]
    known += [f"site.{key}" for key in SITE]
    faults = []
    for change in changes:
        table, key = _steps(change)
        if table in TABLES or (table == "site" and key in SITE):
            continue  # a wrong key within is found with the scenario
        guess = did_you_mean(".".join(s for s in (table, key) if s), known)
        allowed = f"prices are cost.*, revenue.*, {', '.join('site.' + key for key in SITE)}"
        message = "is not a price: what was simulated cannot be changed without simulating again"
        faults.append(Fault(change, message, f"{guess} {allowed}".strip()))
    if faults:
        raise UserError(faults)
