"""The kernel's mutable state, changed only by the kernel: its records, the columns of its books, and all of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NONE = -1
ON_THE_WAY = -1
"""`spawned_came` of a call that goes from one replica to another."""
CHUNK = 4096
"""Arrivals drawn ahead for one workload."""

REPLICA = np.dtype(
    [
        ("pool", np.int32),
        ("rate", np.int32),  # row of the step cost of the segment
        ("outstanding", np.int32),  # calls queued or running
        (
            "running",
            np.int32,
        ),  # calls admitted: decoding, partly prefilled, or ending their prefill in this step
        ("decoding", np.int32),
        ("queued", np.int32),
        ("queued_tokens", np.int64),  # tokens to prefill of the queued calls
        ("queue_head", np.int32),
        ("queue_tail", np.int32),
        ("partial", np.int32),  # the one call whose prompt is partly prefilled, or NONE
        ("partial_done", np.int32),  # its tokens prefilled
        ("ending", np.int32),  # list of the calls whose prefill ends with this step
        ("batch", np.int32),  # sequences that decode in the segment
        ("prefill", np.int32),  # prefill tokens of the segment's one step; 0 in a decode segment
        ("admissions", np.int32),  # calls admitted so far: the order of admission
        ("segment_steps", np.int32),
        ("next_rate", np.int32),  # row of the step cost of the segments to come
        ("steps", np.int64),  # decode steps done before the segment
        ("context", np.float64),  # tokens that decoding calls attend to, at the segment's start
        ("kv", np.float64),  # tokens of KV room taken, at the segment's start
        ("begin_s", np.float64),
        ("end_s", np.float64),
        ("first_s", np.float64),  # accelerator time of the segment's first step
        ("attention", np.float64),  # W of the step [token^2]
    ],
    align=True,
)

CALL = np.dtype(
    [
        ("id", np.int64),  # its name (see `kernel.ident`): the order among equals
        ("arrive_s", np.float64),
        ("since_s", np.float64),  # start of the present wait: arrival, or preemption
        ("admit_s", np.float64),
        ("first_s", np.float64),  # first token; negative before it
        ("input", np.int32),
        ("output", np.int32),
        ("done", np.int32),  # output tokens emitted, as of the last admission or prefill end
        ("next", np.int32),  # next call in the queue, in the list of ending prefills, or in the free list
        ("order", np.int32),  # order of admission on its replica
        ("measured", np.int32),  # 1: arrived after the warm-up
    ],
    align=True,
)

REQUEST = np.dtype(
    [
        ("id", np.int64),  # its name, with pass 0
        ("arrive_s", np.float64),
        ("admit_s", np.float64),  # first admission of a pass
        ("first_s", np.float64),  # first token of the running stage
        ("now_s", np.float64),  # when the latest stage ended
        ("outside_s", np.float64),  # time spent outside the engine by the call that ended last
        ("sum", np.int64),  # output of the running stage's calls so far
        ("input", np.int64),  # tokens of all passes so far
        ("output", np.int64),
        ("prompt", np.int32),
        ("answer", np.int32),
        ("stage", np.int32),
        ("execution", np.int32),  # stages entered so far
        ("passes", np.int32),  # calls issued so far
        ("first_pass", np.int32),  # of the running stage
        ("calls", np.int32),  # of the running stage
        ("pending", np.int32),  # of these, not yet ended
        ("tool", np.int32),  # tokens of the tool's result that each of them reads
        ("home", np.int32),  # replica of its first pass, for the router SESSION
        ("replica", np.int32),  # that ended a call last
        ("measured", np.int32),
        ("failed", np.int32),  # 1: a pass was rejected
        ("next", np.int32),
    ],
    align=True,
)
"""A request that runs a program."""

REQUEST_STAGE = np.dtype(
    [
        ("sum", np.int64),  # outputs of the latest execution
        ("told", np.int64),  # transcript of each place: all outputs and tool results so far
        ("calls", np.int32),  # of the latest execution
        ("seen", np.int32),  # executions so far
        ("runs", np.int32),  # of these, in the loop that is running
        ("times", np.int32),  # that the loop is to run
    ],
    align=True,
)

NODE = np.dtype(
    [
        ("key", np.uint64),  # of replica, texts before it and text
        ("tokens", np.int32),  # resident, from the front of the text; NONE: the node is free
        ("users", np.int32),  # running calls that read it
        ("parent", np.int32),
        (
            "before",
            np.int32,
        ),  # in the list from the longest unused to the latest; `after` also links free nodes
        ("after", np.int32),
    ],
    align=True,
)
"""A text in a prefix cache, behind the text that it follows."""

LANE = np.dtype(
    [
        ("tail", np.int32),  # the last queued call of this class, or NONE
        ("decoding", np.int32),  # calls of this class that decode
        ("queued", np.int32),  # calls of this class that wait
    ],
    align=True,
)
"""One priority class at one replica, where there are several."""

PREFIX = np.dtype(
    [
        ("oldest", np.int32),
        ("latest", np.int32),
        ("cached", np.int64),  # tokens that no running call reads, and that may be evicted
    ],
    align=True,
)
"""The prefix cache of one replica."""

ADAPTER = np.dtype(
    [
        ("id", np.int32),  # or NONE
        ("users", np.int32),  # running calls that are for it
        ("unused", np.int64),  # number of the release since which it has had none
    ],
    align=True,
)
"""A place for an adapter in a replica's memory."""

