"""The queue of a replica: one list, the more urgent classes first, each in order of arrival.

A call whose client has given up stays in the list, marked, until it comes to the front: the first call of a list is
always one that waits. `queued` counts only those that wait.
"""

from __future__ import annotations

from sim.engine.kernel import tournament
from sim.engine.kernel.jit import inlined
from sim.engine.plan import LEAST_OUTSTANDING, SESSION
from sim.engine.state import FREE_HEAD, NONE

GONE = -1
"""`done` of a queued call whose client has given up."""


@inlined
def count_outstanding(plan, st, r, change):
    """Calls came to (+) or left (-) replica `r`; keep the router's view."""
    replica = st.replicas[r]
    replica.outstanding += change
    g = plan.pools[replica.pool].group
    group = plan.groups[g]
    if group.router == LEAST_OUTSTANDING or group.router >= SESSION:
        i = r - group.first_replica
        tournament.update(st.routes[g], i, tournament.key_at(st.routes[g], i) + change)


@inlined
def class_of(plan, call):
    """Priority class of a call."""
    return plan.workloads[call.id >> 54].class_


@inlined
def queue_last(plan, st, r, c):
    """Put call `c` behind the others of its class."""
    replica, call = st.replicas[r], st.calls[c]
    if plan.classes == 1:
        call.next = NONE
        if replica.queued == 0:
            replica.queue_head = c
        else:
            st.calls[replica.queue_tail].next = c
        replica.queue_tail = c
    else:
        k = class_of(plan, call)
        _insert(st, r, c, k)
        st.lanes[r, k].tail = c
        st.lanes[r, k].queued += 1
    replica.queued += 1
    replica.queued_tokens += call.input + call.done


@inlined
def queue_first(plan, st, r, c):
    """Put call `c` before the others of its class."""
    replica, call = st.replicas[r], st.calls[c]
    if plan.classes == 1:
        call.next = replica.queue_head
        replica.queue_head = c
        if replica.queued == 0:
            replica.queue_tail = c
    else:
        k = class_of(plan, call)
        _insert(st, r, c, k - 1)
        st.lanes[r, k].queued += 1
        if st.lanes[r, k].tail == NONE:
            st.lanes[r, k].tail = c
    replica.queued += 1
    replica.queued_tokens += call.input + call.done


@inlined
def _insert(st, r, c, k):
    """Link call `c` behind the last of the classes up to `k`."""
    replica = st.replicas[r]
    while k >= 0 and st.lanes[r, k].tail == NONE:
        k -= 1
    if k < 0:
        st.calls[c].next = replica.queue_head
        replica.queue_head = c
    else:
        last = st.lanes[r, k].tail
        st.calls[c].next = st.calls[last].next
        st.calls[last].next = c


@inlined
def leave_queue(plan, st, r):
    """Take the first call out of the queue, and those behind it that have given up."""
    replica = st.replicas[r]
    call = st.calls[replica.queue_head]
    _count_out(plan, st, r, call)
    _unlink_first(plan, st, r)
    if plan.patience:
        drop_gone(plan, st, r)


@inlined
def give_up(plan, st, r, c):
    """Call `c` waits no longer; True if another call is now the first."""
    replica, call = st.replicas[r], st.calls[c]
    _count_out(plan, st, r, call)
    call.done = GONE
    first = replica.queue_head == c
    drop_gone(plan, st, r)
    return first and replica.queued > 0


@inlined
def _count_out(plan, st, r, call):
    replica = st.replicas[r]
    replica.queued -= 1
    replica.queued_tokens -= call.input + call.done
    if plan.classes > 1:
        st.lanes[r, class_of(plan, call)].queued -= 1


@inlined
def ahead_of(plan, st, r, call):
    """Calls waiting at replica `r` that are as urgent as `call`, or more."""
    if plan.classes == 1:
        return st.replicas[r].queued
    ahead = 0
    for k in range(class_of(plan, call) + 1):
        ahead += st.lanes[r, k].queued
    return ahead


@inlined
def drop_gone(plan, st, r):
    """Free the calls at the front of the queue that have given up."""
    replica = st.replicas[r]
    while replica.queue_head != NONE and st.calls[replica.queue_head].done == GONE:
        c = replica.queue_head
        _unlink_first(plan, st, r)
        free_call(st, c)


@inlined
def _unlink_first(plan, st, r):
    replica = st.replicas[r]
    c = replica.queue_head
    replica.queue_head = st.calls[c].next
    if plan.classes > 1:
        lane = st.lanes[r, class_of(plan, st.calls[c])]
        if lane.tail == c:
            lane.tail = NONE


@inlined
def free_call(st, c):
    """A call is over: its slot is free."""
    st.calls[c].next = st.scalars[FREE_HEAD]
    st.scalars[FREE_HEAD] = c
