"""Outages: failures, maintenance, reclaims of spot capacity and scripted events, all of one form.

An outage takes replicas from the router; after its notice what they still hold begins anew elsewhere and they are
switched off; when it ends, those that are wanted start. Random ones are drawn ahead: a unit's times depend on the seed,
its kind, its number and the count of its outages, never on what happens in the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.engine.fleet.spec import (
    EVENT,
    MAINTENANCE,
    FleetControl,
    Rounds,
    Units,
    count_units,
    replicas_of,
)
from sim.engine.fleet.status import Process, Status
from sim.engine.kernel import rng
from sim.engine.kernel.clock import TICKS_PER_S
from sim.engine.plan import Plan

POLL_S = 15.0
"""Time between two looks at whether a server that is drained for maintenance is empty [s]."""
_OUTAGES_OF_A_UNIT = 1 << 24
_GAP, _REPAIR = 0, 1
"""Draws of one outage; a repair takes two."""


@dataclass(frozen=True)
class Outage:
    """replicas: int64[:]. At `tick` they leave the router, after `notice_tick` they go down for `out_tick`."""

    tick: int
    kind: int
    replicas: np.ndarray
    notice_tick: int
    out_tick: int
    fresh: bool = False


def outages_of(control: FleetControl, plan: Plan) -> list[Outage]:
    """All outages of a cell but for maintenance, in order of time; random ones up to the control's horizon."""
    found: list[Outage] = []
    for p, pool in enumerate(control.pools):
        first, replicas = int(plan.pools["first_replica"][p]), int(plan.pools["replicas"][p])
        for u, units in enumerate(pool.units):
            key = rng.stream_key(control.seed, p, u, units.kind)
            count = count_units(replicas, pool.accelerators, units.accelerators)
            for number in range(count):
                hit = np.array(replicas_of(number, replicas, pool.accelerators, units.accelerators)) + first
                for tick, out in draws(units, key, plan.cell * count + number, control.horizon_tick):
                    found.append(Outage(tick, units.kind, hit, units.notice_tick, out, units.fresh))
        for event in pool.scripted:
            cell, number = divmod(event.number, count_units(replicas, pool.accelerators, event.accelerators))
            if cell == plan.cell:
                hit = np.array(replicas_of(number, replicas, pool.accelerators, event.accelerators)) + first
                found.append(Outage(event.tick, EVENT, hit, event.notice_tick, event.out_tick))
    return sorted(
        found, key=lambda o: o.tick
    )  # stable: those of one tick stay in the order of pools and units


def draws(units: Units, key: np.uint64, number: int, horizon_tick: int) -> Iterator[tuple[int, int]]:
    """Times at which the unit `number` goes out, before the horizon, and for how long [ticks].

    From one repair to the next outage it is exponential; a repair is lognormal with sigma^2 = ln(1 + cv^2) and
    mu = ln(mean) - sigma^2 / 2, or exponential.
    """
    tick = 0
    for k in range(_OUTAGES_OF_A_UNIT):
        counter = (number * _OUTAGES_OF_A_UNIT + k) * rng.DRAWS
        tick += _ticks(units.mtbf_s * rng.exponential(key, counter + _GAP))
        if tick >= horizon_tick:
            return
        if units.cv is None:
            out = units.out_s * rng.exponential(key, counter + _REPAIR)
        else:
            sigma = math.sqrt(math.log1p(units.cv**2))
            out = units.out_s * math.exp(sigma * rng.normal(key, counter + _REPAIR) - sigma**2 / 2)
        yield tick, (lasts := _ticks(out))
        tick += units.notice_tick + lasts


def _ticks(time_s: float) -> int:
    return max(1, round(time_s * TICKS_PER_S))


def happen(status: Status, outages: list[Outage]) -> Process:
    """Let outages happen, each at its tick, for as long as anything else does."""
    for outage in outages:
        if outage.tick > status.tick:
            yield status.env.timeout(outage.tick - status.tick)
        if status.plane.idle():
            return
        status.env.process(suffer(status, outage))


def suffer(status: Status, outage: Outage) -> Process:
    """One outage from its notice to its repair."""
    status.strike(outage.replicas)
    if outage.notice_tick:
        yield status.env.timeout(outage.notice_tick)
    status.kill(outage.replicas)
    status.book_outage(outage.kind, outage.replicas, outage.tick, status.tick + outage.out_tick)
    yield status.env.timeout(outage.out_tick)
    status.mend(outage.replicas, outage.fresh)


def maintain(status: Status, pool: int, accelerators: int, rounds: Rounds, horizon_tick: int) -> Process:
    """Rolling maintenance of one pool: the next servers follow when those before have started again.

    Nothing is begun from the horizon on, when arrivals end: work that takes servers away faster than they can finish
    what they hold would never end.
    """
    members = status.members[pool]
    count = count_units(len(members), accelerators, rounds.accelerators)
    again_tick = int(status.again_tick[members[0]])
    due = rounds.first_tick
    while True:
        yield status.env.timeout(max(due - status.tick, 0))
        due += rounds.every_tick
        for number in range(0, count, rounds.at_once):
            batch = range(number, min(number + rounds.at_once, count))
            units = [
                members[list(replicas_of(n, len(members), accelerators, rounds.accelerators))] for n in batch
            ]
            if status.plane.idle() or status.tick >= horizon_tick:
                return
            yield status.env.all_of([status.env.process(_work_on(status, hit, rounds)) for hit in units])
            yield status.env.timeout(again_tick)


def _work_on(status: Status, replicas: np.ndarray, rounds: Rounds) -> Process:
    """Drain the replicas of a server, at most for as long as allowed, and work on it."""
    begin, poll = status.tick, _ticks(POLL_S)
    status.strike(replicas)
    while status.holding(replicas).any() and (left := begin + rounds.drain_tick - status.tick) > 0:
        yield status.env.timeout(min(poll, left))
    status.kill(replicas)
    status.book_outage(MAINTENANCE, replicas, begin, status.tick + rounds.out_tick)
    yield status.env.timeout(rounds.out_tick)
    status.mend(replicas, fresh=False)
