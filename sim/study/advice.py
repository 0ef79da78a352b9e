"""What to change next: each change to the binding pool alone, tried by simulation, ranked by what its gain costs.

Nothing here is known beforehand: every change is a scenario, the step tables say which are worth a simulation, and
the same bisection as for the fleet as it is (common random numbers) says how much more load each holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sim.errors import UserError
from sim.run import run
from sim.scenario.schema import Scenario
from sim.study.binding import Binding, binding
from sim.study.replications import side_by_side
from sim.study.sizing_demand import rate_per_s, scaled, shortened
from sim.study.sizing_load import largest_load, scenario_guess
from sim.study.sizing_verdict import ATTAINMENT, TRIALS
from sim.study.what_ifs import WhatIf, changed, what_ifs

TRIED = 7
"""Changes that are simulated: "more replicas", and the best others by the tables."""
TOLERANCE = 0.02
"""Of the load, to which a change's is bisected; as much or less is no gain."""
FREE = 0.01
"""Of the fleet's cost: a change that costs no more (the electricity of more work) counts as free."""
PER_MILLION = 1e6 / 3600.0
"""From $ per hour over requests per second to $ per million requests."""


@dataclass(frozen=True)
class _Tried:
    """A change that can be made, and what the step tables expect of it: load held over that of the fleet as it is."""

    what: WhatIf
    scenario: Scenario
    expected: float | None


def advise(
    scenario: Scenario, *, found: Binding | None = None, attainment: float = ATTAINMENT, tried: int = TRIED
) -> dict[str, Any]:
    """Changes that raise the load held, the cheapest gain first; as plain data.

    found: what `sim.study.binding.binding` says of the scenario, if it is known already.  tried: changes to simulate.
    `gain_rps` is the load held beyond that of the fleet as it is; `usd_per_million_more` the added cost per million
    requests of that gain, 0 where a change costs next to nothing. Demand without a rate counts as 1.
    Raises Unreachable where no load meets the targets.
    """
    bound = found or binding(scenario, attainment=attainment)
    number = [p.name for p in scenario.pools].index(bound.pool)
    possible, refused = _possible(scenario, number, bound.resource)
    rate = rate_per_s(scenario) or 1.0
    now = bound.held_factor * rate
    usd_per_hour = _usd_per_hour(scenario, bound.held_factor)
    rows, failed = [], []
    for one, row in zip(
        possible[:tried],
        side_by_side(lambda one: _try(one, rate, attainment), possible[:tried]),
        strict=True,
    ):
        if isinstance(row, str):
            failed.append(f"{one.what.change}: {row}")
            continue
        expected = None if one.expected is None else one.expected * now
        rows.append(_row(one.what, row, expected, now, usd_per_hour))
    useful = [r for r in rows if r["gain_share"] > TOLERANCE]
    return {
        "binds": bound.resource,
        "pool": bound.pool,
        "counted": "requests",
        "held_rps": now,
        "usd_per_hour": usd_per_hour,
        "changes": sorted(useful, key=lambda r: (r["usd_per_million_more"], -r["gain_rps"])),
        "no_help": [r for r in rows if r not in useful],
        "not_tried": [one.what.change for one in possible[tried:]],
        "not_possible": [*refused, *failed],
    }


def _possible(scenario: Scenario, number: int, resource: str) -> tuple[list[_Tried], list[str]]:
    """Changes that stand, the first kept in front and the others by what the tables expect; and why others do not."""
    base = scenario_guess(scenario)
    stands: list[_Tried] = []
    refused = []
    for what in what_ifs(scenario, number, resource):
        try:
            made = changed(scenario, number, what)
            expected = scenario_guess(made) / base
        except ValidationError as error:
            refused.append(f"{what.change}: {error.errors()[0]['msg']}")
        except UserError as error:
            refused.append(f"{what.change}: {error.faults[0].message}")
        else:
            stands.append(_Tried(what, made, expected if base != 1.0 or expected != 1.0 else None))
    front, rest = stands[:1], stands[1:]
    return [*front, *sorted(rest, key=lambda t: -(t.expected or 1.0))], refused


def _try(one: _Tried, rate: float, attainment: float) -> tuple[float, float] | str:
    """The load [requests/s] that a change holds, and what the fleet then costs an hour [$]; or why it cannot be."""
    try:
        held = largest_load(one.scenario, attainment=attainment, tolerance=TOLERANCE)
        return held.factor * rate, _usd_per_hour(one.scenario, held.factor)
    except UserError as error:
        return error.faults[0].message


def _usd_per_hour(scenario: Scenario, factor: float) -> float:
    made = shortened(scaled(scenario, factor), TRIALS[0])
    return run(made, threads=1).summary["cost"]["usd_per_hour"]


def _row(
    what: WhatIf, found: tuple[float, float], expected_rps: float | None, now: float, usd_per_hour: float
) -> Mapping[str, Any]:
    held, usd = found
    gain, more = held - now, usd - usd_per_hour
    costs = more > FREE * usd_per_hour
    return {
        "change": what.change,
        "set": list(what.set),
        "caution": what.caution,
        "expected_rps": expected_rps,
        "held_rps": held,
        "gain_rps": gain,
        "gain_share": gain / now,
        "usd_per_hour": usd,
        "more_usd_per_hour": more,
        "usd_per_million_more": more / gain * PER_MILLION if costs and gain > 0 else 0.0,
        "usd_per_million": usd / held * PER_MILLION,
    }
