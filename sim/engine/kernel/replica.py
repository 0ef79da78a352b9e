"""One replica: which calls its segments of steps take in, and what they bring."""

from __future__ import annotations

from sim.engine.kernel import heap, tournament
from sim.engine.kernel.adapters import adapter_of, hold_adapter, place_for, release_adapter
from sim.engine.kernel.clock import BEGIN, END, NEVER, key_of, seconds_of, tick_of
from sim.engine.kernel.handover import hand_over, release_source
from sim.engine.kernel.jit import inlined
from sim.engine.kernel.lanes import (
    class_of,
    count_outstanding,
    free_call,
    leave_queue,
    queue_last,
)
from sim.engine.kernel.preempt import (
    CALL_BITS,
    CALL_MASK,
    gives_way,
    preempt,
    room_of,
    steps_for,
    stop_decoding,
    strand,
)
from sim.engine.kernel.prefetch import prefetch
from sim.engine.kernel.prefix import admit_prefix, leave_output, make_room
from sim.engine.kernel.program import ask_again, call_ended, fly
from sim.engine.kernel.record import completed, pass_completed, spread, waited
from sim.engine.kernel.segment import book_segment, cut, lay_segment, schedule
from sim.engine.plan import CHUNKED_PREFILL, DECODE, PREFILL, PREFILL_FIRST, STATIC
from sim.engine.state import (
    DECODED,
    DYING,
    NONE,
    PREEMPTED,
    SYSTEM_S,
)


@inlined
def enqueue(plan, st, r, c, tick):
    """A call arrives at replica `r`: wake an idle replica, or cut a segment that the call may join."""
    replica = st.replicas[r]
    queue_last(plan, st, r, c)
    count_outstanding(plan, st, r, 1)
    event = tournament.key_at(st.events, r)
    if event == NEVER:
        replica.end_s = seconds_of(tick)
        schedule(st, r, key_of(tick, BEGIN))
    elif replica.queue_head == c and replica.segment_steps > 1 and (event & 3) == END:
        look_again(plan, st, r, tick)


@inlined
def look_again(plan, st, r, tick):
    """Another call is the first in the queue of replica `r`: let the decode segment end where it may join."""
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    if pool.scheduler != STATIC and (
        replica.running < pool.max_batch or gives_way(plan, st, r, st.calls[replica.queue_head])
    ):
        cut(plan, st, r, tick)


@inlined
def begin(plan, st, r):
    """Choose the batch of the next segment of replica `r`, from the time that stands in `end_s`, or go idle."""
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    time_s = replica.end_s
    preempted = replica.kv > pool.kv_capacity
    while replica.kv > pool.kv_capacity:
        preempt(plan, st, r, time_s, PREEMPTED)
    if pool.prefix_block > 0:
        make_room(plan, st, r)
    tokens, admitted = 0, 0
    attention = 0.0
    batch = replica.decoding
    whole = pool.scheduler != CHUNKED_PREFILL
    budget = pool.token_budget
    if pool.scheduler == STATIC:
        open_ = replica.running == 0
        budget = 1 << 30
    else:
        open_ = replica.queued > 0 and not preempted
        if not whole:
            budget -= batch * pool.width
            if replica.partial != NONE:
                tokens, attention = _go_on(st, replica, budget)
    if open_ and budget > tokens:
        admitted, more, work = _admit(plan, st, r, time_s, budget - tokens, whole)
        tokens += more
        attention += work
        batch = replica.decoding  # some may have given way, or joined from where they were prefilled
        if pool.scheduler == PREFILL_FIRST and tokens > 0:
            batch = 0  # decoding stands still while prompts are prefilled
    if batch == 0 and tokens == 0:
        schedule(st, r, NEVER)
        return
    lay_segment(plan, st, r, batch, tokens, attention, admitted)


@inlined
def _go_on(st, replica, budget):
    """Prefill more of the partly prefilled prompt: (tokens, attention work)."""
    c = replica.partial
    call = st.calls[c]
    need = call.input + call.done - replica.partial_done
    take = min(need, budget)
    work = take * (replica.partial_done + 0.5 * take)
    replica.partial_done += take
    if take == need:
        replica.partial = NONE
        _end_prefill_with_step(st, replica, c)
    return take, work


