"""The data plane's loop: take events in their total order up to a given tick."""

from __future__ import annotations

from sim.engine.kernel import draw, tournament
from sim.engine.kernel.clock import ARRIVE, END, NEVER_TICK, key_of, seconds_of
from sim.engine.kernel.jit import entry, inlined
from sim.engine.kernel.record import window_of
from sim.engine.kernel.replica import begin, end, enqueue, release
from sim.engine.kernel.route import route
from sim.engine.kernel.spawned import pop_spawned, spawn
from sim.engine.plan import CLOSED
from sim.engine.state import (
    ARRIVED,
    FREE_HEAD,
    NEXT_STREAM,
    NEXT_TICK,
    NONE,
    REJECTED,
    SPAWNED,
)

REACHED, NEED_CALLS, NEED_WINDOWS = 0, 1, 2
RETRY_TICKS = 1 << 30
"""A closed-loop client whose request is rejected thinks for at least a second before it asks again."""


@entry
def start(plan, st):
    """Draw the first arrivals, and let the clients of closed loops ask at time 0."""
    for w in range(plan.workloads.size):
        workload = plan.workloads[w]
        if workload.process == CLOSED:
            stream = st.streams[w]
            stream.finished = 1
            for _ in range(min(workload.clients, workload.limit)):
                c = st.scalars[FREE_HEAD]
                st.scalars[FREE_HEAD] = st.calls[c].next
                spawn(st, c, (w << 48) | (stream.issued * plan.cells + plan.cell), 0)
                stream.issued += 1
    next_stream(plan, st)


@inlined
def next_stream(plan, st):
    """Find the workload whose open arrival comes next; refill chunks that ran dry."""
    best = NONE
    tick = NEVER_TICK
    for w in range(plan.workloads.size):
        stream = st.streams[w]
        while stream.head == stream.count and stream.finished == 0:
            draw.refill(
                plan, w, stream, st.chunk_tick[w], st.chunk_number[w], st.chunk_input[w], st.chunk_output[w]
            )
        if stream.head < stream.count and st.chunk_tick[w, stream.head] < tick:
            best, tick = w, st.chunk_tick[w, stream.head]
    st.scalars[NEXT_STREAM] = best
    st.scalars[NEXT_TICK] = tick


@entry
def advance(plan, st, until_tick):
    """Process every event before `until_tick`. Returns REACHED, or what the state must first be given more of."""
    until = key_of(until_tick, END)
    windows = st.windows.shape[1]
    while True:
        r = tournament.first(st.events)
        event = tournament.key_at(st.events, r)
        arrival_tick = st.scalars[NEXT_TICK]
        if st.scalars[SPAWNED] > 0:
            arrival_tick = min(arrival_tick, st.spawned_tick[0])
        arrival = key_of(arrival_tick, ARRIVE)
        if min(event, arrival) >= until:
            return REACHED
        if event < arrival:
            if (event & 3) == END:
                if window_of(plan, st.replicas[r].end_s) >= windows:
                    return NEED_WINDOWS
                end(plan, st, r)
            else:
                begin(plan, st, r)
        else:
            if st.scalars[FREE_HEAD] == NONE:
                return NEED_CALLS
            if window_of(plan, seconds_of(arrival_tick)) >= windows:
                return NEED_WINDOWS
            _arrive(plan, st, arrival_tick)


@inlined
def _arrive(plan, st, tick):
    """The next arrival, spawned or open, whichever has the lower (tick, request id)."""
    open_stream = st.scalars[NEXT_STREAM]
    spawned = st.scalars[SPAWNED] > 0 and st.spawned_tick[0] == tick
    if spawned and st.scalars[NEXT_TICK] == tick:
        stream = st.streams[open_stream]
        open_id = (open_stream << 48) | st.chunk_number[open_stream, stream.head]
        spawned = st.calls[st.spawned_call[0]].id < open_id
    if spawned:
        c = pop_spawned(st)
        call = st.calls[c]
        w = call.id >> 48
        number = call.id & ((1 << 48) - 1)
        call.input = draw.length(plan, w, 0, number)
        call.output = draw.length(plan, w, 1, number)
    else:
        w = open_stream
        stream = st.streams[w]
        i = stream.head
        c = st.scalars[FREE_HEAD]
        call = st.calls[c]
        st.scalars[FREE_HEAD] = call.next
        call.id = (w << 48) | st.chunk_number[w, i]
        call.input = st.chunk_input[w, i]
        call.output = st.chunk_output[w, i]
        stream.head = i + 1
        next_stream(plan, st)
    call.arrive_s = seconds_of(tick)
    call.since_s = call.arrive_s
    call.admit_s = -1.0
    call.first_s = -1.0
    call.done = 0
    call.measured = tick >= plan.warmup_tick
    st.counters[w, ARRIVED] += call.measured
    r = route(plan, st, plan.workloads[w].group, call.id, tick)
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    if replica.queued >= pool.queue_limit or call.input + call.output > pool.kv_capacity:
        st.counters[w, REJECTED] += call.measured
        release(plan, st, c, tick + RETRY_TICKS)
    else:
        enqueue(plan, st, r, c, tick)
