"""Calls that the run itself will issue, in a heap ordered by (tick, name)."""

from __future__ import annotations

from sim.engine.kernel.jit import inlined
from sim.engine.state import SPAWNED


@inlined
def spawn(st, tick, call_id, request, came):
    """Let call `call_id` arrive at `tick`, as a pass of the request in slot `request` or as a request of its own.

    came: tick at which the request first came.  For other values of `request` see `State`.
    """
    ticks, ids, requests, cames = st.spawned_tick, st.spawned_id, st.spawned_request, st.spawned_came
    i = st.scalars[SPAWNED]
    while i > 0:
        parent = (i - 1) >> 1
        if not _before(tick, call_id, ticks[parent], ids[parent]):
            break
        ticks[i], ids[i], requests[i] = ticks[parent], ids[parent], requests[parent]
        cames[i] = cames[parent]
        i = parent
    ticks[i], ids[i], requests[i], cames[i] = tick, call_id, request, came
    st.scalars[SPAWNED] += 1


@inlined
def drop_first(st):
    """Remove the first spawned call, which stands at index 0."""
    ticks, ids, requests, cames = st.spawned_tick, st.spawned_id, st.spawned_request, st.spawned_came
    count = st.scalars[SPAWNED] - 1
    st.scalars[SPAWNED] = count
    tick, call_id = ticks[count], ids[count]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= count:
            break
        if child + 1 < count and _before(ticks[child + 1], ids[child + 1], ticks[child], ids[child]):
            child += 1
        if not _before(ticks[child], ids[child], tick, call_id):
            break
        ticks[i], ids[i], requests[i] = ticks[child], ids[child], requests[child]
        cames[i] = cames[child]
        i = child
    ticks[i], ids[i], requests[i], cames[i] = tick, call_id, requests[count], cames[count]


@inlined
def _before(tick, call_id, other_tick, other_id):
    return tick < other_tick or (tick == other_tick and call_id < other_id)