# Counters per workload: REJECTED includes SHED, LIMITED and EXPIRED, each counted when the client asks no more; PASSED,
# ASKED and ANSWERED are of programs; COMPLETED includes SPILLED, INPUT and OUTPUT do not.
ARRIVED, COMPLETED, REJECTED, INPUT, OUTPUT, GOOD, GOOD_TTFT, GOOD_TPOT, WITH_TPOT = range(9)
PASSED, ASKED, ANSWERED = range(9, 12)
SHED, LIMITED, EXPIRED, RETRIED = range(12, 16)
SPILLED, SPILLED_INPUT, SPILLED_OUTPUT = range(16, 19)
# Of sessions, by how they ended: of themselves, by a rejected turn, cut by the end of the run; turns of the first kind.
SESSIONS_ENDED, SESSIONS_FAILED, SESSIONS_CUT, SESSION_TURNS = range(19, 23)
WORKLOAD_COUNTERS = 23
# What a replica is to its router and its power supply.
OPEN, CLOSED_, DYING, OFF = range(4)
# Latencies per workload.
TTFT, TPOT, E2E, QUEUE = range(4)
LATENCIES = 4
# Counters and times per stage of a program, of the calls that ended.
STAGE_CALLS, STAGE_INPUT, STAGE_OUTPUT, STAGE_CACHED, STAGE_GOOD, STAGE_REJECTED = range(6)
STAGE_COUNTERS = 6
STAGE_QUEUE_S, STAGE_TTFT_S, STAGE_E2E_S = range(3)
SESSION_S = 3  # of a session's one stage: from the first question to the last answer, of sessions that ended
STAGE_TIMES = 4
# Columns of the time windows, per pool.
ENERGY_J, BUSY_S, BATCH_S, DECODED, PREFILLED, WAITING_S, SYSTEM_S, STEPS, PREEMPTED, RECOMPUTED = range(10)
PAIRS, READ_KV, CACHE_ASKED, CACHE_HIT, EVICTED = range(10, 15)
ADAPTERS_ASKED, ADAPTERS_LOADED = range(15, 17)
HANDED, HANDED_KV = 17, 18
WINDOW_COLUMNS = 19
# Scalars.
FREE_HEAD, SPAWNED, LOGGED, NEXT_STREAM, NEXT_TICK, SEGMENTS = range(6)
FREE_REQUEST, JOINED, PASSES_LOGGED, FREE_NODE, FREE_NODES, IN_FLIGHT = range(6, 12)
STRANDED, STRANDED_TAIL, STRANDED_TICK = range(12, 15)
SCALARS = 15

STREAM = np.dtype(
    [
        ("head", np.int32),
        ("count", np.int32),
        ("finished", np.int32),
        ("issued", np.int64),  # requests drawn (open) or issued (closed)
        ("position", np.float64),  # unwarped time of the last arrival [s]
    ],
    align=True,
)

