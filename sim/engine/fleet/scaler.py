"""The scaler: a process that switches the replicas of one pool on and off, the same for both engines.

It follows Kubernetes' HorizontalPodAutoscaler (v2): more at once; fewer only when no decision within the stabilization
window asked for more.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from sim.engine.fleet.spec import Scaler, Seen
from sim.engine.fleet.status import Process, Status


def scale(status: Status, pool: int, group: int, scaler: Scaler) -> Process:
    """Scale one pool of one cell for as long as anything is left to happen."""
    policy = scaler.policy()
    recent: deque[tuple[int, int]] = deque()
    period = 0
    while not status.plane.idle():
        status.switch_off_drained(pool)
        serving = _serving(status, pool)
        if not recent:
            recent.append((status.tick, len(serving)))  # the start counts as a decision
        most = len(status.available(pool))
        wanted = min(max(policy(_seen(status, pool, group, serving, period)), scaler.least), most)
        recent.append((status.tick, wanted))
        while recent[0][0] < status.tick - scaler.stabilization_tick:
            recent.popleft()
        if wanted > len(serving):
            status.want(_to_start(status, pool, wanted - len(serving)))
        elif (kept := max(count for _, count in recent)) < len(serving):
            status.release(_to_stop(status, serving, len(serving) - kept, scaler.min_up_tick))
        period += 1
        yield status.env.timeout(scaler.period_tick)


def _serving(status: Status, pool: int) -> np.ndarray:
    """Replicas that are wanted and in no outage: open or starting."""
    available = status.available(pool)
    return available[status.wanted[available]]


def _seen(status: Status, pool: int, group: int, serving: np.ndarray, period: int) -> Seen:
    load = status.plane.load()
    waiting = int(np.asarray(load.queued)[serving].sum())
    running = int(np.asarray(load.running)[serving].sum())
    return Seen(period, status.tick, len(serving), waiting, waiting + running, int(load.asked[group]))


def _to_start(status: Status, pool: int, count: int) -> np.ndarray:
    """Replicas that are still loaded first, then by number."""
    available = status.available(pool)
    off = available[~status.wanted[available]]
    order = np.lexsort((off, status.loaded_tick[off] > status.tick))
    return off[order[:count]]


def _to_stop(status: Status, serving: np.ndarray, count: int, min_up_tick: int) -> np.ndarray:
    """Those that have not loaded yet first, then by number from the last; none that is up for less than it must be."""
    loading = status.loaded_tick[serving] > status.tick
    may = serving[loading | (status.opened_tick[serving] + min_up_tick <= status.tick)]
    order = np.lexsort((-may, status.loaded_tick[may] <= status.tick))
    return may[order[:count]]
