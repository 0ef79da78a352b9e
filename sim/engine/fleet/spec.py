"""What a fleet's control plane is told: one immutable table for each pool, the same for all cells.

Replicas stand on servers, and servers in racks, in order: replica r of a pool takes accelerators r a to
(r + 1) a - 1 of its cell's, where a is how many a replica has; unit u of z accelerators holds those from u z on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sim.engine.plan import Plan

FAILURE, MAINTENANCE, RECLAIM, EVENT = range(4)
KINDS = ("failure", "maintenance", "reclaim", "event")
"""Why a replica may be out, by number."""

FLEET = np.dtype(
    [
        ("time_s", np.float64),
        ("pool", np.int32),
        ("wanted", np.int32),
        ("open", np.int32),
        ("powered", np.int32),
        ("out", np.int32),
        ("servers", np.int32),
    ]
)
"""Replicas of a pool in one cell from a time on: those that are to serve, those that routers may choose, those whose
accelerators are on (starting and draining ones too), and those in an outage; and servers with any that is on."""

OUTAGE = np.dtype(
    [
        ("begin_s", np.float64),  # left the router
        ("down_s", np.float64),  # calls moved, switched off
        ("end_s", np.float64),  # repaired or returned; from then on it starts
        ("kind", np.int32),
        ("pool", np.int32),
        ("replicas", np.int32),
    ]
)
"""An outage that took place."""


class Load(Protocol):
    """Calls at one tick: waiting and running, int64[R]; routed to each group since time 0, int64[G]."""

    @property
    def queued(self) -> np.ndarray: ...

    @property
    def running(self) -> np.ndarray: ...

    @property
    def asked(self) -> np.ndarray: ...


class DataPlane(Protocol):
    """What the control plane acts on: one cell, of either engine.

    open: routers may choose these replicas.  close: they leave them out, and what they hold is finished; those that
    were off are on.  kill: off, at the end of the step under way, when their calls are routed anew; the caches of those
    that are off are empty.  idle: nothing is left to happen.
    """

    @property
    def plan(self) -> Plan: ...

    def load(self) -> Load: ...

    def open(self, replicas: Sequence[int], tick: int) -> Any: ...

    def close(self, replicas: Sequence[int], tick: int) -> Any: ...

    def kill(self, replicas: Sequence[int], tick: int) -> Any: ...

    def idle(self) -> bool: ...


@dataclass(frozen=True)
class Starts:
    """Ticks that a replica takes to start: from nothing, and again on a server that is there."""

    fresh_tick: int
    again_tick: int


@dataclass(frozen=True)
class Units:
    """Things that go out at random: exponential times between (mean `mtbf_s`), and a duration of mean `out_s`,
    lognormal with a coefficient of variation, or exponential where `cv` is None.

    accelerators: that one of them holds.  fresh: whether replicas start from nothing afterwards.
    """

    kind: int
    accelerators: int
    mtbf_s: float
    out_s: float
    cv: float | None
    notice_tick: int = 0
    fresh: bool = False


@dataclass(frozen=True)
class Scripted:
    """One outage at a given tick of the unit `number`, counted through all cells."""

    tick: int
    accelerators: int
    number: int
    out_tick: int
    notice_tick: int


@dataclass(frozen=True)
class Rounds:
    """Rolling maintenance of units of `accelerators`, `at_once` of them at a time."""

    accelerators: int
    first_tick: int
    every_tick: int
    out_tick: int
    drain_tick: int
    at_once: int


@dataclass(frozen=True)
class Seen:
    """What a scaler decides on, of one pool in one cell.

    period: number of the decision.  replicas: open or starting.  waiting, calls: waiting, and waiting or running, on
    those.  asked: calls routed to the pool's group since time 0.
    """

    period: int
    tick: int
    replicas: int
    waiting: int
    calls: int
    asked: int


Policy = Callable[[Seen], int]
"""How many replicas there should be; may remember what it has seen, so each cell has its own."""


@dataclass(frozen=True)
class Scaler:
    """policy: makes the policy of one cell.  least: replicas of one cell."""

    policy: Callable[[], Policy]
    least: int
    period_tick: int
    stabilization_tick: int
    min_up_tick: int


@dataclass(frozen=True)
class PoolControl:
    """All that changes one pool. accelerators: of a replica;  node: of a server."""

    accelerators: int
    node: int
    starts: Starts
    scaler: Scaler | None = None
    units: tuple[Units, ...] = ()
    scripted: tuple[Scripted, ...] = ()
    rounds: Rounds | None = None


@dataclass(frozen=True)
class FleetControl:
    """All that changes a fleet, by pool. Random outages begin before `horizon_tick`, when arrivals end."""

    seed: int
    horizon_tick: int
    pools: tuple[PoolControl, ...]


def count_units(replicas: int, accelerators: int, unit: int) -> int:
    """Units of `unit` accelerators that `replicas` of `accelerators` each fill, the last perhaps in part."""
    return -(-replicas * accelerators // unit)


def replicas_of(number: int, replicas: int, accelerators: int, unit: int) -> range:
    """Replicas, counted from the pool's first, that touch the unit `number`."""
    first = number * unit // accelerators
    return range(first, min(replicas, -(-(number + 1) * unit // accelerators)))
