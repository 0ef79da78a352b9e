"""The cheapest fleet that meets latency targets and limits, verified; or how many requests a given fleet holds.

Deployments (generation, parallel sizes, precision, scheduler, batch, budget) are reckoned by the step cost's tables;
the best shapes of each generation are sized by simulation, alone and mixed in pairs; the limits then choose. What can
be enumerated is enumerated, and along replicas the answer is monotone: nothing is left for a black-box optimiser.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from sim.errors import Fault, UserError
from sim.metrics.binding import BUDGET, NOTHING, POWER
from sim.run import run
from sim.scenario.arrivals import ClosedArrivals, UserArrivals
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.binding import binding
from sim.study.plan_deployments import best_shapes, screen, served_by, templates
from sim.study.plan_margin import node_loss, roomier, with_replicas
from sim.study.plan_points import (
    OBJECTIVES,
    Limits,
    Point,
    describe,
    near_limits,
    overshoot,
    pareto_front,
    point,
)
from sim.study.replications import side_by_side
from sim.study.sizing import Sized, size_fleet
from sim.study.sizing_demand import rate_per_s, scaled, shortened
from sim.study.sizing_load import largest_load
from sim.study.sizing_verdict import ATTAINMENT, TRIALS, Unreachable

SHAPES = 3
"""Sized for each accelerator, precision and scheduler."""
VERIFIED = 3
"""Of the best fleets are verified: a verification may make a fleet larger, and another the best."""
MIXES = (0.25, 0.5, 0.75)
"""Shares of the second of two generations in a mixed fleet, by the load that they are to carry."""


@dataclass(frozen=True)
class Space:
    """What a plan may choose from. Empty: as the scenario has it."""

    accelerators: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ()
    mixes: bool = True


def plan(
    scenario: Scenario,
    *,
    space: Space | None = None,
    limits: Limits | None = None,
    objective: str = "cost",
    attainment: float = ATTAINMENT,
) -> dict[str, Any]:
    """The best fleet within the limits, verified with fresh seeds, as plain data; where no fleet is within them,
    `feasible` is false and `fleet` is the nearest one, with what it exceeds.

    objective: a key of OBJECTIVES.  Raises Unreachable where no deployment meets the latency targets, UserError for
    a limit that the scenario's costs do not know.
    """
    begun_s = time.perf_counter()
    space, limits = space or Space(), limits or Limits()
    if limits.capex_usd is not None and scenario.cost.basis == "rent":
        raise UserError(
            Fault("--max-capex", "the scenario rents: nothing is bought", "use --max-usd-per-hour")
        )
    chips = space.accelerators or tuple(dict.fromkeys(p.accelerator for p in scenario.pools))
    choices, reckoned, screen_s, why = _choices(scenario, chips, space)
    tried = side_by_side(lambda made: _try(made, attainment), choices)
    points = [point(s) for s, _, _ in tried if s is not None]
    if not points:
        raise Unreachable([Fault("slo", w) for w in dict.fromkeys([*why, *(w for _, w, _ in tried if w)])])
    key = OBJECTIVES[objective]
    if space.mixes and len(chips) > 1:
        points += _mixed(scenario, points, key, attainment)
    chosen, verifying = _verified(points, limits, key, attainment)
    exceeded = overshoot(chosen, limits)
    by_cost = sorted(points, key=lambda p: p.figures[key])
    more = roomier(chosen, attainment)
    known = describe(chosen.sized.scenario)
    points = [p for p in points if describe(p.sized.scenario) != known and p.sized.verdicts[0].met]
    front = pareto_front([chosen, *points, *more])
    bound = binding(chosen.sized.cell, attainment=attainment)
    runs = sum(e for _, _, e in tried) + verifying + bound.evaluations
    wall_s = time.perf_counter() - begun_s
    return {
        "scenario": scenario.name,
        "objective": objective,
        "attainment": attainment,
        "demand_rps": rate_per_s(scenario),
        "limits": limits.as_dict(),
        "feasible": not exceeded,
        "exceeds": exceeded,
        "within_limits": _within([chosen, *by_cost], limits, attainment) if exceeded else None,
        "fleet": {"description": describe(chosen.sized.scenario), **chosen.as_dict()},
        "verification": {
            "runs": len(chosen.sized.verdicts),
            "attainment": [v.attainment for v in chosen.sized.verdicts],
            "probability": chosen.sized.probability,
        },
        "binding": {
            **_whole_fleet(asdict(bound), chosen.sized.cells),
            "limits": (near := near_limits(chosen, limits)),
            "larger_fleet": (POWER if "site_w" in near else BUDGET) if near else NOTHING,
        },
        "one_node": node_loss(chosen.sized, attainment),
        "front": [{"description": describe(p.sized.scenario), **p.as_dict()} for p in front],
        "points": 1 + len(points) + len(more),
        "why_not": list(dict.fromkeys([*why, *(w for _, w, _ in tried if w)])),
        "configurations": reckoned,
        "configurations_per_s": reckoned / screen_s if screen_s else None,
        "evaluations": runs,
        "wall_s": wall_s,
    }


def _verified(points: Sequence[Point], limits: Limits, key: str, attainment: float) -> tuple[Point, int]:
    """The best of the few best fleets after verification, which may make each larger; and the runs that took."""

    def merit(p: Point) -> tuple[bool, float, float]:
        return bool(overshoot(p, limits)), _worst(p, limits), p.figures[key]

    few = sorted(points, key=merit)[:VERIFIED]
    sized = side_by_side(lambda p: size_fleet(p.sized.scenario, attainment=attainment), few)
    return min(map(point, sized), key=merit), sum(z.evaluations for z in sized)


def _choices(
    scenario: Scenario, chips: Sequence[str], space: Space
) -> tuple[list[Scenario], int, float, list[str]]:
    """Fleets to size: the best shapes of each accelerator, precision and scheduler; how many configurations were
    reckoned in which time [s]; and why an accelerator is left out."""
    begun_s = time.perf_counter()
    found: list[Scenario] = []
    reckoned, why = 0, []
    for chip in chips:
        parts: list[list[Pool]] = []
        for template in templates(scenario):
            part: list[Pool] = []
            for precision in space.precisions or (None,):
                for kind in space.schedulers or (None,):
                    screened = screen(
                        scenario,
                        template,
                        chip,
                        precisions=None if precision is None else (precision,),
                        schedulers=None if kind is None else (kind,),
                    )
                    reckoned += screened.reckoned
                    part += [d.pool for d in best_shapes(screened, SHAPES)]
                    if not screened.deployments:
                        why.append(f"{chip}: {screened.why_not}")
            parts.append(part)
        if all(parts):
            longest = max(map(len, parts))
            found += [served_by(scenario, [p[min(i, len(p) - 1)] for p in parts]) for i in range(longest)]
    return found, reckoned, time.perf_counter() - begun_s, why


def _try(made: Scenario, attainment: float) -> tuple[Sized | None, str, int]:
    """A fleet sized without verification, or why it cannot be; and the runs that took."""
    try:
        sized = size_fleet(made, attainment=attainment, verify=0)
    except UserError as error:  # targets out of reach, or no price for an accelerator
        return None, f"{describe(made)}: {error.faults[0].message}", 1
    return sized, "", sized.evaluations


def _mixed(scenario: Scenario, points: Sequence[Point], key: str, attainment: float) -> list[Point]:
    """Fleets of two generations, of the best fleet of each, for one model behind one router."""
    if len(templates(scenario)) > 1:
        return []
    best: dict[str, Point] = {}
    for p in sorted(points, key=lambda p: p.figures[key]):
        best.setdefault(p.sized.scenario.pools[0].accelerator, p)
    found = []
    for a, b in list(combinations(best.values(), 2))[:3]:
        for share in MIXES:
            pools = []
            for p, part in ((a, 1 - share), (b, share)):
                pool = p.sized.scenario.pools[0]
                pools.append(pool.model_copy(update={"replicas": max(1, round(pool.replicas * part))}))
            sized, _, _ = _try(served_by(scenario, pools), attainment)
            if sized is not None:
                found.append(point(sized))
    return found


def _worst(found: Point, limits: Limits) -> float:
    return max(overshoot(found, limits).values(), default=0.0)


def _within(points: Sequence[Point], limits: Limits, attainment: float) -> dict[str, Any]:
    """The first of these fleets that can be cut down to the limits with a replica left, and the load it then holds."""
    for p in points:
        factor = 1 / max(1.0, _worst(p, limits))
        counts = [math.floor(pool.replicas * factor + 1e-9) for pool in p.sized.scenario.pools]
        if all(counts):
            fleet = with_replicas(p.sized.scenario, counts).model_copy(update={"cells": 1})
            held = largest_load(fleet, attainment=attainment)
            rate = rate_per_s(fleet)
            return {
                "description": describe(fleet),
                "replicas": sum(counts),
                "held_rps": None if rate is None else rate * held.factor,
                "share_of_demand": held.factor,
            }
    return {"description": None, "replicas": 0, "held_rps": 0.0, "share_of_demand": 0.0}


def _whole_fleet(found: dict[str, Any], cells: int) -> dict[str, Any]:
    """Rates of a cell as those of all."""
    return {
        **found,
        **{k: None if found[k] is None else found[k] * cells for k in ("held_rps", "headroom_rps")},
    }


def fixed_fleet(scenario: Scenario, *, attainment: float = ATTAINMENT) -> dict[str, Any]:
    """How much the scenario's own fleet holds at its targets: requests/s, users, requests at once; what binds."""
    begun_s = time.perf_counter()
    bound = binding(scenario, attainment=attainment)
    held = scaled(scenario, bound.held_factor)
    summary = run(shortened(held, TRIALS[1]), threads=1).summary
    users = [w.arrivals.users for w in held.workloads if isinstance(w.arrivals, UserArrivals)]
    clients = [w.arrivals.clients for w in held.workloads if isinstance(w.arrivals, ClosedArrivals)]
    e2e = summary["latency"]["e2e_s"]["mean"]
    rps = bound.held_rps
    if rps is None:
        span = summary["span"]
        rps = summary["requests"]["completed"] / (span["end_s"] - span["start_s"])
    return {
        "scenario": scenario.name,
        "attainment": attainment,
        "fleet": describe(scenario),
        "demand_rps": rate_per_s(scenario),
        "holds": {
            "factor": bound.held_factor,
            "rps": rps,
            "users": math.fsum(users) if users else None,
            "clients": sum(clients) if clients else None,
            "requests_in_flight": rps * e2e if e2e is not None else None,
            "usd_per_request": summary["cost"]["usd_per_request"],
            "utilization": summary["utilization"],
        },
        "meets_demand": bound.held_factor >= 1,
        "binding": asdict(bound),
        "evaluations": bound.evaluations + 1,
        "wall_s": time.perf_counter() - begun_s,
    }
