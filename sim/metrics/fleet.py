"""What became of a fleet that changes: replicas over time, accelerator-hours, availability, and what a perfect scaler
would have needed.

A perfect scaler has in each window the least whole number of replicas whose saturated throughput would have carried the
work that was done in it. It knows the window's work before it begins, starts replicas at once, and heeds no latency: a
bound from below, at the width of the windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.cost.types import StepCost
from sim.engine import state as S
from sim.engine.fleet.spec import KINDS
from sim.metrics.capacity import capacity
from sim.metrics.moments import Moments
from sim.metrics.span import Span
from sim.metrics.token_time import token_time_s
from sim.scenario.pool import Scheduler

if TYPE_CHECKING:
    from sim.metrics.observed import Observed

HOUR_S = 3600.0
COUNTED = ("wanted", "open", "powered", "out", "servers")
POINTS = 72
"""Points of a timeline in the summary, at most."""


@dataclass(frozen=True)
class FleetSeries:
    """Replica-seconds of one pool in each window of the span, all cells together, float64[N] [s].

    wanted, open, powered, out: see `sim.engine.fleet.spec.FLEET`.  servers: server-seconds that any of them is on.
    starts: replicas that began to start within the span.
    """

    wanted: np.ndarray
    open: np.ndarray
    powered: np.ndarray
    out: np.ndarray
    servers: np.ndarray
    starts: int


def fleet_series(logs: Sequence[np.ndarray], pool: int, span: Span) -> FleetSeries:
    """Integrate the logs of all cells over the windows of the span."""
    edges = np.append(span.window_start_s, span.end_s)
    totals = {name: np.zeros(len(span.width_s)) for name in COUNTED}
    starts = 0
    for log in logs:
        rows = log[log["pool"] == pool]
        gains = np.diff(rows["powered"])
        starts += int(gains[(gains > 0) & (rows["time_s"][1:] >= span.start_s)].sum())
        last = np.append(rows["time_s"][1:] != rows["time_s"][:-1], True)  # of the rows of one time
        for name in COUNTED:
            totals[name] += _integral(rows["time_s"][last], rows[name][last], edges)
    return FleetSeries(**totals, starts=starts)


def _integral(times_s: np.ndarray, values: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """Of a step function that has `values` from `times_s` on, between neighbouring edges."""
    ends_s = np.append(times_s[1:], max(edges_s[-1], times_s[-1]))
    area = np.concatenate([[0.0], np.cumsum(values * (ends_s - times_s))])
    return np.diff(np.interp(edges_s, np.append(times_s, ends_s[-1]), area))


def needed_replicas(
    cost: StepCost, scheduler: Scheduler, lengths: Moments, columns: np.ndarray, width_s: np.ndarray
) -> np.ndarray | None:
    """Replicas of a perfect scaler in each window, int64[N]; None for static batching, whose capacity is not known.

    columns: float64[N, columns] of the pool's windows. Tokens of both phases weigh what they take when each phase runs
    alone, scaled so that the mean mix at the saturated rate takes all of a replica's time.
    """
    most = capacity(cost, scheduler, lengths)
    if most is None:
        return None
    each = token_time_s(cost, scheduler, lengths, most.batch)
    whole = most.requests_per_s * (lengths.computed * each["prefill"] + lengths.output * each["decode"])
    busy_s = columns[:, S.PREFILLED] * each["prefill"] + columns[:, S.DECODED] * each["decode"]
    return np.ceil(busy_s / whole / width_s - 1e-9).astype(np.int64)


def fleet_section(observed: Observed) -> dict[str, Any]:
    """Keys of `fleet` in the summary where something changes it; none otherwise.

    accelerator_hours: of all replicas all the time (static), of those powered, of those open, and of a perfect scaler
    (None if a pool's capacity is not known).  availability: share of the replicas' time without an outage.
    """
    if not observed.metrics.fleet:
        return {}
    pools = [_pool(observed, i) for i in range(len(observed.scenario.pools))]
    names = ("static", "powered", "open", "perfect")
    hours = {name: [p[f"accelerator_hours_{name}"] for p in pools] for name in names}
    replica_s = observed.span.length_s * sum(p.replicas for p in observed.scenario.pools)
    out_s = sum(float(series.out.sum()) for series in observed.fleet)
    return {
        "accelerator_hours": {k: None if None in v else sum(v) for k, v in hours.items()},
        "availability": 1 - out_s / replica_s,
        "outages": _outages(observed),
        "pools": pools,
    }


def _pool(observed: Observed, i: int) -> dict[str, Any]:
    pool, span, series = observed.scenario.pools[i], observed.span, observed.fleet[i]
    needed = observed.needed_replicas(i)
    each = pool.accelerators_per_replica / HOUR_S

    def total(replica_s: np.ndarray) -> float:
        return float(replica_s.sum())

    return {
        "name": pool.name,
        "replicas": pool.replicas,
        "replica_hours_powered": total(series.powered) / HOUR_S,
        "replica_hours_open": total(series.open) / HOUR_S,
        "accelerator_hours_static": pool.replicas * span.length_s * each,
        "accelerator_hours_powered": total(series.powered) * each,
        "accelerator_hours_open": total(series.open) * each,
        "accelerator_hours_perfect": None if needed is None else total(needed * span.width_s) * each,
        "availability": 1 - total(series.out) / (pool.replicas * span.length_s),
        "utilization_powered": _share(float(observed.pool_columns[i, S.BUSY_S]), total(series.powered)),
        "starts": series.starts,
        "timeline": _timeline(observed, i, needed),
    }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _outages(observed: Observed) -> dict[str, dict[str, float]]:
    """By kind, those that came down while requests arrived: how many, and replica-hours until they ended."""
    found = {}
    rows = np.concatenate(list(observed.metrics.outages))
    rows = rows[(rows["down_s"] >= observed.span.start_s) & (rows["down_s"] < observed.span.end_s)]
    for kind, name in enumerate(KINDS):
        own = rows[rows["kind"] == kind]
        if len(own):
            hours = float(((own["end_s"] - own["down_s"]) * own["replicas"]).sum()) / HOUR_S
            found[name] = {"count": len(own), "replicas": int(own["replicas"].sum()), "replica_hours": hours}
    return found


def _timeline(observed: Observed, i: int, needed: np.ndarray | None) -> dict[str, Any]:
    """Means over stretches of equally many windows, POINTS of them at most; the last may be shorter."""
    span, series = observed.span, observed.fleet[i]
    every = math.ceil(len(span.width_s) / POINTS)
    cuts = np.arange(0, len(span.width_s), every)
    width_s = np.add.reduceat(span.width_s, cuts)

    def mean(replica_s: np.ndarray) -> list[float]:
        return [round(float(x), 3) for x in np.add.reduceat(replica_s, cuts) / width_s]

    return {
        "start_s": [float(t) for t in span.window_start_s[cuts]],
        "open": mean(series.open),
        "powered": mean(series.powered),
        "out": mean(series.out),
        "needed": None if needed is None else mean(needed * span.width_s),
        "waiting": mean(span.columns[i][:, S.WAITING_S]),
    }
