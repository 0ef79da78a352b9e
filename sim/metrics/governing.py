"""The power governor of a scenario: its meter and its ladder, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sim.cost.types import StepCost
from sim.engine.govern import Governor, Rung
from sim.metrics.hall import hall_of, training_block
from sim.metrics.site_limit import extremes_c, site_w
from sim.scenario.schema import Scenario


def governor_of(scenario: Scenario, costs: Sequence[StepCost]) -> Governor | None:
    """The governor that the scenario asks for; rungs in the order hold, cap, shed, each keeping those before it."""
    given, limit_w = scenario.governor, scenario.site.power_limit_w
    if given is None or limit_w is None:
        return None
    pools = len(scenario.pools)
    numbers = {w.name: i for i, w in enumerate(scenario.workloads)}
    hold, shed = (tuple(numbers[name] for name in names) for names in (given.hold, given.shed))
    rungs = [Rung(tuple(range(pools)))]
    if hold:
        rungs.append(Rung(rungs[0].rates, hold))
    for level in range(1, len(given.caps) + 1):
        rungs.append(Rung(tuple(level * pools + p for p in range(pools)), hold))
    if shed:
        rungs.append(Rung(rungs[-1].rates, hold, shed))
    return Governor(
        meter=_meter(scenario, costs),
        brake_w=given.brake * limit_w,
        release_w=given.release * limit_w,
        every_s=given.interval_s,
        rungs=tuple(rungs),
    )


def _meter(scenario: Scenario, costs: Sequence[StepCost]) -> Callable[[np.ndarray, float], float]:
    """Site power [W] from the accelerators' draw by pool [W] and the time [s].

    Servers as in `sim.metrics.power.it_series`, but all taken to be on; cooling that depends on the weather is reckoned
    for the warmest hour of a normal year: so a governor errs to the safe side.
    """
    site = scenario.site
    halls = [hall_of(pool, cost.idle_w, site) for pool, cost in zip(scenario.pools, costs, strict=True)]
    blocks = [training_block(training, site) for training in scenario.training]
    rated_w = sum(h.provisioned_it_w for h in halls) + sum(b.provisioned_it_w for b in blocks)
    outdoor_c = extremes_c(site)[1]

    def meter(pool_w: np.ndarray, time_s: float) -> float:
        it_w = sum(hall.it_w(watts) for hall, watts in zip(halls, pool_w, strict=True))
        for block in blocks:
            it_w += block.active_w if block.start_s <= time_s < block.end_s else block.idle_w
        return site_w(site, float(it_w), rated_w, outdoor_c)

    return meter


def governor_section(
    scenario: Scenario, governor: Governor | None, governed: Sequence[np.ndarray]
) -> dict[str, Any] | None:
    """What the governor did while requests arrived, after the warm-up; None where there is none.

    time_share: of each rung, by what it does.  above_limit_share: of the readings above the site's limit.
    highest_w: the highest reading [W], and excess_w: how far it lies above the limit.
    """
    limit_w = scenario.site.power_limit_w
    if governor is None or scenario.governor is None or limit_w is None:
        return None
    rows = np.concatenate(list(governed))
    rows = rows[(rows["time_s"] >= scenario.warmup_s) & (rows["time_s"] < scenario.duration_s)]
    caps = scenario.governor.caps
    pools = len(scenario.pools)
    count = max(len(rows), 1)
    highest_w = float(rows["site_w"].max()) if len(rows) else 0.0
    return {
        "readings": len(rows),
        "rungs": [
            {
                "cap": None if rung.rates[0] < pools else caps[rung.rates[0] // pools - 1],
                "holds": bool(rung.hold),
                "sheds": bool(rung.shed),
                "time_share": float((rows["rung"] == i).sum()) / count,
            }
            for i, rung in enumerate(governor.rungs)
        ],
        "above_limit_share": float((rows["site_w"] > limit_w).sum()) / count,
        "highest_w": highest_w,
        "excess_w": max(0.0, highest_w - limit_w),
    }
