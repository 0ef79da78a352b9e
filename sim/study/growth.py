"""A fleet that demand outgrows: by month what it takes, when the present one fails, when to order, when power is out.

Today's fleet is the scenario's; how much more demand it holds is found by bisection, fleets for larger demands by
sizing, both by simulation. Dates follow in closed form (`sim.economics.decisions.order`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from sim.economics.decisions.order import (
    MONTH_S,
    WEEK_S,
    Energised,
    Growth,
    When,
    outgrown,
    power_outgrown,
)
from sim.run import run
from sim.scenario.schema import Scenario
from sim.study.binding import binding
from sim.study.mix_demand import Staffing
from sim.study.plan_points import describe
from sim.study.replications import side_by_side
from sim.study.sizing import Sized, size_fleet
from sim.study.sizing_demand import HOUR_S, rate_per_s, scaled, shortened
from sim.study.sizing_verdict import ATTAINMENT, TRIALS

SIZED = 6
"""Demands, from today's to that of the last month, for which fleets are found by simulation."""
RELATIVE_SPREAD = 0.25
"""Standard deviation of growth over growth, where none is given: an assumption."""
LEAD_TIME_S = 26 * WEEK_S
"""From order to service of servers with accelerators: the middle of what is reported (docs/planning.md)."""
POWER_LEAD_TIME_S = 4 * 365.25 * 86_400.0
"""From request to energised power: US average, JLL Global Data Center Outlook 2026, via constructionowners.com (press);
seven years for 100 MW in Northern Virginia."""


@dataclass(frozen=True)
class Outlook:
    """How demand grows, and what takes how long.

    energised: power at the site over time, none: not limited.  months: to look ahead.
    """

    growth: Growth
    lead_time_s: float = LEAD_TIME_S
    power_lead_time_s: float = POWER_LEAD_TIME_S
    energised: tuple[Energised, ...] = ()
    months: int = 24


def growing(scenario: Scenario, outlook: Outlook, *, attainment: float = ATTAINMENT) -> dict[str, Any]:
    """The study as plain data. Months count from site.start; a date of None is never, or not within a century.

    `fails`: when the present fleet no longer meets the targets, and what binds it then.  `order_by`: the latest date of
    an order that arrives in time, if demand grows as expected and, `early`, if it grows fast.  `power`: when the fleet
    that demand asks for needs more than is energised.  `months`: what is needed at the end of each.
    Raises Unreachable where the targets are out of reach.
    """
    begun_s = time.perf_counter()
    bound = binding(scenario, attainment=attainment)
    found = _fleets(scenario, outlook, attainment)
    needs = [(factor, _power_w(sized)) for factor, sized in found]
    fails = outgrown(bound.held_factor, outlook.growth)
    present = run(shortened(scenario, TRIALS[0]), threads=1).summary
    return {
        "scenario": scenario.name,
        "attainment": attainment,
        "start": scenario.site.start,
        "growth_per_month": outlook.growth.per_month,
        "growth_spread": outlook.growth.spread,
        "lead_time_weeks": outlook.lead_time_s / WEEK_S,
        "demand_rps": rate_per_s(scenario),
        "present": {
            "fleet": describe(scenario),
            "replicas": sum(p.replicas for p in scenario.pools),
            "accelerators": present["fleet"]["accelerators"],
            "site_w": _nameplate_w(present, 1),
            "held_factor": bound.held_factor,
            "held_rps": bound.held_rps,
            "binds": bound.resource,
            "breaks": bound.target,
        },
        "fails": _when(fails, scenario.site.start),
        "order_by": _when(fails, scenario.site.start, outlook.lead_time_s),
        "power": _power(needs, outlook, scenario.site.start),
        "months": _months(scenario, outlook, found, present["fleet"]["accelerators"]),
        "usd_per_replica_month": _usd_per_replica_hour(found[0][1]) * MONTH_S / HOUR_S,
        "sized": [{"factor": f, "replicas": s.replicas, "site_w": _power_w(s)} for f, s in found],
        "wall_s": time.perf_counter() - begun_s,
    }


