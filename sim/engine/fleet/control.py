"""The control plane of a run: in each cell a scaler and maintenance for each pool that has them, and all outages."""

from __future__ import annotations

import numpy as np
import simpy

from sim.engine.fleet.outages import happen, maintain, outages_of
from sim.engine.fleet.scaler import scale
from sim.engine.fleet.spec import DataPlane, FleetControl
from sim.engine.fleet.status import Process, Status


class FleetRun:
    """One run of a control plane: give `process` to the engine, and read the logs when it has ended."""

    def __init__(self, control: FleetControl):
        self.control = control
        self.cells: list[Status] = []

    def process(self, env: simpy.Environment, cell: DataPlane) -> Process:
        """Starts the processes of one cell; `env` counts ticks."""
        status = Status(env, cell, self.control)
        self.cells.append(status)
        if outages := outages_of(self.control, cell.plan):
            env.process(happen(status, outages))
        for p, pool in enumerate(self.control.pools):
            if pool.rounds is not None:
                env.process(maintain(status, p, pool.accelerators, pool.rounds, self.control.horizon_tick))
            if pool.scaler is not None:
                env.process(scale(status, p, int(cell.plan.pools["group"][p]), pool.scaler))
        yield env.timeout(0)

    def fleet_log(self) -> tuple[np.ndarray, ...]:
        """Of each cell, records of FLEET in order of time."""
        return tuple(status.fleet_log() for status in self.cells)

    def outage_log(self) -> tuple[np.ndarray, ...]:
        """Of each cell, records of OUTAGE."""
        return tuple(status.outage_log() for status in self.cells)
