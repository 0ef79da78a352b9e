"""Calls that the run itself will issue, in a heap ordered by (tick, request id)."""

from __future__ import annotations

from sim.engine.kernel.jit import inlined
from sim.engine.state import SPAWNED


@inlined
def spawn(st, c, call_id, tick):
    """Let call slot `c` arrive at `tick` as request `call_id`."""
    st.calls[c].id = call_id
    i = st.scalars[SPAWNED]
    ticks, calls = st.spawned_tick, st.spawned_call
    while i > 0:
        parent = (i - 1) >> 1
        if not spawned_before(st, tick, call_id, ticks[parent], calls[parent]):
            break
        ticks[i], calls[i] = ticks[parent], calls[parent]
        i = parent
    ticks[i], calls[i] = tick, c
    st.scalars[SPAWNED] += 1


@inlined
def spawned_before(st, tick, call_id, other_tick, other_call):
    """Order of the heap of spawned calls: by tick, then by request."""
    return tick < other_tick or (tick == other_tick and call_id < st.calls[other_call].id)


@inlined
def pop_spawned(st):
    """Remove the first spawned call and return its slot."""
    ticks, calls = st.spawned_tick, st.spawned_call
    first = calls[0]
    count = st.scalars[SPAWNED] - 1
    st.scalars[SPAWNED] = count
    tick, c = ticks[count], calls[count]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= count:
            break
        if child + 1 < count and spawned_before(
            st, ticks[child + 1], st.calls[calls[child + 1]].id, ticks[child], calls[child]
        ):
            child += 1
        if not spawned_before(st, ticks[child], st.calls[calls[child]].id, tick, c):
            break
        ticks[i], calls[i] = ticks[child], calls[child]
        i = child
    ticks[i], calls[i] = tick, c
    return first
