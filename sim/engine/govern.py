"""The power governor: a process that keeps a site under its limit, the same for both engines.

At every interval it reads the draw of the moment and moves on a ladder of rungs, each holding the site lower than the
one before: demand that can wait is held, accelerators are capped, demand that can be turned away is shed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import simpy

from sim.engine.kernel.clock import TICKS_PER_S
from sim.engine.plan import Plan


@dataclass(frozen=True)
class Rung:
    """rates: row of the step cost of each pool.  hold, shed: numbers of workloads."""

    rates: tuple[int, ...]
    hold: tuple[int, ...] = ()
    shed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Governor:
    """meter: site power [W] from the accelerators' draw by pool [W] and the time [s].

    brake_w, release_w: above the one it goes a rung up, below the other a rung down, every `every_s`.
    """

    meter: Callable[[np.ndarray, float], float]
    brake_w: float
    release_w: float
    every_s: float
    rungs: tuple[Rung, ...]


class Fleet(Protocol):
    """What a governor acts on: one cell."""

    def idle(self) -> bool: ...

    def draw_w(self, tick: int) -> np.ndarray: ...

    def change(self, rung: Rung, tick: int, until_tick: int) -> None: ...


GOVERNED = np.dtype([("time_s", np.float64), ("site_w", np.float64), ("rung", np.int32)])
"""What a governor saw, and the rung that it then chose."""


def govern(
    env: simpy.Environment, fleet: Fleet, governor: Governor, plan: Plan, seen: list[tuple[float, float, int]]
) -> Generator[simpy.Event]:
    """Govern one of the plan's cells, all taken to be alike; `env` counts ticks. `seen` takes rows of GOVERNED.

    Demand is held no longer than until arrivals end: a site that is above its brake idle would hold it for ever.
    """
    every = round(governor.every_s * TICKS_PER_S)
    rung = 0
    while not fleet.idle():
        now = int(env.now)
        site_w = governor.meter(fleet.draw_w(now) * plan.cells, now / TICKS_PER_S)
        if site_w > governor.brake_w:
            rung = min(rung + 1, len(governor.rungs) - 1)
        elif site_w < governor.release_w:
            rung = max(rung - 1, 0)
        fleet.change(governor.rungs[rung], now, min(now + every, max(now, plan.duration_tick)))
        seen.append((now / TICKS_PER_S, site_w, rung))
        yield env.timeout(every)


def seen_rows(seen: Sequence[tuple[float, float, int]]) -> np.ndarray:
    """The rows as records."""
    return np.array(list(seen), GOVERNED)