@inlined
def _admit(plan, st, r, time_s, budget, whole):
    """Admit calls from the queue in order while batch, KV room and token budget last.

    `whole`: prompts are prefilled whole (the first even if it is longer than the budget); else the last one may be
    cut. Returns (calls admitted, tokens, attention work).
    """
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    admitted = 0
    tokens = 0
    attention = 0.0
    while replica.queued > 0 and tokens < budget:
        c = replica.queue_head
        call = st.calls[c]
        need = call.input + call.done
        joins = pool.role == DECODE and st.call_source[c] != NONE  # its prompt was prefilled elsewhere
        if whole and tokens > 0 and tokens + need > budget and not joins:
            break
        if plan.classes > 1 and replica.running >= plan.workloads[call.id >> 54].admit_below:
            break
        while True:  # one place: what is inlined is large
            found = _take_room(plan, st, r, c, joins)
            if found != NONE or not gives_way(plan, st, r, call):
                break
            stop_decoding(plan, st, r, time_s, PREEMPTED)
        if found == NONE:
            break
        leave_queue(plan, st, r)
        waited(plan, st, replica.pool, call, time_s)
        if call.admit_s < 0.0:
            call.admit_s = time_s
        call.order = replica.admissions
        replica.admissions += 1
        replica.running += 1
        admitted += 1
        if joins:
            _decode(plan, st, r, c)
            release_source(plan, st, c, tick_of(time_s))
            if not whole:
                budget -= pool.width
            continue
        need -= found
        take = need if whole else min(need, budget - tokens)
        tokens += take
        attention += take * (found + 0.5 * take)
        if take == need:
            _end_prefill_with_step(st, replica, c)
        else:
            replica.partial = c
            replica.partial_done = found + take
    return admitted, tokens, attention


@inlined
def _take_room(plan, st, r, c, joins):
    """A place in the batch, for its adapter and in the KV room for call `c`: tokens found in a cache, or NONE.

    joins: it decodes at once, so that it holds what it has emitted and no token to come.
    """
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    if replica.running >= pool.max_batch:
        return NONE
    adapter, place = NONE, NONE
    if pool.adapter_slots > 0:
        adapter = adapter_of(plan, pool, st.calls[c].id)
        place = place_for(st, r, pool.adapter_slots, adapter)
        if place == NONE:
            return NONE
    room = room_of(pool, st.calls[c]) - (1 if joins and pool.reserve_full == 0 else 0)
    limit = pool.kv_admit if replica.running > 0 else pool.kv_capacity
    found = 0
    if pool.prefix_block > 0:
        found = admit_prefix(plan, st, r, c, room, limit)
    elif replica.kv + room > limit:
        found = NONE
    else:
        replica.kv += room
    if place != NONE and found != NONE:
        hold_adapter(plan, st, r, place, adapter, replica.end_s)
    return found


@inlined
def _end_prefill_with_step(st, replica, c):
    st.calls[c].next = replica.ending
    replica.ending = c


@inlined
def end(plan, st, r):
    """End the segment of replica `r`: emit its tokens, complete calls, and plan the next begin."""
    replica = st.replicas[r]
    p = replica.pool
    pool = plan.pools[p]
    steps = replica.segment_steps
    row = st.finishing[r]
    # what ends is likely to be long out of the cache
    prefetch(st.calls, row[0] & CALL_MASK)  # pyright: ignore[reportCallIssue]
    book_segment(plan, st, replica, steps)
    if replica.batch > 0:
        replica.steps += steps
    emitted = replica.batch * steps * pool.tokens_per_step
    replica.context += emitted
    if pool.reserve_full == 0:
        replica.kv += emitted
    ended = 0
    while replica.decoding > 0 and (row[0] >> CALL_BITS) <= replica.steps:
        c = heap.pop(row, replica.decoding) & CALL_MASK
        replica.decoding -= 1
        call = st.calls[c]
        if plan.classes > 1:
            st.lanes[r, class_of(plan, call)].decoding -= 1
        replica.context -= call.input + call.output
        if pool.tokens_per_step != 1.0:
            surplus = _surplus(pool, call)
            replica.context -= surplus
            spread(plan, st.windows, p, DECODED, replica.begin_s, replica.end_s, -surplus)
        st.ended[ended] = c
        ended += 1
    ended = _end_prefills(plan, st, r, ended)
    if replica.decoding == 0:
        replica.context = 0.0  # static batches pad the short members up to the longest
    if ended > 1:
        _sort_by_id(st, ended)
    for i in range(ended):
        _complete(plan, st, r, st.ended[i])
    if st.standing[r] == DYING:
        strand(plan, st, r)
    elif replica.running > 0 or replica.queued > 0:
        schedule(st, r, key_of(tick_of(replica.end_s), BEGIN))
    else:
        schedule(st, r, NEVER)