LOG = np.dtype(
    [
        ("id", np.int64),
        ("replica", np.int32),
        ("input", np.int32),
        ("output", np.int32),
        ("arrive_s", np.float64),
        ("admit_s", np.float64),
        ("first_s", np.float64),
        ("finish_s", np.float64),
    ],
    align=True,
)
"""One finished request or pass, in order of completion. Times are the engine's, without `first_token_s`."""


class State(NamedTuple):
    """Mutable state of one cell.

    finishing: int64[R, at least max_batch], per replica a heap of (step at which a call ends << 28 | call).
    events: min tree over replicas by the key of their next event.
    routes: int64[G, :], a min tree per group over its replicas by outstanding calls.
    spawned_tick, spawned_id, spawned_request, spawned_came: heap of events that the run itself will bring, by (tick,
    id). request: the slot of the request whose pass arrives; NONE where a client asks (again, if `came`, the tick at
    which it asked first, is earlier); or NONE - 1 - c where the patience of call c ends or,
    if `came` is ON_THE_WAY, its KV comes from the replica that prefilled it.
    due_tick, flying: int64[W], when a tenant at its limit may next ask, and its requests that are in flight.
    turns: int64[G], calls sent to each group so far.
    standing: int32[R], OPEN, CLOSED_, DYING or OFF.  open, opens: int32[R] and int32[G], the open replicas of each
    group from its first replica's place on, by number, and how many they are.
    lanes: LANE[R, classes].
    hold: int64[W], tick before which no open arrival of a workload is let in.  shed: int32[W], 1: its requests are
    turned away.
    requests, progress: REQUEST[Q], REQUEST_STAGE[Q, :] of requests that run a program; joined: int32, those of which
    a stage has ended and the next is to begin.
    call_request, call_leaf, call_cached: int32, per call: its request; the last node of its input, and tokens found,
    in the prefix cache.  call_source: int32, the replica that prefilled a call and still holds its KV, or NONE.
    nodes, table, prefixes: prefix caches; table is an open hash table of node number + 1, by key.
    text_key: uint64, text_tokens: int32, scratch: the texts that a call reads.
    adapters: ADAPTER[R, slots].  adapter_loads: int32[R], adapters that the next step loads.  adapter_releases:
    int64[R], of adapters, so far.
    chunk_tick, chunk_number: int64[W, CHUNK], chunk_input, chunk_output: int32[W, CHUNK], arrivals drawn ahead.
    ended: scratch, the calls that one step completes.
    """

    replicas: np.ndarray
    calls: np.ndarray
    finishing: np.ndarray
    events: np.ndarray
    routes: np.ndarray
    turns: np.ndarray
    standing: np.ndarray
    open: np.ndarray
    opens: np.ndarray
    lanes: np.ndarray
    due_tick: np.ndarray
    flying: np.ndarray
    hold: np.ndarray
    shed: np.ndarray
    spawned_tick: np.ndarray
    spawned_id: np.ndarray
    spawned_request: np.ndarray
    spawned_came: np.ndarray
    requests: np.ndarray
    progress: np.ndarray
    joined: np.ndarray
    call_request: np.ndarray
    call_leaf: np.ndarray
    call_cached: np.ndarray
    call_source: np.ndarray
    nodes: np.ndarray
    table: np.ndarray
    prefixes: np.ndarray
    text_key: np.ndarray
    text_tokens: np.ndarray
    adapters: np.ndarray
    adapter_loads: np.ndarray
    adapter_releases: np.ndarray
    streams: np.ndarray
    chunk_tick: np.ndarray
    chunk_number: np.ndarray
    chunk_input: np.ndarray
    chunk_output: np.ndarray
    counters: np.ndarray
    histograms: np.ndarray
    sums: np.ndarray
    stage_counters: np.ndarray
    stage_times: np.ndarray
    windows: np.ndarray
    log: np.ndarray
    pass_log: np.ndarray
    ended: np.ndarray
    scalars: np.ndarray
