"""Faults between tables that change a fleet: counts beyond a pool, events on what is not there; and what a pool's
accelerators fail with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sim.errors import Fault, did_you_mean
from sim.scenario.fleet import SERVERS_PER_RACK, Event
from sim.scenario.pool import Pool


def fleet_faults(pools: Sequence[Pool], events: Sequence[Event], cells: int) -> Iterator[Fault]:
    """Faults of all pools' scalers, and of all events."""
    for i, pool in enumerate(pools):
        yield from _scaler_faults(f"pool[{i}].scaler", pool)
    for i, event in enumerate(events):
        yield from _event_faults(f"event[{i}]", event, pools, cells)


def units(pool: Pool, what: str, cells: int) -> int:
    """Replicas, servers or racks of a pool; servers and racks are filled in order, each cell's apart."""
    if what == "replica":
        return pool.replicas
    in_cell = pool.replicas // cells * pool.accelerators_per_replica
    return cells * math.ceil(in_cell / unit_accelerators(pool, what))


def unit_accelerators(pool: Pool, what: str) -> int:
    """Accelerators that fail with an accelerator, a replica, a server ("node") or a rack of `pool`."""
    from sim.catalog.accelerators import accelerator
    from sim.catalog.servers import server

    if what in ("accelerator", "replica"):
        return 1 if what == "accelerator" else pool.accelerators_per_replica
    node = server(accelerator(pool.accelerator).server).accelerators
    return node if what == "node" else node * (pool.servers_per_rack or SERVERS_PER_RACK)


def _scaler_faults(path: str, pool: Pool) -> Iterator[Fault]:
    scaler = pool.scaler
    if scaler is None:
        return
    if scaler.min_replicas > pool.replicas:
        yield Fault(
            f"{path}.min_replicas",
            f"{scaler.min_replicas} is more than the pool's replicas = {pool.replicas}",
        )
    if scaler.schedule and max(scaler.schedule) > pool.replicas:
        yield Fault(
            f"{path}.schedule", f"{max(scaler.schedule)} is more than the pool's replicas = {pool.replicas}"
        )
    needed = {"queue": "calls_per_replica", "utilization": "calls_per_replica", "forecast": "calls_per_s"}
    key = needed.get(scaler.policy)
    if key and pool.scheduler.kind == "static" and getattr(scaler, key) is None:
        yield Fault(f"{path}.{key}", "is required where the scheduler is static, whose capacity is not known")


def _event_faults(path: str, event: Event, pools: Sequence[Pool], cells: int) -> Iterator[Fault]:
    named = {pool.name: pool for pool in pools}
    if event.pool not in named:
        hint = did_you_mean(event.pool, named) or f"the pools are {', '.join(named)}"
        yield Fault(f"{path}.pool", f'"{event.pool}" is not a pool', hint)
        return
    count = units(named[event.pool], event.what, cells)
    if event.number >= count:
        yield Fault(
            f"{path}.number",
            f"{event.number} is not there: the pool {event.pool} fills {count} of what = "
            f'"{event.what}", counted from 0',
        )
