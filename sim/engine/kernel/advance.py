"""The data plane's loop: take events in their total order up to a given tick."""

from __future__ import annotations

from sim.engine.kernel import draw, tournament
from sim.engine.kernel.clock import ARRIVE, END, NEVER_TICK, key_of, seconds_of, tick_of
from sim.engine.kernel.ident import name_of, number_of, pass_of, workload_of
from sim.engine.kernel.jit import entry, inlined
from sim.engine.kernel.offer import (
    first_stranded,
    lose_patience,
    offer,
    over_limit,
    refuse,
    refuse_pass,
)
from sim.engine.kernel.program import begin_request, go_on, output_tokens
from sim.engine.kernel.record import window_of
from sim.engine.kernel.replica import begin, end
from sim.engine.kernel.spawned import drop_first, spawn
from sim.engine.kernel.texts import input_tokens
from sim.engine.plan import CLOSED
from sim.engine.state import (
    ARRIVED,
    FREE_HEAD,
    FREE_NODES,
    FREE_REQUEST,
    JOINED,
    LIMITED,
    NEXT_STREAM,
    NEXT_TICK,
    NONE,
    ON_THE_WAY,
    SHED,
    SPAWNED,
    STRANDED,
    STRANDED_TICK,
)

REACHED, NEED_CALLS, NEED_WINDOWS, NEED_SPAWNED, NEED_REQUESTS, NEED_NODES = range(6)


@entry
def start(plan, st):
    """Draw the first arrivals, and let the clients of closed loops ask at time 0."""
    for w in range(plan.workloads.size):
        workload = plan.workloads[w]
        if workload.process == CLOSED:
            stream = st.streams[w]
            stream.finished = 1
            for _ in range(min(workload.clients, workload.limit)):
                spawn(st, 0, name_of(w, stream.issued * plan.cells + plan.cell), NONE, 0)
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
        if stream.head < stream.count:
            at = max(st.chunk_tick[w, stream.head], st.hold[w])
            if at < tick:
                best, tick = w, at
    st.scalars[NEXT_STREAM] = best
    st.scalars[NEXT_TICK] = tick


@entry
def advance(plan, st, until_tick):
    """Process every event before `until_tick`. Returns REACHED, or what the state must first be given more of."""
    until = key_of(until_tick, END)
    windows = st.windows.shape[1]
    most_spawned = st.spawned_tick.size - plan.most_calls - st.ended.size
    while True:
        if st.scalars[SPAWNED] > most_spawned:
            return NEED_SPAWNED
        if st.scalars[JOINED] > 0:
            go_on(plan, st)
            continue
        stranded = st.scalars[STRANDED] != NONE
        r = tournament.first(st.events)
        event = tournament.key_at(st.events, r)
        arrival_tick = st.scalars[NEXT_TICK]
        if st.scalars[SPAWNED] > 0:
            arrival_tick = min(arrival_tick, st.spawned_tick[0])
        arrival = key_of(arrival_tick, ARRIVE)
        if min(event, arrival) >= until and not stranded:
            return REACHED
        if event < arrival and not stranded:
            if st.scalars[FREE_NODES] < plan.most_nodes:
                return NEED_NODES
            if (event & 3) == END:
                if window_of(plan, st.replicas[r].end_s) >= windows:
                    return NEED_WINDOWS
                end(plan, st, r)
            else:
                begin(plan, st, r)
        else:
            if stranded:
                c, tick = first_stranded(st), st.scalars[STRANDED_TICK]
            else:
                if st.scalars[FREE_HEAD] == NONE:
                    return NEED_CALLS
                if st.scalars[FREE_REQUEST] == NONE:
                    return NEED_REQUESTS
                if window_of(plan, seconds_of(arrival_tick)) >= windows:
                    return NEED_WINDOWS
                c, tick = _arrive(plan, st, arrival_tick), arrival_tick
            if c != NONE:  # the one place where this is done: it is large, and inlined
                offer(plan, st, c, tick, not stranded)


@inlined
def _arrive(plan, st, tick):
    """The next arrival, spawned or open, whichever has the lower (tick, name): the call to be offered, or NONE."""
    open_stream = st.scalars[NEXT_STREAM]
    spawned = st.scalars[SPAWNED] > 0 and st.spawned_tick[0] == tick
    if spawned and st.scalars[NEXT_TICK] == tick:
        stream = st.streams[open_stream]
        open_id = name_of(open_stream, st.chunk_number[open_stream, stream.head])
        spawned = st.spawned_id[0] < open_id
    q = NONE
    came = tick  # a held request came before it is let in
    if spawned:
        call_id = st.spawned_id[0]
        q = st.spawned_request[0]
        came = st.spawned_came[0]
        drop_first(st)
        if q < NONE and came == ON_THE_WAY:
            st.calls[NONE - 1 - q].since_s = seconds_of(tick)  # its KV has come from where it was prefilled
            return NONE - 1 - q
        if q < NONE:
            lose_patience(plan, st, NONE - 1 - q, call_id, tick)
            return NONE
        w = workload_of(call_id)
        if q == NONE:
            number = number_of(call_id)
            input_, output = draw.length(plan, w, 0, number), draw.length(plan, w, 1, number)
        else:
            input_, output = input_tokens(plan, st, q), output_tokens(plan, st, q, call_id)
    else:
        w = open_stream
        stream = st.streams[w]
        i = stream.head
        call_id = name_of(w, st.chunk_number[w, i])
        input_, output = int(st.chunk_input[w, i]), int(st.chunk_output[w, i])
        came = st.chunk_tick[w, i]
        stream.head = i + 1
        next_stream(plan, st)
    in_session = plan.workloads[w].sessions == 1
    turn = q != NONE and in_session  # a request of its own
    if turn and st.requests[q].passes == 1:
        came = tick_of(st.requests[q].arrive_s)  # with the time for which the session was held
    measured = came >= plan.warmup_tick
    if turn:
        st.counters[w, ARRIVED] += measured
        if st.shed[w] == 1:
            refuse_pass(plan, st, q, measured, tick, SHED)
            return NONE
    elif q == NONE:
        st.counters[w, ARRIVED] += measured and pass_of(call_id) == 0 and not in_session
        why = NONE
        if st.shed[w] == 1:
            why = SHED
        elif over_limit(plan, st, w, tick):
            why = LIMITED
        if why != NONE:
            refuse(plan, st, call_id, came, measured, tick, why)
            return NONE
        if plan.workloads[w].stages > 0:
            begin_request(plan, st, call_id, input_, output, came, tick)
            return NONE
    c = st.scalars[FREE_HEAD]
    call = st.calls[c]
    st.scalars[FREE_HEAD] = call.next
    call.id = call_id
    call.input = input_
    call.output = output
    call.arrive_s = seconds_of(came)
    call.since_s = seconds_of(tick)
    call.admit_s = -1.0
    call.first_s = -1.0
    call.done = 0
    call.measured = measured if q == NONE or turn else st.requests[q].measured
    st.call_request[c] = q
    if q != NONE:
        st.call_cached[c] = 0
    return c
