"""How many replicas there should be: the policies of a scaler, as functions of what it sees at each decision.

Each maker returns a policy for one cell. Counts are whole replicas; the scaler keeps them within its bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sim.engine.fleet.spec import Policy, Seen
from sim.engine.kernel.clock import TICKS_PER_S

HOUR_S = 3600.0
TOLERANCE = 0.1
"""Of the present count may the wanted one differ without a change: Kubernetes'
--horizontal-pod-autoscaler-tolerance."""
CALM = 0.5
"""Of the waiting calls that start a replica must not be there for one to be stopped."""


def queue_policy(waiting: float, held: float) -> Policy:
    """As many more as would hold what waits, at `held` calls each, where more than `waiting` wait per replica; one
    fewer where less than CALM of that does."""

    def desired(seen: Seen) -> int:
        each = seen.waiting / max(seen.replicas, 1)
        if each > waiting or (seen.waiting and not seen.replicas):
            return seen.replicas + math.ceil(seen.waiting / held)
        return seen.replicas - 1 if each < CALM * waiting else seen.replicas

    return desired


def utilization_policy(held: float) -> Policy:
    """All calls over those that a replica is to hold, unless that is within TOLERANCE of what there is."""

    def desired(seen: Seen) -> int:
        wanted = seen.calls / held
        if abs(wanted - seen.replicas) <= TOLERANCE * seen.replicas:
            return seen.replicas
        return math.ceil(wanted)

    return desired


def scheduled_policy(by_hour: Sequence[int], start_hour: float, lead_tick: int) -> Policy:
    """What the schedule says for the time at which a replica would be ready that is started now, or for now, whichever
    is more. by_hour: of a day or a week, of which the run begins at `start_hour`."""

    def at(tick: int) -> int:
        hour = start_hour + tick / TICKS_PER_S / HOUR_S
        return by_hour[int(hour + 1e-9) % len(by_hour)]

    return lambda seen: max(at(seen.tick), at(seen.tick + lead_tick))


def forecast_policy(each_rps: float, share: float, *, lead: int, season: int, window: int) -> Policy:
    """The pool's `share` of the rate of calls that is expected when a new replica would be ready, over the rate
    `each_rps` that it is meant to serve.

    lead, season, window: in decisions, which come at equal times. With r(k) the mean rate over the `window` up to
    decision k, the forecast is r(k - season + lead) x r(k) / r(k - season); as long as that is not known, r(k) and its
    gain over the last `window` carried on for `lead`. The present rate is the least.
    """
    asked: list[int] = []
    ticks: list[int] = []

    def rate(k: int) -> float | None:
        """Mean over the window up to decision `k` [calls/s]; None before there was one."""
        if k - window < 0:
            return None
        return (asked[k] - asked[k - window]) * TICKS_PER_S / (ticks[k] - ticks[k - window])

    def expected(k: int, now: float) -> float:
        then = rate(k - season)
        if then and lead <= season:
            later = rate(k - season + lead)
            return now if later is None else later * now / then
        before = rate(k - window)
        return now if before is None else now + (now - before) * lead / window

    def desired(seen: Seen) -> int:
        asked.append(seen.asked)
        ticks.append(seen.tick)
        k = len(asked) - 1
        now = rate(k)
        if now is None:
            return seen.replicas
        return math.ceil(max(now, expected(k, now)) * share / each_rps - 1e-9)

    return desired
