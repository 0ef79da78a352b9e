"""The kernel's mutable state: allocated here, changed only by the kernel, read by `collect`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.engine.kernel import tournament
from sim.engine.kernel.clock import NEVER
from sim.engine.plan import Plan, replica_pools
from sim.metrics.histogram import BUCKETS

NONE = -1
CHUNK = 4096
"""Arrivals drawn ahead for one workload."""

REPLICA = np.dtype(
    [
        ("pool", np.int32),
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
        ("segment_steps", np.int64),
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
        ("id", np.int64),  # workload << 48 | number of the request: the order among equals
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

# Counters per workload.
ARRIVED, COMPLETED, REJECTED, INPUT, OUTPUT, GOOD, GOOD_TTFT, GOOD_TPOT, WITH_TPOT = range(9)
WORKLOAD_COUNTERS = 9
# Latencies per workload.
TTFT, TPOT, E2E, QUEUE = range(4)
LATENCIES = 4
# Columns of the time windows, per pool.
ENERGY_J, BUSY_S, BATCH_S, DECODED, PREFILLED, WAITING_S, SYSTEM_S, STEPS, PREEMPTED, RECOMPUTED = range(10)
WINDOW_COLUMNS = 10
# Scalars.
FREE_HEAD, SPAWNED, LOGGED, NEXT_STREAM, NEXT_TICK, SEGMENTS = range(6)
SCALARS = 6

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
"""One finished call, in order of completion. Times are the engine's, without `first_token_s`."""


class State(NamedTuple):
    """Mutable state of one cell.

    finishing: int64[R, at least max_batch], per replica a heap of (step at which a call ends << 28 | call).
    events: min tree over replicas by the key of their next event.
    routes: int64[G, :], a min tree per group over its replicas by outstanding calls.
    spawned_key, spawned_call: heap of calls that the run itself will issue, by (tick, id).
    chunk_tick, chunk_number: int64[W, CHUNK], chunk_input, chunk_output: int32[W, CHUNK], arrivals drawn ahead.
    ended: scratch, the calls that one step completes.
    """

    replicas: np.ndarray
    calls: np.ndarray
    finishing: np.ndarray
    events: np.ndarray
    routes: np.ndarray
    turns: np.ndarray
    spawned_tick: np.ndarray
    spawned_call: np.ndarray
    streams: np.ndarray
    chunk_tick: np.ndarray
    chunk_number: np.ndarray
    chunk_input: np.ndarray
    chunk_output: np.ndarray
    counters: np.ndarray
    histograms: np.ndarray
    sums: np.ndarray
    windows: np.ndarray
    log: np.ndarray
    ended: np.ndarray
    scalars: np.ndarray


def new_state(plan: Plan, log_requests: int = 0) -> State:
    """State at time 0, before the first arrival. `log_requests`: calls to log, first come first kept."""
    pool_of = replica_pools(plan)
    count = len(pool_of)
    workloads = len(plan.workloads)
    replicas = _lines(count, REPLICA)
    replicas["pool"] = pool_of
    for name in ("queue_head", "queue_tail", "partial", "ending"):
        replicas[name] = NONE
    events = _lines(tournament.size_for(count), np.dtype(np.int64))
    tournament.fill(events, count, NEVER, NEVER)
    size = tournament.size_for(int(plan.groups["replicas"].max()))
    routes = _lines(len(plan.groups) * size, np.dtype(np.int64)).reshape(-1, size)
    for tree, group in zip(routes, plan.groups, strict=True):
        tournament.fill(tree, int(group["replicas"]), 0, NEVER)
    max_batch = int(plan.pools["max_batch"].max())
    scalars = np.zeros(SCALARS, np.int64)
    clients = int(plan.workloads["clients"].sum())
    calls = link_free(_lines(max(1024, 2 * clients), CALL), 0, NONE)
    return State(
        replicas=replicas,
        calls=calls,
        finishing=_lines(count * _odd_lines(max_batch), np.dtype(np.int64)).reshape(count, -1),
        events=events,
        routes=routes,
        turns=np.zeros(len(plan.groups), np.int64),
        spawned_tick=np.zeros(len(calls), np.int64),
        spawned_call=np.zeros(len(calls), np.int32),
        streams=np.zeros(workloads, STREAM),
        chunk_tick=np.zeros((workloads, CHUNK), np.int64),
        chunk_number=np.zeros((workloads, CHUNK), np.int64),
        chunk_input=np.zeros((workloads, CHUNK), np.int32),
        chunk_output=np.zeros((workloads, CHUNK), np.int32),
        counters=np.zeros((workloads, WORKLOAD_COUNTERS), np.int64),
        histograms=np.zeros((workloads, LATENCIES, BUCKETS), np.int64),
        sums=np.zeros((workloads, LATENCIES), np.float64),
        windows=np.zeros((len(plan.pools), 64, WINDOW_COLUMNS), np.float64),
        log=np.zeros(log_requests, LOG),
        ended=np.zeros(max_batch + 1, np.int32),
        scalars=scalars,
    )


def _lines(count: int, dtype: np.dtype) -> np.ndarray:
    """`count` zero records, the first at the start of a 64-byte line, so that none of 64 bytes straddles two.

    Written at once rather than left to the system's zero pages: numpy asks for huge pages only then.
    """
    buffer = np.empty(count * dtype.itemsize + 64, np.uint8)
    buffer[:] = 0
    start = -buffer.ctypes.data % 64
    return buffer[start : start + count * dtype.itemsize].view(dtype)


def _odd_lines(entries: int) -> int:
    """Entries of 8 bytes, padded to an odd number of 64-byte lines: at a stride that is a power of two, the heads of
    all heaps would fall into the same few sets of the processor's caches."""
    lines = -(-entries // 8)
    return 8 * (lines + 1 - lines % 2)


def link_free(calls: np.ndarray, start: int, then: int) -> np.ndarray:
    """Chain calls[start:] into a free list that goes on with `then`; returns `calls`."""
    calls["next"][start:] = np.arange(start + 1, len(calls) + 1)
    calls["next"][-1] = then
    return calls


def with_more_calls(state: State) -> State:
    """The same state with room for twice as many calls; called when the free list is empty."""
    count = len(state.calls)
    if 2 * count > MAX_CALLS:
        raise MemoryError(f"more than {MAX_CALLS:,} calls in flight")
    calls = _lines(2 * count, CALL)
    calls[:count] = state.calls
    link_free(calls, count, int(state.scalars[FREE_HEAD]))
    state.scalars[FREE_HEAD] = count
    return state._replace(
        calls=calls,
        spawned_tick=np.concatenate([state.spawned_tick, np.zeros(count, np.int64)]),
        spawned_call=np.concatenate([state.spawned_call, np.zeros(count, np.int32)]),
    )


def with_more_windows(state: State) -> State:
    """The same state with twice as many windows; called when time has passed the last one."""
    return state._replace(windows=np.concatenate([state.windows, np.zeros_like(state.windows)], axis=1))


MAX_CALLS = 1 << 28
"""Calls in flight that the finish heap's keys can name."""
