"""Is more offered than the fleet can serve? Then the backlog grows, and every percentile with the run's length.

A queue that is stable may still be long in bursts, so its height says little. What tells an overload is that the
backlog grows all the time that requests arrive, at a rate that is a fair part of the arrivals. Only the last half
of that time counts, when batches have filled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEAST_SHARE = 0.03
"""Of the arrivals must stay behind: a load of 1.03. Below that a run cannot tell overload from chance."""
LEAST_REQUESTS = 10.0
LEAST_STEADINESS = 0.3
"""Of its mean growth must be seen in each part of the time: bursts come and go, an overload does not."""
PARTS = 4
LEAST_WINDOWS = 3
SETTLED_SHARE = 0.2
"""Of the time with arrivals may the mean time on a replica be, for batches to have filled by half of it."""


@dataclass(frozen=True)
class Backlog:
    """What is known of one router's queues over the time in which requests arrived.

    offered_rps: arrivals [requests/s], None without a stretch of time.  grows_rps: how much of it stays behind, 0 if the fleet keeps up; None if
    there are too few windows to tell.  waiting_at_end: requests in queues as the last arrived.
    settled: whether the run is long enough, against the time a request spends on a replica, for a steady state.
    """

    offered_rps: float | None
    grows_rps: float | None
    waiting_at_end: float
    settled: bool


def backlog(
    times_s: np.ndarray, waiting: np.ndarray, in_system: np.ndarray, *, arrived: int, service_s: float
) -> Backlog:
    """Judge the queues behind one router.

    times_s, waiting, in_system: float64[N], middles of the windows with arrivals, evenly spaced, and the mean
        requests in queues and in the system in each.
    arrived: requests in these windows.  service_s: mean time on a replica after the wait [s].
    """
    count = len(times_s)
    length_s = float(times_s[-1] - times_s[0]) * count / (count - 1) if count > 1 else 0.0
    at_end = float(waiting[-1]) if count else 0.0
    settled = service_s <= SETTLED_SHARE * length_s
    if count - count // 2 < LEAST_WINDOWS:
        return Backlog(arrived / length_s if length_s else None, None, at_end, settled)
    offered = arrived / length_s
    last_half = slice(count // 2, None)
    candidates = (waiting, in_system) if settled else (waiting,)
    found = [growth_per_s(times_s[last_half], c[last_half], offered) for c in candidates]
    return Backlog(offered, max(found), at_end, settled)


def growth_per_s(times_s: np.ndarray, requests: np.ndarray, offered_rps: float) -> float:
    """Steady growth of a number of requests [requests/s], or 0 where it does not grow steadily.

    Taken from the lowest value in each of a few equal parts of the time, which bursts hardly move.
    """
    parts = min(PARTS, len(times_s))
    lows = np.array([part.min() for part in np.array_split(requests, parts)])
    middles = np.array([part.mean() for part in np.array_split(times_s, parts)])
    slope = float(np.polyfit(middles, lows, 1)[0])
    length_s = float(times_s[-1] - times_s[0]) * len(times_s) / (len(times_s) - 1)
    least = max(LEAST_SHARE * offered_rps * length_s, LEAST_REQUESTS, math.sqrt(offered_rps * length_s))
    steady = (np.diff(lows) >= LEAST_STEADINESS * slope * np.diff(middles)).all()
    return slope if slope * length_s >= least and steady else 0.0
