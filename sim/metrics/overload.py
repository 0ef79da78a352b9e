"""Is more offered than the fleet can serve? Then the backlog grows, and every percentile with the run's length.

A queue that is stable may still be long in bursts, so its length says little. Overload shows in three things
together, over the time in which requests arrive, without its first quarter when batches fill: the queue gains a fair
share of the arrivals; it gains more than its ups and downs would by chance; and even its lowest late in the run is
above its lowest early in it, which a burst at the end does not bring about.

Tried on nine pools of three schedulers and several mixes of lengths, under Poisson and bursty (gamma, cv 4) arrivals:
no false alarm in 144 one-hour runs at 80 and 90 % of capacity, none missed in 144 at 110 and 120 %. In ten minutes of
bursts on one replica, chance and overload of 10 % cannot be told apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SKIPPED = 0.25
"""Of the time with arrivals, at its start."""
LEAST_SHARE = 0.03
"""Of the arrivals must stay behind: a load of 1.03. Below that a run cannot tell overload from chance."""
LEAST_REQUESTS = 10.0
LEAST_SIGNIFICANCE = 1.0
"""Mean growth over its standard error, from one block of time to the next."""
LEAST_LOW = 0.5
"""Of the mean growth must show in the lowest of the last quarter against that of the first."""
BLOCKS = 8
SETTLED_SHARE = 0.2
"""Of the time with arrivals may the mean time on a replica be, for batches to have filled in the skipped part."""


@dataclass(frozen=True)
class Backlog:
    """What is known of one router's queues over the time in which requests arrived.

    offered_rps: arrivals [requests/s], None without a stretch of time.  grows_rps: how much of it stays behind, 0 if
    the fleet keeps up; None if there are too few windows to tell.  waiting_at_end: requests in queues as the last
    arrived.  settled: whether the run is long enough, against the time on a replica, for batches to settle
    (if requests arrive over time at all).
    """

    offered_rps: float | None
    grows_rps: float | None
    waiting_at_end: float
    settled: bool


def backlog(waiting: np.ndarray, *, window_s: float, arrived: int, service_s: float) -> Backlog:
    """Judge the queues behind one router.

    waiting: float64[N], mean requests in queues in each window of `window_s` in which requests arrived.
    arrived: requests in these windows.  service_s: mean time on a replica after the wait [s].
    """
    length_s = len(waiting) * window_s
    at_end = float(waiting[-1]) if len(waiting) else 0.0
    settled = not length_s or service_s <= SETTLED_SHARE * length_s
    judged = waiting[int(len(waiting) * SKIPPED) :]
    if len(judged) < BLOCKS:
        return Backlog(arrived / length_s if length_s else None, None, at_end, settled)
    offered = arrived / length_s
    return Backlog(offered, growth_per_s(judged, window_s, offered), at_end, settled)


def growth_per_s(waiting: np.ndarray, window_s: float, offered_rps: float) -> float:
    """How fast a queue grows [requests/s], or 0 where it does not grow steadily; of `BLOCKS` windows at least."""
    levels = np.array([block.mean() for block in np.array_split(waiting, BLOCKS)])
    block_s = len(waiting) / BLOCKS * window_s
    gains = np.diff(levels) / block_s
    slope, error = float(gains.mean()), float(gains.std(ddof=1)) / math.sqrt(len(gains))
    quarter = len(waiting) // 4
    low_gain = float(waiting[-quarter:].min() - waiting[:quarter].min())
    quarters_s = (len(waiting) - quarter) * window_s
    grows = (
        slope >= LEAST_SHARE * offered_rps
        and slope * len(waiting) * window_s >= LEAST_REQUESTS
        and slope >= LEAST_SIGNIFICANCE * error
        and low_gain >= LEAST_LOW * slope * quarters_s
    )
    return slope if grows and slope > 0 else 0.0
