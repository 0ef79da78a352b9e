"""The status of a cell's replicas: which are wanted, which are out, which are loaded; and so which are open.

A replica is open, that is, routers may choose it, exactly if it is wanted, in no outage, and loaded. It is powered
while it is loaded or loading: a replica that is no longer wanted stays so until it holds no call.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import simpy

from sim.engine.fleet.spec import FLEET, OUTAGE, DataPlane, FleetControl
from sim.engine.kernel.clock import NEVER_TICK, TICKS_PER_S
from sim.engine.plan import Plan, replica_pools

Process = Generator[simpy.Event, object, None]


class Status:
    """Mutable status of one cell, and its log. `env` counts ticks; every change acts at its present time.

    wanted: bool[R].  outages: int64[R], outages that a replica is in.  loaded_tick: int64[R], from when its model is
    loaded, NEVER_TICK if it neither is nor is being loaded.  opened_tick: int64[R], when it was last opened.
    """

    def __init__(self, env: simpy.Environment, plane: DataPlane, plan: Plan, control: FleetControl):
        self.env, self.plane = env, plane
        self.pool_of = replica_pools(plan)
        count, pools = len(self.pool_of), len(plan.pools)
        self.first = plan.pools["first_replica"].astype(np.int64)
        self.wanted = np.ones(count, bool)
        self.outages = np.zeros(count, np.int64)
        self.loaded_tick = np.zeros(count, np.int64)
        self.opened_tick = np.zeros(count, np.int64)
        self.open = np.ones(count, bool)
        self.fresh_tick = np.array([p.starts.fresh_tick for p in control.pools], np.int64)[self.pool_of]
        self.again_tick = np.array([p.starts.again_tick for p in control.pools], np.int64)[self.pool_of]
        self.members = [np.flatnonzero(self.pool_of == p) for p in range(pools)]
        self.rows: list[tuple] = []
        self.out: list[tuple] = []
        self._latest: list[tuple | None] = [None] * pools
        self._book(np.arange(count))

    @property
    def tick(self) -> int:
        return int(self.env.now)

    def available(self, pool: int) -> np.ndarray:
        """Replicas of a pool that are in no outage, int64[:]."""
        members = self.members[pool]
        return members[self.outages[members] == 0]

    def holding(self, replicas: np.ndarray) -> np.ndarray:
        """Calls that each of `replicas` holds, int64[:]."""
        load = self.plane.load()
        return np.asarray(load.queued)[replicas] + np.asarray(load.running)[replicas]

    # What a scaler does.

    def want(self, replicas: np.ndarray) -> None:
        """Have these replicas serve: loaded ones at once, others when they have started."""
        self.wanted[replicas] = True
        self._load(replicas, self.fresh_tick)

    def release(self, replicas: np.ndarray) -> None:
        """Have these replicas leave: those that have not loaded yet at once, others when they hold no call."""
        self.wanted[replicas] = False
        loading = replicas[self.loaded_tick[replicas] > self.tick]
        self.loaded_tick[loading] = NEVER_TICK
        self._settle(replicas)

    def switch_off_drained(self, pool: int) -> None:
        """Switch off the replicas of a pool that are no longer wanted and hold no call."""
        members = self.available(pool)
        leaving = members[~self.wanted[members] & (self.loaded_tick[members] <= self.tick)]
        if len(leaving):
            empty = leaving[self.holding(leaving) == 0]
            self.loaded_tick[empty] = NEVER_TICK
            self._book(empty)

    # What an outage does.

    def strike(self, replicas: np.ndarray) -> None:
        """An outage of these replicas begins: they leave the router."""
        self.outages[replicas] += 1
        self._settle(replicas)

    def kill(self, replicas: np.ndarray) -> None:
        """Replicas in an outage go down: what they still hold begins anew elsewhere."""
        loaded = replicas[self.loaded_tick[replicas] <= self.tick]
        if len(loaded):
            self.plane.kill(loaded.tolist(), self.tick)
        self.loaded_tick[replicas] = NEVER_TICK
        self._book(replicas)

    def mend(self, replicas: np.ndarray, fresh: bool) -> None:
        """An outage of these replicas ends: those that are wanted start, from nothing if `fresh`."""
        self.outages[replicas] -= 1
        self._load(replicas[self.wanted[replicas]], self.fresh_tick if fresh else self.again_tick)
        self._book(replicas)

    # How they change.

    def _load(self, replicas: np.ndarray, takes_tick: np.ndarray) -> None:
        start = replicas[(self.outages[replicas] == 0) & (self.loaded_tick[replicas] == NEVER_TICK)]
        self.loaded_tick[start] = self.tick + takes_tick[start]
        for ready in np.unique(self.loaded_tick[start]).tolist():
            if ready > self.tick:
                self.env.process(self._open_at(start[self.loaded_tick[start] == ready], ready))
        self._settle(replicas)

    def _open_at(self, replicas: np.ndarray, tick: int) -> Process:
        yield self.env.timeout(tick - self.tick)
        self._settle(replicas)  # those that left or failed meanwhile stay as they are

    def _settle(self, replicas: np.ndarray) -> None:
        """Open and close what the rule at the top says, and book it."""
        should = self.wanted & (self.outages == 0) & (self.loaded_tick <= self.tick)
        opening = replicas[should[replicas] & ~self.open[replicas]]
        closing = replicas[~should[replicas] & self.open[replicas]]
        if len(opening):
            self.plane.open(opening.tolist(), self.tick)
            self.opened_tick[opening] = self.tick
        if len(closing):
            self.plane.close(closing.tolist(), self.tick)
        self.open[opening], self.open[closing] = True, False
        self._book(replicas)

    # What is written down.

    def _book(self, replicas: np.ndarray) -> None:
        for pool in np.unique(self.pool_of[replicas]).tolist():
            m = self.members[pool]
            counts = (
                int(self.wanted[m].sum()),
                int(self.open[m].sum()),
                int((self.loaded_tick[m] != NEVER_TICK).sum()),
                int((self.outages[m] > 0).sum()),
            )
            if counts != self._latest[pool]:
                self._latest[pool] = counts
                self.rows.append((self.tick / TICKS_PER_S, pool, *counts))

    def book_outage(self, kind: int, replicas: np.ndarray, begin_tick: int, end_tick: int) -> None:
        """An outage that began at `begin_tick` has just come down on `replicas`, until `end_tick`."""
        for pool in np.unique(self.pool_of[replicas]).tolist():
            hit = int((self.pool_of[replicas] == pool).sum())
            times = (begin_tick / TICKS_PER_S, self.tick / TICKS_PER_S, end_tick / TICKS_PER_S)
            self.out.append((*times, kind, pool, hit))

    def log(self) -> tuple[np.ndarray, np.ndarray]:
        """The records of FLEET and of OUTAGE so far, in order of time."""
        return np.array(self.rows, FLEET), np.array(self.out, OUTAGE)
