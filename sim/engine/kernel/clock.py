"""Time: a replica's own clock is a float [s]; events are ordered by whole ticks of 2**-30 s (0.93 ns).

The kernel sums many steps in closed form and the reference engine adds them one by one, so their floats differ in
the last digits. Ordered by tick, what happens at one instant stays at one instant in both. The total order of
events is (tick, kind, id): at one tick all steps end, then all calls arrive, then all steps begin; steps by replica
number, arrivals by request id.
"""

from __future__ import annotations

import numpy as np

from sim.engine.kernel.jit import scalar

TICKS_PER_S = 2.0**30
NEVER_TICK = 1 << 60
NEVER = NEVER_TICK << 2
"""Key of an event that is not planned."""

END, ARRIVE, BEGIN = 0, 1, 2


@scalar
def tick_of(time_s):
    """The tick nearest to `time_s` [s]."""
    return int(np.rint(time_s * TICKS_PER_S))


@scalar
def seconds_of(tick):
    """`tick` as seconds; exact below 2**23 s (97 days)."""
    return tick / TICKS_PER_S


@scalar
def key_of(tick, kind):
    """Sort key of an event: tick first, then kind."""
    return (tick << 2) | kind
