"""What keeps a fleet from serving more, and how much more it could, measured: the target that breaks first, and the
resource behind it.

The largest load within the targets is found by bisection on common random numbers (`sim.study.sizing_load`). Then
the fleet is loaded to just beyond it, and what binds is read off the books of that run (`sim.metrics.binding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.metrics.binding import NOTHING, worst_target
from sim.run import run
from sim.scenario.schema import Scenario
from sim.study.sizing_demand import rate_per_s, scaled, shortened
from sim.study.sizing_load import largest_load
from sim.study.sizing_verdict import ATTAINMENT

BEYOND = 1.1
"""Of the load that is held: where something has broken, and not yet everything."""
BINDING_REQUESTS = 12_000


@dataclass(frozen=True)
class Binding:
    """What binds. target: "ttft", "tpot", "e2e" or "throughput".  resource: one of `sim.metrics.binding.RESOURCES`.
    prefill_share: of a step's time that prompts add [1], None where the pool was not at its limit.
    held_factor: the largest multiple of the demand that meets the targets.  headroom_rps: above the demand, None
    where the demand has no rate.  evaluations: runs.
    """

    target: str
    resource: str
    pool: str
    why: str
    prefill_share: float | None
    held_factor: float
    held_rps: float | None
    headroom_rps: float | None
    evaluations: int


def binding(scenario: Scenario, *, attainment: float = ATTAINMENT) -> Binding:
    """What binds the scenario's fleet, and its headroom. Raises Unreachable where no load meets the targets."""
    held = largest_load(scenario, attainment=attainment)
    summary = run(shortened(scaled(held.scenario, BEYOND), BINDING_REQUESTS), threads=1).summary
    _, target = broken_target(summary)
    resource, why, pool = what_binds(summary["binding"])
    rate = rate_per_s(scenario)
    return Binding(
        target=target,
        resource=resource,
        pool=pool["pool"],
        why=why,
        prefill_share=pool["prefill_share"],
        held_factor=held.factor,
        held_rps=None if rate is None else rate * held.factor,
        headroom_rps=None if rate is None else rate * (held.factor - 1),
        evaluations=held.evaluations + 1,
    )


def measured_headroom(section: Mapping[str, Any], found: Binding) -> dict[str, Any]:
    """The part `headroom` of a summary's section `binding`, as a bisection found it."""
    busiest = None if found.held_rps is None else found.held_rps / found.held_factor
    return {
        **section["headroom"],
        "counted": "requests",
        "busiest_rps": busiest,
        "held_rps": found.held_rps,
        "rps": found.headroom_rps,
        "factor": found.held_factor,
        "likely_rps": found.headroom_rps,
        "known_by": "bisection",
        "binds_first": found.resource,
        "breaks_first": found.target,
    }


def what_binds(section: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]]:
    """The resource, why, and the pool, of a summary's section `binding`: what binds now, or where nothing does, what
    will first."""
    pool = next(p for p in section["pools"] if p["pool"] == section["pool"])
    if section["resource"] != NOTHING or section["first"] is None:
        return section["resource"], section["why"], pool
    return section["first"]["resource"], section["first"]["why"], pool


def broken_target(summary: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """The workload that misses most, and which of its targets most requests miss; "throughput" without targets."""
    aimed = [w for w in summary["workloads"] if w["slo"]["attainment"] is not None]
    if not aimed:
        busiest = max(summary["pools"], key=lambda p: p["utilization"])
        return next(w for w in summary["workloads"] if w["model"] == busiest["model"]), "throughput"
    worst = min(aimed, key=lambda w: w["slo"]["attainment"])
    return worst, worst_target(worst["slo"])
