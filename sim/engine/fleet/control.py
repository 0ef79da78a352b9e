"""Starts the control plane of one cell: a scaler and maintenance for each pool that has them, and all outages."""

from __future__ import annotations

import simpy

from sim.engine.fleet.outages import happen, maintain, outages_of
from sim.engine.fleet.scaler import scale
from sim.engine.fleet.spec import DataPlane, FleetControl
from sim.engine.fleet.status import Status
from sim.engine.plan import Plan


def start_fleet(env: simpy.Environment, plane: DataPlane, plan: Plan, control: FleetControl) -> Status:
    """Start the processes that act on `plane`, the cell of `plan`; `env` counts ticks. Its log is complete when `env`
    has run out."""
    status = Status(env, plane, plan, control)
    if outages := outages_of(control, plan):
        env.process(happen(status, outages))
    for p, pool in enumerate(control.pools):
        if pool.rounds is not None:
            env.process(maintain(status, p, pool.accelerators, pool.rounds))
        if pool.scaler is not None:
            env.process(scale(status, p, int(plan.pools["group"][p]), pool.scaler))
    return status
