"""Prefill and decoding on different replicas: a call with its first token leaves the one for the other.

Its KV is sent at once and stays held where it was computed until a replica that decodes has taken the call in, as
engines do that let the decoding side pull (vLLM's NixlConnector, DistServe): a full decoding side holds prefill up.
"""

from __future__ import annotations

from sim.engine.kernel import tournament
from sim.engine.kernel.clock import BEGIN, NEVER, key_of, seconds_of, tick_of
from sim.engine.kernel.jit import inlined
from sim.engine.kernel.lanes import count_outstanding
from sim.engine.kernel.prefix import release_prefix
from sim.engine.kernel.record import spread, window_of
from sim.engine.kernel.spawned import spawn
from sim.engine.state import HANDED, HANDED_KV, NONE, ON_THE_WAY, SYSTEM_S


@inlined
def hand_over(plan, st, r, c):
    """Call `c` has got its first token on replica `r`, which ends its step, and goes on to the next group."""
    replica = st.replicas[r]
    p = replica.pool
    pool = plan.pools[p]
    call = st.calls[c]
    end_s = replica.end_s
    replica.running -= 1
    count_outstanding(plan, st, r, -1)
    st.call_source[c] = r
    w = window_of(plan, end_s)
    st.windows[p, w, HANDED] += 1
    st.windows[p, w, HANDED_KV] += call.input
    spread(plan, st.windows, p, SYSTEM_S, call.arrive_s, end_s, end_s - call.arrive_s)
    way_s = pool.handover_s + pool.handover_token_s * call.input
    spawn(st, tick_of(end_s + way_s), call.id, NONE - 1 - c, ON_THE_WAY)


@inlined
def release_source(plan, st, c, tick):
    """Call `c` was taken in elsewhere at `tick`: the replica that prefilled it holds its KV no longer."""
    r = st.call_source[c]
    st.call_source[c] = NONE
    replica = st.replicas[r]
    if plan.pools[replica.pool].prefix_block > 0:
        replica.kv -= 1 + release_prefix(st, r, c)
    else:
        replica.kv -= st.calls[c].input + 1
    if replica.queued > 0 and tournament.key_at(st.events, r) == NEVER:
        replica.end_s = seconds_of(tick)
        tournament.update(st.events, r, key_of(tick, BEGIN))