def _fleets(scenario: Scenario, outlook: Outlook, attainment: float) -> list[tuple[float, Sized]]:
    """Fleets for demands from today's to that of the last month, by factor."""
    last = max(math.exp(outlook.growth.log * outlook.months), 1.0)
    factors = np.unique(np.geomspace(1.0, last, SIZED).round(9)).tolist()
    sized = side_by_side(lambda f: size_fleet(scaled(scenario, f), attainment=attainment, verify=0), factors)
    return list(zip(factors, sized, strict=True))


def _power_w(sized: Sized) -> float:
    return _nameplate_w(sized.summary, sized.cells)


def _nameplate_w(summary: Any, cells: int) -> float:
    """Nameplate IT power times the PUE [W]."""
    return summary["power"]["provisioned_it_w"] * cells * summary["site"]["pue_mean"]


def _usd_per_replica_hour(sized: Sized) -> float:
    return sized.summary["cost"]["usd_per_hour"] / sum(p.replicas for p in sized.cell.pools)


def date_after(start: str, months: float) -> str | None:
    """The day so many months after `start`, ISO; None for more than a century."""
    if not months < 1200:
        return None
    return (datetime.fromisoformat(start) + timedelta(seconds=months * MONTH_S)).date().isoformat()


def _when(when: When, start: str, before_s: float = 0.0) -> dict[str, Any]:
    """Months and dates, `before_s` before they come."""
    months = {k: v - before_s / MONTH_S for k, v in asdict(when).items()}
    return {
        "months": {k: v if math.isfinite(v) else None for k, v in months.items()},
        "date": {k: date_after(start, v) for k, v in months.items()},
    }


def _power(needs: Sequence[tuple[float, float]], outlook: Outlook, start: str) -> dict[str, Any] | None:
    if not outlook.energised:
        return None
    when = power_outgrown(needs, outlook.energised, outlook.growth)
    return {
        "energised": [
            {"from": date_after(start, e.from_month), "from_month": e.from_month, "power_w": e.power_w}
            for e in outlook.energised
        ],
        "exceeded": _when(when, start),
        "request_by": _when(when, start, outlook.power_lead_time_s),
        "lead_time_weeks": outlook.power_lead_time_s / WEEK_S,
    }


def _months(
    scenario: Scenario, outlook: Outlook, found: Sequence[tuple[float, Sized]], have: int
) -> list[dict[str, Any]]:
    """What demand needs at the end of each month, and by when what is lacking has to be ordered."""
    replicas = np.maximum.accumulate([s.replicas for _, s in found])
    staffing = Staffing(tuple(f for f, _ in found), tuple(int(n) for n in replicas))
    factors = [f for f, _ in found]
    each = found[-1][1].accelerators / found[-1][1].replicas
    rate, rows, before = rate_per_s(scenario), [], have
    for month in range(outlook.months + 1):
        factor = math.exp(outlook.growth.log * month)
        needed = staffing.needed(factor)
        accelerators = round(needed * each)
        site_w = float(np.interp(factor, factors, [_power_w(s) for _, s in found]))
        more = max(0, accelerators - before)
        before = max(before, accelerators)
        late = month - outlook.lead_time_s / MONTH_S
        rows.append(
            {
                "month": month,
                "date": date_after(scenario.site.start, month),
                "demand_rps": None if rate is None else rate * factor,
                "demand_factor": factor,
                "replicas": needed,
                "accelerators": accelerators,
                "site_w": site_w,
                "energised_w": _energised_w(outlook.energised, month),
                "accelerators_to_add": more,
                "order_by": date_after(scenario.site.start, late) if more else None,
            }
        )
    return rows


def _energised_w(energised: Sequence[Energised], month: float) -> float | None:
    there = [e.power_w for e in energised if e.from_month <= month]
    return there[-1] if there else None
