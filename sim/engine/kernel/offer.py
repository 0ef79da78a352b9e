"""Who takes a call, and what its client does where none will: ask again later, go elsewhere, or give up."""

from __future__ import annotations

from sim.engine.kernel import rng, tournament
from sim.engine.kernel.clock import END, seconds_of, tick_of
from sim.engine.kernel.ident import keyed, pass_of
from sim.engine.kernel.jit import inlined
from sim.engine.kernel.lanes import ahead_of, count_outstanding, free_call, give_up
from sim.engine.kernel.program import RETRY_TICKS, ask_again, call_rejected, fly
from sim.engine.kernel.record import spilled, spread, waited
from sim.engine.kernel.replica import enqueue, look_again
from sim.engine.kernel.route import choose
from sim.engine.kernel.spawned import spawn
from sim.engine.kernel.texts import stage_of
from sim.engine.state import (
    ARRIVED,
    EXPIRED,
    NONE,
    REJECTED,
    RETRIED,
    SESSIONS_FAILED,
    STAGE_REJECTED,
    STRANDED,
    SYSTEM_S,
)

_WHERE = -2.0
"""`admit_s` of a call whose patience ends: this less the replica where it waits for its first admission."""


@inlined
def offer(plan, st, c, tick, fresh):
    """Find a replica for call `c` at `tick`, or turn it away. fresh: it comes for the first time.

    A call whose KV has come from the replica that prefilled it is never turned away.
    """
    call = st.calls[c]
    w = call.id >> 54
    q = st.call_request[c]
    workload = plan.workloads[w]
    chain = workload.chain if q == NONE else plan.stages[stage_of(plan, st, q)].chain
    r = choose(plan, st, chain, c, q, tick)
    if r != NONE:
        replica = st.replicas[r]
        pool = plan.pools[replica.pool]
        sent_on = st.call_source[c] != NONE
        ahead = ahead_of(plan, st, r, call)
        room = replica.queued < pool.queue_limit and ahead < min(workload.queue_limit, workload.spill_above)
        if sent_on or (room and call.input + call.output <= pool.longest):
            enqueue(plan, st, r, c, tick)
            if not sent_on and workload.patience_tick > 0 and call.admit_s < 0.0:
                call.admit_s = _WHERE - r
                if fresh:
                    spawn(st, tick + workload.patience_tick, call.id, NONE - 1 - c, tick)
            return
    if q != NONE:
        refuse_pass(plan, st, q, call.measured, tick_of(call.since_s), REJECTED)
    elif workload.spill_ttft_s >= 0.0:
        finish_s = spilled(plan, st, call, tick)
        fly(plan, st, w, -1)
        ask_again(plan, st, w, tick_of(finish_s))
    else:
        fly(plan, st, w, -1)
        refuse(plan, st, call.id, tick_of(call.arrive_s), call.measured, tick, REJECTED)
    call.admit_s = -1.0
    free_call(st, c)


@inlined
def first_stranded(st):
    """Take the first of the calls that a lost replica left off their list."""
    c = st.scalars[STRANDED]
    st.scalars[STRANDED] = st.calls[c].next
    return c


@inlined
def refuse(plan, st, call_id, came, measured, tick, why):
    """A request that came at the tick `came` is turned away at `tick`: its client asks again, or no more."""
    w = call_id >> 54
    workload = plan.workloads[w]
    attempt = pass_of(call_id) + 1
    if attempt < workload.attempts:
        st.counters[w, RETRIED] += measured
        pause_s = workload.backoff_s * (1 << min(attempt - 1, 30))
        pause_s *= 0.5 + rng.uniform(workload.retry_key, keyed(call_id) * rng.DRAWS)
        spawn(st, tick + max(tick_of(pause_s), 1), call_id + 1, NONE, came)
        return
    st.counters[w, REJECTED] += measured
    if why != REJECTED:
        st.counters[w, why] += measured
    if workload.sessions == 1:  # its first turn counts as one that came
        st.counters[w, ARRIVED] += measured
        st.counters[w, SESSIONS_FAILED] += measured
    ask_again(plan, st, w, tick + RETRY_TICKS)


@inlined
def refuse_pass(plan, st, q, measured, tick, why):
    """A pass of request `q` is turned away at `tick`: the request fails. A turn of a session counts as a request."""
    w = st.requests[q].id >> 54
    st.stage_counters[stage_of(plan, st, q), STAGE_REJECTED] += measured
    if plan.workloads[w].sessions == 1:
        st.counters[w, REJECTED] += measured
        if why != REJECTED:
            st.counters[w, why] += measured
    call_rejected(st, q, seconds_of(tick))


@inlined
def over_limit(plan, st, w, tick):
    """Whether a tenant asks for more at `tick` than it may; if not, the request counts."""
    workload = plan.workloads[w]
    if workload.most_in_flight > 0 and st.flying[w] >= workload.most_in_flight:
        return True
    if workload.interval_tick > 0:
        due = max(st.due_tick[w], tick)
        if due - tick > workload.burst_tick:
            return True
        st.due_tick[w] = due + workload.interval_tick
    fly(plan, st, w, 1)
    return False


@inlined
def lose_patience(plan, st, c, call_id, tick):
    """The patience of call `call_id` ends; it stood in slot `c`. Nothing happens if it was admitted before."""
    call = st.calls[c]
    if call.id != call_id or call.admit_s > _WHERE:
        return
    r = int(_WHERE - call.admit_s)
    replica = st.replicas[r]
    now_s = seconds_of(tick)
    q = st.call_request[c]
    waited(plan, st, replica.pool, call, now_s)
    count_outstanding(plan, st, r, -1)
    if q != NONE:
        refuse_pass(plan, st, q, call.measured, tick, EXPIRED)
    else:
        w = call.id >> 54
        if pass_of(call.id) + 1 >= plan.workloads[w].attempts:
            spread(plan, st.windows, replica.pool, SYSTEM_S, call.arrive_s, now_s, now_s - call.arrive_s)
        fly(plan, st, w, -1)
        refuse(plan, st, call.id, tick_of(call.arrive_s), call.measured, tick, EXPIRED)
    call.admit_s = -1.0
    event = tournament.key_at(st.events, r)
    if give_up(plan, st, r, c) and replica.segment_steps > 1 and (event & 3) == END:
        look_again(plan, st, r, tick)
