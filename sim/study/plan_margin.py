"""What a planned fleet withstands, and what more of it brings: one server lost, replicas to spare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sim.catalog.accelerators import accelerator
from sim.catalog.servers import server
from sim.run import run
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.plan_points import Point, point
from sim.study.sizing import Sized
from sim.study.sizing_demand import shortened
from sim.study.sizing_verdict import TRIALS, judge

ROOMIER = (1.5, 2.0)
"""Times the smallest fleet, also looked at: latency and cost trade on the front."""


def roomier(chosen: Point, attainment: float) -> list[Point]:
    """The chosen fleet with more replicas than it needs."""
    found = []
    for factor in ROOMIER:
        cell = with_replicas(
            chosen.sized.cell, [math.ceil(p.replicas * factor) for p in chosen.sized.cell.pools]
        )
        result = run(shortened(cell, TRIALS[1]), threads=1)
        whole = with_replicas(chosen.sized.scenario, [p.replicas * chosen.sized.cells for p in cell.pools])
        verdict = judge(result.summary, attainment)
        found.append(point(Sized(whole, cell, chosen.sized.cells, (result,), (verdict,), math.nan, 1)))
    return found


def with_replicas(scenario: Scenario, replicas: Sequence[int]) -> Scenario:
    """The scenario with other numbers of replicas, by pool."""
    pools = tuple(p.model_copy(update={"replicas": n}) for p, n in zip(scenario.pools, replicas, strict=True))
    return scenario.model_copy(update={"pools": pools})


def replicas_of_node(pool: Pool) -> int:
    """Replicas that stop when one server does: those on it, or the one that spans it."""
    each = server(accelerator(pool.accelerator).server).accelerators
    return max(1, math.ceil(each / pool.accelerators_per_replica))


def node_loss(sized: Sized, attainment: float) -> dict[str, Any]:
    """The fleet less one server's replicas, in the pool where that hurts most; and what one server more costs."""
    worst: dict[str, Any] | None = None
    cell = sized.cell
    for i, pool in enumerate(cell.pools):
        lost = replicas_of_node(pool)
        left = pool.replicas - lost
        found: dict[str, Any] = {
            "pool": pool.name,
            "replicas_lost": min(lost, pool.replicas),
            "attainment": 0.0,
            "meets": False,
        }
        if left > 0:
            counts = [left if j == i else p.replicas for j, p in enumerate(cell.pools)]
            verdict = judge(
                run(shortened(with_replicas(cell, counts), TRIALS[1]), threads=1).summary, attainment
            )
            found |= {
                "attainment": verdict.attainment,
                "meets": verdict.met,
                "backlog_grows": verdict.growing,
            }
        if worst is None or (found["attainment"] or 0.0) < (worst["attainment"] or 0.0):
            worst = found
    assert worst is not None
    name = worst["pool"]
    pool = next(p for p in cell.pools if p.name == name)
    each = sized.summary["cost"]["usd_per_hour"] / sum(
        p.replicas * p.accelerators_per_replica for p in cell.pools
    )
    spare = 0 if worst["meets"] else replicas_of_node(pool) * sized.cells
    return {
        **worst,
        "spare_replicas": spare,
        "replicas_with_spare": sized.replicas + spare,
        "usd_per_hour_with_spare": sized.summary["cost"]["usd_per_hour"] * sized.cells
        + each * spare * pool.accelerators_per_replica,
    }
