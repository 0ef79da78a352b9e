"""A cell on the kernel: give its state room when the kernel asks, and read its books at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sim.engine import room
from sim.engine import state as S
from sim.engine.govern import Rung, seen_rows
from sim.engine.kernel import tournament
from sim.engine.kernel.advance import (
    NEED_CALLS,
    NEED_NODES,
    NEED_REQUESTS,
    NEED_SPAWNED,
    NEED_WINDOWS,
    REACHED,
    advance,
    start,
)
from sim.engine.kernel.clock import NEVER, NEVER_TICK
from sim.engine.kernel.govern import change, draw_w
from sim.engine.kernel.prefix import fill_table
from sim.engine.kernel.standing import take_down
from sim.engine.load import Load
from sim.engine.plan import Plan
from sim.metrics.run import RunMetrics

SHUT = 1 << 40
"""Added to the router's view of calls at a replica that is not open."""


class Cell:
    """One cell's plan and mutable state."""

    def __init__(self, plan: Plan, log_requests: int = 0):
        self.plan = plan
        self.state = room.new_state(plan, log_requests)
        start(plan, self.state)

    def advance(self, until_tick: int = NEVER_TICK) -> None:
        """Process every event before `until_tick`."""
        while (outcome := advance(self.plan, self.state, until_tick)) != REACHED:
            self.state = grown(self.state, outcome)

    def draw_w(self, tick: int) -> np.ndarray:
        """What the accelerators of each pool draw at `tick`, to which the cell has advanced, float64[P] [W]."""
        watts = np.zeros(len(self.plan.pools))
        draw_w(self.plan, self.state, tick, watts)
        return watts

    def change(self, rung: Rung, tick: int, until_tick: int) -> None:
        """Take up a governor's rung at `tick`, to which the cell has advanced; demand is held until `until_tick`."""
        st = self.state
        rates = np.array(rung.rates, np.int32)[st.replicas["pool"]]
        held = int(st.hold.max())
        changed = bool((st.replicas["next_rate"] != rates).any())
        st.replicas["next_rate"] = rates
        st.hold[list(rung.hold)] = until_tick
        st.shed[:] = 0
        st.shed[list(rung.shed)] = 1
        if changed or int(st.hold.max()) != held:
            change(self.plan, st, tick)

    def load(self) -> Load:
        """What its replicas have to do, as of the tick to which the cell has advanced."""
        replicas = self.state.replicas
        return Load(
            queued=replicas["queued"].astype(np.int64),
            running=replicas["running"].astype(np.int64),
            asked=self.state.turns.copy(),
        )

    def open(self, replicas: Sequence[int], tick: int) -> None:
        """Let routers choose these from `tick` on."""
        self._stand(replicas, S.OPEN)

    def close(self, replicas: Sequence[int], tick: int) -> None:
        """Let routers leave these out from `tick` on: what they hold they finish, and one that is off is on."""
        self._stand(replicas, S.CLOSED_)

    def kill(self, replicas: Sequence[int], tick: int) -> None:
        """Take these out at `tick`, or at the end of the step under way: their calls go elsewhere, to be recomputed.

        An idle one is off at once. The caches of one that is off are empty.
        """
        self._stand(replicas, S.CLOSED_)
        for r in replicas:
            take_down(self.plan, self.state, r, tick)

    def _stand(self, replicas: Sequence[int], standing: int) -> None:
        st, plan = self.state, self.plan
        for r in replicas:
            was_open = st.standing[r] == S.OPEN
            st.standing[r] = standing
            if was_open == (standing == S.OPEN):
                continue
            g = int(plan.pools["group"][st.replicas["pool"][r]])
            first, count = int(plan.groups["first_replica"][g]), int(plan.groups["replicas"][g])
            members = np.arange(first, first + count, dtype=np.int32)
            members = members[st.standing[members] == S.OPEN]
            st.open[first : first + len(members)] = members
            st.opens[g] = len(members)
            key = tournament.key_at(st.routes[g], r - first)
            tournament.update(st.routes[g], r - first, key + (-SHUT if standing == S.OPEN else SHUT))

    def idle(self) -> bool:
        """Whether nothing is left to happen."""
        st = self.state
        spawned = slice(int(st.scalars[S.SPAWNED]))
        coming = (st.spawned_request[spawned] >= S.NONE) | (st.spawned_came[spawned] == S.ON_THE_WAY)
        return (
            int(st.events[: len(st.replicas)].min()) == NEVER
            and int(st.scalars[S.NEXT_TICK]) == NEVER_TICK
            and not coming.any()
        )

    def books(self, governed: Sequence[tuple[float, float, int]] = ()) -> RunMetrics:
        """The books so far, with what a governor saw."""
        st = self.state
        end_s = float(st.replicas["end_s"].max())
        return RunMetrics(
            counters=st.counters,
            histograms=st.histograms,
            sums=st.sums,
            windows=used_windows(self.plan, st.windows, end_s),
            window_s=self.plan.window_s,
            window_origin_s=self.plan.window_origin_s,
            stage_counters=st.stage_counters,
            stage_times=st.stage_times,
            calls=st.log[: int(st.scalars[S.LOGGED])],
            passes=st.pass_log[: int(st.scalars[S.PASSES_LOGGED])],
            end_s=end_s,
            in_flight=self._in_flight(),
            governed=(seen_rows(governed),),
            segments=int(st.scalars[S.SEGMENTS]),
        )

    def _in_flight(self) -> int:
        """Requests that have arrived and not ended; the passes of one are not counted besides it."""
        st = self.state
        spawned = slice(int(st.scalars[S.SPAWNED]))
        waiting = st.spawned_request[spawned]
        again = (waiting == S.NONE) & (st.spawned_came[spawned] < st.spawned_tick[spawned])
        passes = int(st.requests["pending"].sum()) - int((waiting > S.NONE).sum())
        moving = (waiting < S.NONE) & (st.spawned_came[spawned] == S.ON_THE_WAY)
        calls = int(st.replicas["outstanding"].sum()) + int(again.sum()) + int(moving.sum())
        return calls - passes + int(st.scalars[S.IN_FLIGHT])


def grown(state: S.State, outcome: int) -> S.State:
    """The state with room for what `outcome` of `advance` says is lacking."""
    if outcome == NEED_NODES:
        state = room.with_more_nodes(state)
        fill_table(state)
        return state
    return {
        NEED_CALLS: room.with_more_calls,
        NEED_WINDOWS: room.with_more_windows,
        NEED_SPAWNED: room.with_more_spawned,
        NEED_REQUESTS: room.with_more_requests,
    }[outcome](state)


def used_windows(plan: Plan, windows: np.ndarray, end_s: float) -> np.ndarray:
    """The windows from the first up to the later of `end_s` and the end of arrivals, padded if need be."""
    until_s = max(end_s, plan.duration_tick / 2.0**30)
    count = max(1, math.ceil((until_s - plan.window_origin_s) / plan.window_s - 1e-9))
    missing = max(0, count - windows.shape[1])
    # an event on the very last edge stands one window further: keep it
    extra = int(count < windows.shape[1] and bool(windows[:, count:].any()))
    return np.pad(windows, ((0, 0), (0, missing), (0, 0)))[:, : count + extra]