@inlined
def _end_prefills(plan, st, r, ended):
    """First tokens of the calls whose prefill ends now; those with more to say go on decoding, here or elsewhere."""
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    longest = 0
    c = replica.ending if pool.scheduler == STATIC else NONE
    while c != NONE:
        longest = max(longest, st.calls[c].output)
        c = st.calls[c].next
    c = replica.ending
    replica.ending = NONE
    while c != NONE:
        call = st.calls[c]
        following = call.next
        if call.first_s < 0.0:
            call.first_s = replica.end_s
        call.done = min(call.done + 1, call.output)
        left = call.output - call.done
        if pool.scheduler == STATIC:
            left = max(longest - 1, 0)  # the batch returns as one, when its longest member is done
        if left == 0:
            st.ended[ended] = c
            ended += 1
        elif pool.role == PREFILL:
            hand_over(plan, st, r, c)
        elif pool.scheduler == STATIC:
            _decode_for(plan, st, r, c, left)
        else:
            _decode(plan, st, r, c)
        c = following
    return ended


@inlined
def _decode(plan, st, r, c):
    """Call `c` decodes from the next step on."""
    call = st.calls[c]
    each = plan.pools[st.replicas[r].pool].tokens_per_step
    _decode_for(plan, st, r, c, steps_for(call.output - call.done, each))


@inlined
def _decode_for(plan, st, r, c, steps):
    replica = st.replicas[r]
    call = st.calls[c]
    heap.push(st.finishing[r], replica.decoding, ((replica.steps + steps) << CALL_BITS) | c)
    replica.decoding += 1
    replica.context += call.input + call.done
    if plan.classes > 1:
        st.lanes[r, class_of(plan, call)].decoding += 1


@inlined
def _surplus(pool, call):
    """Tokens by which the steps of a call that has decoded to its end exceed its output; a draft is verified whole."""
    left = call.output - call.done
    return steps_for(left, pool.tokens_per_step) * pool.tokens_per_step - left


@inlined
def _sort_by_id(st, count):
    """Insertion sort of the scratch list `ended`: calls that end with one step complete in order of request."""
    for i in range(1, count):
        c = st.ended[i]
        key = st.calls[c].id
        j = i
        while j > 0 and st.calls[st.ended[j - 1]].id > key:
            st.ended[j] = st.ended[j - 1]
            j -= 1
        st.ended[j] = c


@inlined
def _complete(plan, st, r, c):
    replica = st.replicas[r]
    p = replica.pool
    pool = plan.pools[p]
    call = st.calls[c]
    replica.running -= 1
    # with all its tokens emitted, a call holds as much KV room under either way of reserving it
    if pool.prefix_block > 0:
        replica.kv -= call.output + leave_output(plan, st, r, c)
    else:
        replica.kv -= call.input + call.output
    if pool.tokens_per_step != 1.0 and pool.reserve_full == 0:
        replica.kv -= _surplus(pool, call)
    if plan.pools[p].adapter_slots > 0:
        release_adapter(plan, st, r, call.id)
    count_outstanding(plan, st, r, -1)
    here_s = call.first_s if pool.role == DECODE else call.arrive_s  # a call came here with its first token
    spread(plan, st.windows, p, SYSTEM_S, here_s, replica.end_s, replica.end_s - here_s)
    w = call.id >> 54
    workload = plan.workloads[w]
    if workload.stages == 0 or workload.sessions == 1:
        completed(plan, st, r, p, call, replica.end_s)
    if workload.stages == 0:
        fly(plan, st, w, -1)
        ask_again(plan, st, w, tick_of(replica.end_s))
    else:
        pass_completed(plan, st, r, p, c, replica.end_s)
        outside_s = plan.pools[p].first_token_s + plan.network_s[w, p]
        call_ended(plan, st, st.call_request[c], call, replica.end_s, outside_s, r)
    free_call(st, c)
