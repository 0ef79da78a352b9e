"""Calls that must leave their replica before they are done: for want of KV room, for a more urgent call, for ever.

What such a call had computed is lost, but not what it had emitted: it is prefilled again, with that behind its prompt.
"""

from __future__ import annotations

import math

from sim.engine.kernel import heap, tournament
from sim.engine.kernel.adapters import forget_adapters, release_adapter
from sim.engine.kernel.clock import NEVER, tick_of
from sim.engine.kernel.jit import inlined, scalar
from sim.engine.kernel.lanes import class_of, count_outstanding, leave_queue, queue_first
from sim.engine.kernel.prefix import forget_all, forget_uncomputed, release_prefix
from sim.engine.kernel.record import waited, window_of
from sim.engine.plan import STATIC
from sim.engine.state import (
    DECODED,
    EVICTED,
    NONE,
    OFF,
    RECOMPUTED,
    STRANDED,
    STRANDED_TAIL,
    STRANDED_TICK,
)

CALL_BITS = 28
CALL_MASK = (1 << CALL_BITS) - 1


@scalar
def steps_for(tokens, tokens_per_step):
    """Steps that emit `tokens` tokens."""
    return math.ceil(tokens / tokens_per_step)


@inlined
def room_of(pool, call):
    """KV tokens a call takes from its admission: its prompt, what it had emitted before, and its next token."""
    if pool.reserve_full == 1:
        return call.input + call.output
    return call.input + min(call.done + 1, call.output)


@inlined
def least_urgent(plan, st, r):
    """The least urgent class of which a call decodes on replica `r`; 0 if there is but one class."""
    k = plan.classes - 1
    while k > 0 and st.lanes[r, k].decoding == 0:
        k -= 1
    return k


@inlined
def gives_way(plan, st, r, call):
    """Whether a call that decodes on replica `r` would have to leave for `call`."""
    if plan.classes == 1 or plan.pools[st.replicas[r].pool].reserve_full == 1:
        return False
    return least_urgent(plan, st, r) > class_of(plan, call)


@inlined
def preempt(plan, st, r, time_s, column):
    """Send a call back to the queue: of the least urgent class, that admitted last. Counted in the window `column`."""
    replica = st.replicas[r]
    c = replica.partial  # always the newest: nothing is admitted behind an unfinished prompt
    if c != NONE and (
        plan.classes == 1 or replica.decoding == 0 or class_of(plan, st.calls[c]) >= least_urgent(plan, st, r)
    ):
        _stop_prefill(plan, st, r, time_s, column)
    else:
        stop_decoding(plan, st, r, time_s, column)


@inlined
def _stop_prefill(plan, st, r, time_s, column):
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    c = replica.partial
    call = st.calls[c]
    lost = replica.partial_done
    replica.kv -= room_of(pool, call)
    if pool.prefix_block > 0:
        lost -= st.call_cached[c]
        leaf = st.call_leaf[c]
        replica.kv += call.input - release_prefix(st, r, c)
        forget_uncomputed(st, r, c, leaf, replica.partial_done)
    replica.partial = NONE
    _requeue(plan, st, r, c, time_s, lost, column)


@inlined
def stop_decoding(plan, st, r, time_s, column):
    """Send the newest decoding call of the least urgent class back to the queue."""
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    row = st.finishing[r]
    k = least_urgent(plan, st, r)
    newest = NONE
    for i in range(replica.decoding):
        rival = st.calls[row[i] & CALL_MASK]
        if plan.classes > 1 and class_of(plan, rival) != k:
            continue
        if newest == NONE or rival.order > st.calls[row[newest] & CALL_MASK].order:
            newest = i
    c = row[newest] & CALL_MASK
    call = st.calls[c]
    if plan.classes > 1:
        st.lanes[r, k].decoding -= 1
    part = 0.0  # of a token, where steps emit no whole number
    if pool.scheduler == STATIC:  # a batch that returns as one has emitted nothing before
        replica.context -= call.input + call.done
        call.done = 0
        call.first_s = -1.0
    else:
        steps = steps_for(call.output - call.done, pool.tokens_per_step)
        emitted = (steps - ((row[newest] >> CALL_BITS) - replica.steps)) * pool.tokens_per_step
        part = emitted - int(emitted)
        call.done += int(emitted)
        replica.context -= call.input + call.done + part
        st.windows[replica.pool, window_of(plan, time_s), DECODED] -= part
    heap.remove(row, replica.decoding, newest)
    replica.decoding -= 1
    replica.kv -= call.input + (call.output if pool.reserve_full == 1 else call.done + part)
    lost = call.input + max(call.done - 1, 0)
    if pool.prefix_block > 0:
        lost = call.done
        replica.kv += call.input - release_prefix(st, r, c)
    _requeue(plan, st, r, c, time_s, lost, column)


@inlined
def _requeue(plan, st, r, c, time_s, lost, column):
    replica = st.replicas[r]
    replica.running -= 1
    if plan.pools[replica.pool].adapter_slots > 0:
        release_adapter(plan, st, r, st.calls[c].id)
    st.calls[c].since_s = time_s
    queue_first(plan, st, r, c)
    w = window_of(plan, time_s)
    st.windows[replica.pool, w, column] += 1
    st.windows[replica.pool, w, RECOMPUTED] += lost


@inlined
def strand(plan, st, r):
    """Replica `r` is lost at the end of its step: all its calls are to be routed anew, its caches are empty."""
    replica = st.replicas[r]
    time_s = replica.end_s
    while replica.running > 0:
        preempt(plan, st, r, time_s, EVICTED)
    replica.context = 0.0
    count_outstanding(plan, st, r, -replica.queued)
    while replica.queued > 0:
        c = replica.queue_head
        call = st.calls[c]
        leave_queue(plan, st, r)
        waited(plan, st, replica.pool, call, time_s)
        call.since_s = time_s
        call.next = NONE
        st.call_cached[c] = 0  # where it goes there may be no cache
        if st.scalars[STRANDED] == NONE:
            st.scalars[STRANDED] = c
        else:
            st.calls[st.scalars[STRANDED_TAIL]].next = c
        st.scalars[STRANDED_TAIL] = c
    st.scalars[STRANDED_TICK] = tick_of(time_s)
    shut(plan, st, r)


@inlined
def shut(plan, st, r):
    """An idle replica loses its power: its caches are empty."""
    pool = plan.pools[st.replicas[r].pool]
    if pool.prefix_block > 0:
        forget_all(st, r)
    if pool.adapter_slots > 0:
        forget_adapters(st, r)
    st.standing[r] = OFF
    tournament.update(st.events, r, NEVER)
