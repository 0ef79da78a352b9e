"""Prefix caches: texts that calls have in common are computed once and held once.

A cache is a forest of texts in the KV memory of one replica. A text stands behind the text that it follows, and its
key names the whole path, so that a call's input is found text by text from the front. What running calls read cannot
be evicted; what none reads any more stays until its room is needed, and then goes from the longest unused, of the
texts of one call the last first, and of a text its end first. A call that is done leaves its output behind its input.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from sim.engine.kernel import rng
from sim.engine.kernel.ident import number_of, pass_of
from sim.engine.kernel.jit import entry, inlined
from sim.engine.kernel.record import window_of
from sim.engine.kernel.texts import (
    chained,
    output_key,
    private_key,
    prompt_key,
    read_key,
    read_tokens,
    stage_of,
    tool_key,
    transcript_key,
)
from sim.engine.plan import ALL, OWN, PROMPT
from sim.engine.state import CACHE_ASKED, CACHE_HIT, FREE_NODE, FREE_NODES, NONE


@inlined
def admit_prefix(plan, st, r, c, room, limit):
    """Take the texts of call `c` into the cache of replica `r`: tokens found there, or NONE if KV room does not do.

    room: tokens that the call takes in all, its input included.  limit: tokens that running calls may hold.
    """
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    call = st.calls[c]
    texts = list_texts(plan, st, c)
    found, taken = 0, 0
    parent = NONE
    for commit in range(2):
        whole = True  # all texts so far are in the cache to their end
        found = 0
        taken = 0  # tokens that running calls come to hold with this one
        parent = NONE
        key = rng.mix(uint64(r))
        for i in range(texts):
            length = st.text_tokens[i]
            key = chained(key, st.text_key[i])
            node = _find(st, key)
            if node != NONE:
                resident = min(st.nodes[node].tokens, length)
                if whole:
                    found += resident
                whole = whole and resident == length
                if st.nodes[node].users == 0:
                    taken += length
            else:
                whole = False
                taken += length
            if commit == 1:
                node = _take(st, r, node, key, parent, length)
                parent = node
        if commit == 0 and replica.kv + taken + (room - call.input) > limit:
            return NONE
    replica.kv += taken + (room - call.input)
    st.call_leaf[c] = parent
    found = min(found // pool.prefix_block * pool.prefix_block, call.input + call.done - 1)
    st.call_cached[c] = found
    windows = st.windows[replica.pool]
    w = window_of(plan, replica.end_s)
    windows[w, CACHE_ASKED] += call.input
    windows[w, CACHE_HIT] += found
    make_room(plan, st, r)
    return found


@inlined
def found_on(plan, st, r, c, texts):
    """Tokens of call `c`, whose first `texts` texts are listed, that the cache of replica `r` would spare it now."""
    block = plan.pools[st.replicas[r].pool].prefix_block
    if block == 0:
        return 0
    found = 0
    key = rng.mix(uint64(r))
    for i in range(texts):
        key = chained(key, st.text_key[i])
        node = _find(st, key)
        if node == NONE:
            break
        resident = min(st.nodes[node].tokens, st.text_tokens[i])
        found += resident
        if resident < st.text_tokens[i]:
            break
    return min(found // block * block, st.calls[c].input - 1)


@inlined
def list_texts(plan, st, c):
    """List the texts that call `c` reads, from the front, in `text_key` and `text_tokens`; returns how many.

    They sum to its input, and none is empty.
    """
    call = st.calls[c]
    q = st.call_request[c]
    first_read, reads, tool = 0, 1, 0
    place = 0
    if q != NONE:
        stage = plan.stages[stage_of(plan, st, q)]
        first_read, reads = stage.first_read, stage.reads
        tool = st.requests[q].tool if stage.grows == 0 else 0
        place = pass_of(call.id) - st.requests[q].first_pass
    workload = plan.workloads[call.id >> 54]
    block = workload.prompt_blocks
    count = 0
    left = call.input
    for i in range(reads + 1):
        if i == reads and tool == 0:
            break
        hashed = block > 0
        if i == reads:
            text, tokens, hashed = tool_key(plan, st, q), tool, False
        elif q == NONE:
            text, tokens = prompt_key(plan, call.id), call.input
        else:
            read = plan.reads[first_read + i]
            text, tokens = read_key(plan, st, q, read, place), read_tokens(plan, st, q, read)
            hashed = hashed and read.kind == PROMPT
        first_block, blocks = 0, 0  # those that the trace names
        if hashed:
            row = workload.trace_offset + number_of(call.id) % workload.trace_count
            first_block = plan.block_first[row]
            blocks = plan.block_first[row + 1] - first_block
        for b in range(max(blocks, 1)):
            length = tokens
            if blocks > 0:
                text = rng.mix(plan.blocks[first_block + b])
                length = block if b < blocks - 1 else tokens - block * (blocks - 1)
            if length > left:  # cut short: no longer the text that others know
                length = left
                text = private_key(plan, call.id) + uint64(1)
            if length > 0:
                st.text_key[count] = text
                st.text_tokens[count] = length
                count += 1
                left -= length
    return count


@inlined
def release_prefix(st, r, c):
    """Call `c` no longer reads its texts; returns the tokens that no call holds any more, now evictable."""
    freed = 0
    node = st.call_leaf[c]
    while node != NONE:
        entry_ = st.nodes[node]
        entry_.users -= 1
        if entry_.users == 0:
            _append(st, r, node)
            freed += entry_.tokens
        node = entry_.parent
    st.call_leaf[c] = NONE
    st.prefixes[r].cached += freed
    return freed


@inlined
def leave_output(plan, st, r, c):
    """Call `c` is done: its output stays, evictable, behind its input; then its texts are released.

    Returns the tokens that no call holds any more, without the output.
    """
    call = st.calls[c]
    q = st.call_request[c]
    leaf = st.call_leaf[c]
    if call.output > 0:
        text = private_key(plan, call.id)
        if q != NONE:
            request = st.requests[q]
            stage = plan.stages[stage_of(plan, st, q)]
            kind = ALL if request.calls == 1 else OWN
            seen = st.progress[q, request.stage].seen + 1
            place = pass_of(call.id) - request.first_pass
            text = output_key(plan, request.id, request.stage, seen, kind, place)
            if stage.grows == 1 and call.input < stage.longest_input:
                told = read_tokens(plan, st, q, plan.reads[stage.first_read + stage.reads - 1])
                if told > 0 and leaf != NONE and st.nodes[leaf].users == 1:
                    st.nodes[leaf].tokens += call.output
                    return release_prefix(st, r, c) - call.output
                if told == 0:  # the transcript begins with this output
                    text = transcript_key(plan, request.id, request.stage, place)
        key = chained(st.nodes[leaf].key if leaf != NONE else rng.mix(uint64(r)), text)
        if _find(st, key) == NONE:
            node = _new(st, key, leaf)
            st.nodes[node].tokens = call.output
            st.nodes[node].users = 0
            _append(st, r, node)
            st.prefixes[r].cached += call.output
    return release_prefix(st, r, c)


@inlined
def forget_uncomputed(st, r, c, leaf, computed):
    """Call `c` was stopped with `computed` tokens of its input prefilled: what lies beyond was never in memory."""
    beyond = st.calls[c].input - computed
    node = leaf
    while beyond > 0 and node != NONE and st.nodes[node].users == 0:
        parent = st.nodes[node].parent
        beyond -= _shorten(st, r, node, beyond)
        node = parent


@inlined
def make_room(plan, st, r):
    """Evict until what is cached fits beside what running calls hold."""
    make_room_beside(plan, st, r, st.replicas[r].kv)


@inlined
def make_room_beside(plan, st, r, kv):
    """Evict until what is cached fits beside `kv` tokens."""
    pool = plan.pools[st.replicas[r].pool]
    excess = int(kv + st.prefixes[r].cached - pool.kv_capacity)
    while excess > 0 and st.prefixes[r].oldest != NONE:
        node = st.prefixes[r].oldest
        whole_blocks = (excess + pool.prefix_block - 1) // pool.prefix_block * pool.prefix_block
        excess -= _shorten(st, r, node, whole_blocks)


@inlined
def forget_all(st, r):
    """Empty the cache of replica `r`, which runs no call."""
    while st.prefixes[r].oldest != NONE:
        node = st.prefixes[r].oldest
        _shorten(st, r, node, st.nodes[node].tokens)


@inlined
def _shorten(st, r, node, tokens):
    """Take up to `tokens` off the end of an evictable text; returns how many."""
    entry_ = st.nodes[node]
    gone = min(entry_.tokens, tokens)
    entry_.tokens -= gone
    st.prefixes[r].cached -= gone
    if entry_.tokens == 0:
        _unlink(st, r, node)
        _drop(st, node)
    return gone


@inlined
def _take(st, r, node, key, parent, length):
    """A call reads the text: all of it is in memory from now on. Returns its node."""
    if node == NONE:
        node = _new(st, key, parent)
        st.nodes[node].users = 0
    elif st.nodes[node].users == 0:
        _unlink(st, r, node)
        st.prefixes[r].cached -= st.nodes[node].tokens
    st.nodes[node].tokens = length
    st.nodes[node].users += 1
    return node


# ---- the list from the longest unused to the latest ----


@inlined
def _append(st, r, node):
    prefix = st.prefixes[r]
    st.nodes[node].before = prefix.latest
    st.nodes[node].after = NONE
    if prefix.latest != NONE:
        st.nodes[prefix.latest].after = node
    else:
        prefix.oldest = node
    prefix.latest = node


@inlined
def _unlink(st, r, node):
    prefix = st.prefixes[r]
    before, after = st.nodes[node].before, st.nodes[node].after
    if before != NONE:
        st.nodes[before].after = after
    else:
        prefix.oldest = after
    if after != NONE:
        st.nodes[after].before = before
    else:
        prefix.latest = before


# ---- the hash table: open addressing, linear probing ----


@inlined
def _find(st, key):
    mask = st.table.size - 1
    i = np.int64(key & uint64(mask))
    while st.table[i] > 0:
        if st.nodes[st.table[i] - 1].key == key:
            return st.table[i] - 1
        i = (i + 1) & mask
    return NONE


@inlined
def _enter(st, node):
    mask = st.table.size - 1
    i = np.int64(st.nodes[node].key & uint64(mask))
    while st.table[i] > 0:
        i = (i + 1) & mask
    st.table[i] = node + 1


@inlined
def _new(st, key, parent):
    node = st.scalars[FREE_NODE]
    st.scalars[FREE_NODE] = st.nodes[node].after
    st.scalars[FREE_NODES] -= 1
    st.nodes[node].key = key
    st.nodes[node].parent = parent
    _enter(st, node)
    return node


@inlined
def _drop(st, node):
    mask = st.table.size - 1
    i = np.int64(st.nodes[node].key & uint64(mask))
    while st.table[i] != node + 1:
        i = (i + 1) & mask
    j = i
    while True:  # close the gap: move up what probed past it
        j = (j + 1) & mask
        if st.table[j] == 0:
            break
        home = np.int64(st.nodes[st.table[j] - 1].key & uint64(mask))
        if ((j - home) & mask) >= ((j - i) & mask):
            st.table[i] = st.table[j]
            i = j
    st.table[i] = 0
    st.nodes[node].tokens = NONE
    st.nodes[node].after = st.scalars[FREE_NODE]
    st.scalars[FREE_NODE] = node
    st.scalars[FREE_NODES] += 1


@entry
def fill_table(st):
    """Enter every node in use into an empty table."""
    for node in range(st.nodes.size):
        if st.nodes[node].tokens >= 0:
            _enter(st, node)
