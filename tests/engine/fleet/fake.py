"""A data plane that only keeps count: which replicas are open, and what each holds."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import simpy

from sim.engine.fleet.spec import FleetControl, PoolControl, Starts
from sim.engine.fleet.status import Status
from sim.engine.kernel.clock import TICKS_PER_S
from sim.engine.plan import Plan
from tests.engine.setups import plans, scenario

SECOND = round(TICKS_PER_S)


class FakePlane:
    """Replicas that hold what a test says; refuses what a control plane must not do."""

    def __init__(self, plan: Plan):
        self.plan = plan
        replicas = int(plan.pools["replicas"].sum())
        self.is_open, self.is_on = np.ones(replicas, bool), np.ones(replicas, bool)
        self.queued = np.zeros(replicas, np.int64)
        self.running = np.zeros(replicas, np.int64)
        self.asked = np.zeros(1, np.int64)
        self.killed: list[tuple[int, tuple[int, ...]]] = []
        self.over = False

    def load(self):
        return SimpleNamespace(queued=self.queued, running=self.running, asked=self.asked)

    def open(self, replicas: Sequence[int], tick: int) -> None:
        assert self.is_on[list(replicas)].all()
        assert not self.is_open[list(replicas)].any()
        self.is_open[list(replicas)] = True

    def close(self, replicas: Sequence[int], tick: int) -> None:
        assert (self.is_open | ~self.is_on)[list(replicas)].all()
        self.is_open[list(replicas)], self.is_on[list(replicas)] = False, True

    def kill(self, replicas: Sequence[int], tick: int) -> None:
        assert self.is_on[list(replicas)].all()
        self.is_open[list(replicas)] = self.is_on[list(replicas)] = False
        self.queued[list(replicas)] = self.running[list(replicas)] = 0
        self.killed.append((tick, tuple(replicas)))

    def idle(self) -> bool:
        return self.over


def plan_of(replicas: int, cells: int = 1) -> Plan:
    """The first cell of one pool of H100s."""
    return plans(scenario(pools=[{"replicas": replicas * cells}], cells=cells))[0]


def status_of(replicas: int, *, fresh_s: float = 100.0, again_s: float = 60.0, **control):
    """A fleet of one pool under a clock of its own: environment, plane, status."""
    env, plane = simpy.Environment(), FakePlane(plan_of(replicas))
    starts = Starts(round(fresh_s * SECOND), round(again_s * SECOND))
    made = FleetControl(1, 1 << 60, (PoolControl(1, 2, starts, **control),))
    return env, plane, Status(env, plane, made)
