"""The status of a cell's replicas: which are wanted, which are out, which are loaded; and so which are open.

A replica is open, that is, routers may choose it, exactly if it is wanted, in no outage, and loaded. It is powered
while it is loaded or loading: a replica that is no longer wanted stays so until it holds no call.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import simpy

from sim.engine.fleet.spec import FLEET, OUTAGE, DataPlane, FleetControl, count_units
from sim.engine.kernel.clock import NEVER_TICK, TICKS_PER_S
from sim.engine.plan import replica_pools

Process = Generator[simpy.Event, object, None]


class Status:
    """Mutable status of one cell, and its log. `env` counts ticks; every change acts at its present time.

    wanted: bool[R].  outages: int64[R], outages that a replica is in.  loaded_tick: int64[R], from when its model is
    loaded, NEVER_TICK if it neither is nor is being loaded.  opened_tick: int64[R], when it was last opened.
    """

    def __init__(self, env: simpy.Environment, plane: DataPlane, control: FleetControl):
        self.env, self.plane, plan = env, plane, plane.plan
        self.pool_of = replica_pools(plan)
        count, pools = len(self.pool_of), len(plan.pools)
        self.wanted = np.ones(count, bool)
        self.outages = np.zeros(count, np.int64)
        self.loaded_tick = np.zeros(count, np.int64)
        self.opened_tick = np.zeros(count, np.int64)
        self.open = np.ones(count, bool)
        self.fresh_tick = np.array([p.starts.fresh_tick for p in control.pools], np.int64)[self.pool_of]
        self.again_tick = np.array([p.starts.again_tick for p in control.pools], np.int64)[self.pool_of]
        self.members = [np.flatnonzero(self.pool_of == p) for p in range(pools)]
        self.servers = [
            _Servers(len(m), p.accelerators, p.node) for m, p in zip(self.members, control.pools, strict=True)
        ]
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
        self._switch_off(replicas[self.loaded_tick[replicas] > self.tick])
        self._settle(replicas)

    def switch_off_drained(self, pool: int) -> None:
        """Switch off the replicas of a pool that are no longer wanted and hold no call."""
        members = self.available(pool)
        leaving = members[~self.wanted[members] & (self.loaded_tick[members] <= self.tick)]
        if len(leaving):
            empty = leaving[self.holding(leaving) == 0]
            self._switch_off(empty)
            self._book(empty)

    # What an outage does.

    def strike(self, replicas: np.ndarray) -> None:
        """An outage of these replicas begins: they leave the router."""
        self.outages[replicas] += 1
        self._settle(replicas)

    def kill(self, replicas: np.ndarray) -> None:
        """Replicas in an outage go down: what they still hold begins anew elsewhere."""
        self._switch_off(replicas)
        self._book(replicas)

    def mend(self, replicas: np.ndarray, fresh: bool) -> None:
        """An outage of these replicas ends: those that are wanted start, from nothing if `fresh`."""
        self.outages[replicas] -= 1
        self._load(replicas[self.wanted[replicas]], self.fresh_tick if fresh else self.again_tick)
        self._book(replicas)

    # How they change.

    def _load(self, replicas: np.ndarray, takes_tick: np.ndarray) -> None:
        start = replicas[(self.outages[replicas] == 0) & (self.loaded_tick[replicas] == NEVER_TICK)]
        if len(start):
            self.plane.close(start.tolist(), self.tick)  # on
        self.loaded_tick[start] = self.tick + takes_tick[start]
        for ready in np.unique(self.loaded_tick[start]).tolist():
            if ready > self.tick:
                self.env.process(self._open_at(start[self.loaded_tick[start] == ready], ready))
        self._settle(replicas)

    def _switch_off(self, replicas: np.ndarray) -> None:
        on = replicas[self.loaded_tick[replicas] != NEVER_TICK]
        if len(on):
            self.plane.kill(on.tolist(), self.tick)
        self.loaded_tick[on] = NEVER_TICK

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
            powered = self.loaded_tick[m] != NEVER_TICK
            counts = (
                int(self.wanted[m].sum()),
                int(self.open[m].sum()),
                int(powered.sum()),
                int((self.outages[m] > 0).sum()),
                self.servers[pool].on(powered),
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

    def fleet_log(self) -> np.ndarray:
        """Records of FLEET so far, in order of time."""
        return np.array(self.rows, FLEET)

    def outage_log(self) -> np.ndarray:
        """Records of OUTAGE so far, in order of the times at which they came down."""
        return np.array(self.out, OUTAGE)


class _Servers:
    """Which servers the replicas of a pool touch."""

    def __init__(self, replicas: int, accelerators: int, node: int):
        number = np.arange(replicas)
        self.first = number * accelerators // node
        self.behind = ((number + 1) * accelerators - 1) // node + 1
        self.count = count_units(replicas, accelerators, node)

    def on(self, powered: np.ndarray) -> int:
        """Servers that a powered replica touches; powered: bool[R]."""
        edges = np.zeros(self.count + 1, np.int64)
        np.add.at(edges, self.first[powered], 1)
        np.add.at(edges, self.behind[powered], -1)
        return int((np.cumsum(edges)[:-1] > 0).sum())
