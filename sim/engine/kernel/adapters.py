"""Adapters (LoRA) in the memory of replicas: which a request is for, and which are there.

A replica has a number of places. An adapter that a running call is for keeps its place; of the others the one that
has been unused longest gives way to an adapter that is loaded. A call whose adapter finds no place waits at the head
of the queue.
"""

from __future__ import annotations

from sim.engine.kernel import rng
from sim.engine.kernel.ident import number_of
from sim.engine.kernel.jit import inlined
from sim.engine.kernel.record import window_of
from sim.engine.state import ADAPTERS_ASKED, ADAPTERS_LOADED, NONE


@inlined
def adapter_of(plan, pool, call_id):
    """Number of the adapter that a request is for: all of its passes are for the same one."""
    key = plan.workloads[call_id >> 54].adapter_key
    u = rng.uniform(key, number_of(call_id) * rng.DRAWS)
    low, high = 0, pool.adapters - 1
    while low < high:
        middle = (low + high) >> 1
        if plan.adapter_p[pool.adapter_first + middle] < u:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def place_for(st, r, slots, adapter):
    """Where `adapter` is on replica `r`, else the place that it would take there, or NONE."""
    places = st.adapters[r]
    best = NONE
    for i in range(slots):
        if places[i].id == adapter:
            return i
        if places[i].users == 0 and (best == NONE or places[i].unused < places[best].unused):
            best = i
    return best


@inlined
def hold_adapter(plan, st, r, place, adapter, time_s):
    """A call that is for `adapter` is admitted: load it into `place` if it is not there."""
    entry = st.adapters[r, place]
    windows = st.windows[st.replicas[r].pool]
    w = window_of(plan, time_s)
    windows[w, ADAPTERS_ASKED] += 1
    if entry.id != adapter:
        entry.id = adapter
        windows[w, ADAPTERS_LOADED] += 1
        st.adapter_loads[r] += 1
    entry.users += 1


@inlined
def release_adapter(plan, st, r, call_id):
    """A call no longer runs on replica `r`: its adapter stays as long as no other needs the place."""
    pool = plan.pools[st.replicas[r].pool]
    places = st.adapters[r]
    adapter = adapter_of(plan, pool, call_id)
    i = 0
    while places[i].id != adapter:
        i += 1
    places[i].users -= 1
    if places[i].users == 0:
        st.adapter_releases[r] += 1
        places[i].unused = st.adapter_releases[r]


@inlined
def forget_adapters(st, r):
    """Replica `r`, on which no call runs, loses its memory."""
    for place in st.adapters[r]:
        place.id = NONE
        place.unused = 0
