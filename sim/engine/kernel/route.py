"""Which replica of a group takes a call."""

from __future__ import annotations

from sim.engine.kernel import rng, tournament
from sim.engine.kernel.clock import END
from sim.engine.kernel.ident import keyed, workload_of
from sim.engine.kernel.jit import inlined
from sim.engine.kernel.prefix import found_on, list_texts, make_room_beside
from sim.engine.kernel.segment import pace, steps_until
from sim.engine.plan import (
    EFFICIENT_FIRST,
    LEAST_OUTSTANDING,
    POWER_OF_TWO,
    PREFIX_AWARE,
    RANDOM,
    ROUND_ROBIN,
    SESSION,
)
from sim.engine.state import NONE, OPEN


@inlined
def choose(plan, st, chain, c, q, tick):
    """Replica for call `c`, of request slot `q` or NONE, that arrives at `tick`; NONE if no group of its chain has any.

    The first group that is not full takes it; if all are, the first.
    """
    source = st.call_source[c]
    first = NONE
    for i in range(plan.chains.shape[1]):
        g = plan.chains[chain, i]
        if source != NONE:  # prefilled: to those that decode beside
            g = plan.pools[st.replicas[source].pool].next_group
        if g == NONE:
            break
        r = route(plan, st, g, c, q, tick)
        full = r == NONE or st.replicas[r].outstanding >= plan.groups[g].overflow
        if not full or source != NONE or plan.chains.shape[1] == 1:
            return r
        if first == NONE:
            first = r
    return first


@inlined
def route(plan, st, g, c, q, tick):
    """Open replica of group `g` for call `c`, of request `q` or NONE; NONE if there is none. Ties: the lower number."""
    call_id = st.calls[c].id
    group = plan.groups[g]
    first, count = group.first_replica, st.opens[g]
    st.turns[g] += 1
    if count == 0:
        return NONE
    if group.router == SESSION:
        if q == NONE:
            return first + tournament.first(st.routes[g])
        home = st.requests[q].home
        if home < first or home >= first + group.replicas or st.standing[home] != OPEN:  # its first pass here
            home = first + tournament.first(st.routes[g])
            if g == plan.chains[plan.workloads[workload_of(call_id)].chain, 0]:
                st.requests[q].home = home
        return home
    if group.router == LEAST_OUTSTANDING or group.router == EFFICIENT_FIRST:
        return first + tournament.first(st.routes[g])
    if group.router == ROUND_ROBIN:
        return st.open[first + (st.turns[g] - 1) % count]
    key = plan.workloads[workload_of(call_id)].route_key
    counter = keyed(call_id) * rng.DRAWS + group.first_draw
    i = int(rng.uniform(key, counter) * count)
    if group.router == RANDOM:
        return st.open[first + i]
    if group.router == POWER_OF_TWO:
        j = int(rng.uniform(key, counter + 1) * count)
        a, b = st.open[first + min(i, j)], st.open[first + max(i, j)]
        return a if st.replicas[a].outstanding <= st.replicas[b].outstanding else b
    texts = list_texts(plan, st, c) if group.router == PREFIX_AWARE else 0
    best = st.open[first]
    least = load(plan, st, best, c, texts, group.overlap_weight, tick)
    for i in range(1, count):
        r = st.open[first + i]
        found = load(plan, st, r, c, texts, group.overlap_weight, tick)
        if found < least:
            best, least = r, found
    return best


@inlined
def load(plan, st, r, c, texts, weight, tick):
    """KV tokens taken on replica `r` and queued there; of a call whose texts are listed, and `weight` times what it
    would have to compute there. `texts`: how many, or 0 for the load alone."""
    kv = kv_now(plan, st, r, tick)
    if texts > 0:
        if plan.pools[st.replicas[r].pool].prefix_block > 0:
            # what each step that has begun by now had to evict, the kernel would evict at the segment's end
            make_room_beside(plan, st, r, st.replicas[r].kv + _grown(plan, st, r, tick))
        kv += weight * (st.calls[c].input - found_on(plan, st, r, c, texts))
    return kv


@inlined
def kv_now(plan, st, r, tick):
    """KV tokens taken on replica `r` as of its last step boundary at or before `tick`, and the prompts queued."""
    replica = st.replicas[r]
    return replica.kv + replica.queued_tokens + _grown(plan, st, r, tick + 1)


@inlined
def _grown(plan, st, r, tick):
    """KV tokens added on replica `r` by the steps of its segment that ended before `tick`."""
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    if (
        pool.reserve_full == 1
        or replica.running == 0
        or replica.batch == 0
        or (tournament.key_at(st.events, r) & 3) != END
        or replica.segment_steps <= 1
    ):
        return 0.0
    slope_s, host_s = pace(plan, replica)  # the first boundary at or after `tick`, less one
    after = steps_until(replica.begin_s, replica.first_s, slope_s, host_s, replica.segment_steps, tick)
    return replica.batch * (after - 1) * pool.tokens_per_step
