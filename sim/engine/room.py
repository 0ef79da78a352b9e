"""Room for the kernel's state: allocated at the start of a run, and doubled where the kernel asks for more."""

from __future__ import annotations

import numpy as np

from sim.engine.kernel import tournament
from sim.engine.kernel.clock import NEVER
from sim.engine.plan import Plan, replica_pools
from sim.engine.state import (
    ADAPTER,
    CALL,
    CHUNK,
    FREE_HEAD,
    FREE_NODE,
    FREE_NODES,
    FREE_REQUEST,
    LANE,
    LATENCIES,
    LOG,
    NODE,
    NONE,
    PREFIX,
    REPLICA,
    REQUEST,
    REQUEST_STAGE,
    SCALARS,
    STAGE_COUNTERS,
    STAGE_TIMES,
    STRANDED,
    STREAM,
    WINDOW_COLUMNS,
    WORKLOAD_COUNTERS,
    State,
)
from sim.metrics.histogram import BUCKETS

MAX_CALLS = 1 << 28
"""Calls in flight that the finish heap's keys can name."""


def new_state(plan: Plan, log_requests: int = 0) -> State:
    """State at time 0, before the first arrival. `log_requests`: requests, and passes, to log, the first to end."""
    pool_of = replica_pools(plan)
    count = len(pool_of)
    workloads = len(plan.workloads)
    replicas = _lines(count, REPLICA)
    replicas["pool"] = pool_of
    replicas["rate"] = replicas["next_rate"] = pool_of
    for name in ("queue_head", "queue_tail", "partial", "ending"):
        replicas[name] = NONE
    events = _lines(tournament.size_for(count), np.dtype(np.int64))
    tournament.fill(events, count, NEVER, NEVER)
    size = tournament.size_for(int(plan.groups["replicas"].max()))
    routes = _lines(len(plan.groups) * size, np.dtype(np.int64)).reshape(-1, size)
    for tree, group in zip(routes, plan.groups, strict=True):
        tournament.fill(tree, int(group["replicas"]), 0, NEVER)
        members = pool_of[int(group["first_replica"]) :][: int(group["replicas"])]
        for i in np.flatnonzero(plan.pools["head_start"][members]):
            tournament.update(tree, i, plan.pools["head_start"][members[i]])
    max_batch = int(plan.pools["max_batch"].max())
    scalars = np.zeros(SCALARS, np.int64)
    scalars[STRANDED] = NONE
    lanes = np.zeros((count, plan.classes), LANE)
    lanes["tail"] = NONE
    clients = int(plan.workloads["clients"].sum())
    calls = link_free(_lines(max(1024, 2 * clients), CALL), 0, NONE)
    spawned = 1 << (clients + plan.most_calls + 1024).bit_length()
    programs = len(plan.stages) > 0
    nodes = 1 << (2 * plan.most_nodes + 1024).bit_length() if plan.most_nodes else 1
    scalars[FREE_NODES] = nodes
    free_nodes = _chained(np.zeros(nodes, NODE), "after")
    free_nodes["tokens"] = NONE
    prefixes = np.zeros(count, PREFIX)
    prefixes["oldest"] = prefixes["latest"] = NONE
    widest = max(1, int(plan.workloads["stages"].max()))
    slots = max(1, int(plan.pools["adapter_slots"].max()))
    adapters = np.zeros((count if plan.pools["adapters"].any() else 1, slots), ADAPTER)
    adapters["id"] = NONE
    return State(
        replicas=replicas,
        calls=calls,
        finishing=_lines(count * _odd_lines(max_batch), np.dtype(np.int64)).reshape(count, -1),
        events=events,
        routes=routes,
        turns=np.zeros(len(plan.groups), np.int64),
        standing=np.zeros(count, np.int32),
        open=np.arange(count, dtype=np.int32),
        opens=plan.groups["replicas"].astype(np.int32),
        lanes=lanes,
        due_tick=np.zeros(workloads, np.int64),
        flying=np.zeros(workloads, np.int64),
        hold=np.zeros(workloads, np.int64),
        shed=np.zeros(workloads, np.int32),
        spawned_tick=np.zeros(spawned, np.int64),
        spawned_id=np.zeros(spawned, np.int64),
        spawned_request=np.zeros(spawned, np.int32),
        spawned_came=np.zeros(spawned, np.int64),
        requests=_chained(np.zeros(1024 if programs else 1, REQUEST), "next"),
        progress=np.zeros((1024 if programs else 1, widest), REQUEST_STAGE),
        joined=np.zeros(max_batch + 1, np.int32),
        call_request=np.full(len(calls), NONE, np.int32),
        call_leaf=np.full(len(calls), NONE, np.int32),
        call_cached=np.zeros(len(calls), np.int32),
        call_source=np.full(len(calls), NONE, np.int32),
        nodes=free_nodes,
        table=np.zeros(4 * nodes, np.int32),
        prefixes=prefixes,
        text_key=np.zeros(plan.most_texts, np.uint64),
        text_tokens=np.zeros(plan.most_texts, np.int32),
        adapters=adapters,
        adapter_loads=np.zeros(count, np.int32),
        adapter_releases=np.zeros(count, np.int64),
        streams=np.zeros(workloads, STREAM),
        chunk_tick=np.zeros((workloads, CHUNK), np.int64),
        chunk_number=np.zeros((workloads, CHUNK), np.int64),
        chunk_input=np.zeros((workloads, CHUNK), np.int32),
        chunk_output=np.zeros((workloads, CHUNK), np.int32),
        counters=np.zeros((workloads, WORKLOAD_COUNTERS), np.int64),
        histograms=np.zeros((workloads, LATENCIES, BUCKETS), np.int64),
        sums=np.zeros((workloads, LATENCIES), np.float64),
        stage_counters=np.zeros((len(plan.stages), STAGE_COUNTERS), np.int64),
        stage_times=np.zeros((len(plan.stages), STAGE_TIMES), np.float64),
        windows=np.zeros((len(plan.pools), 64, WINDOW_COLUMNS), np.float64),
        log=np.zeros(log_requests, LOG),
        pass_log=np.zeros(log_requests if programs else 0, LOG),
        ended=np.zeros(max_batch + 1, np.int32),
        scalars=scalars,
    )


def _chained(records: np.ndarray, link: str) -> np.ndarray:
    """Records as one free list through the field `link`, from the first to the last."""
    records[link] = np.arange(1, len(records) + 1)
    records[link][-1] = NONE
    return records


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
    more = np.full(count, NONE, np.int32)
    return state._replace(
        calls=calls,
        call_request=np.concatenate([state.call_request, more]),
        call_leaf=np.concatenate([state.call_leaf, more]),
        call_cached=_doubled(state.call_cached),
        call_source=np.concatenate([state.call_source, more]),
    )


def with_more_spawned(state: State) -> State:
    """The same state with room for twice as many calls that the run itself will issue."""
    names = ("spawned_tick", "spawned_id", "spawned_request", "spawned_came")
    return state._replace(**{name: _doubled(getattr(state, name)) for name in names})


def with_more_requests(state: State) -> State:
    """The same state with room for twice as many requests that run a program."""
    count = len(state.requests)
    requests = _doubled(state.requests)
    requests["next"][count:] = np.arange(count + 1, 2 * count + 1)
    requests["next"][-1] = state.scalars[FREE_REQUEST]
    state.scalars[FREE_REQUEST] = count
    return state._replace(requests=requests, progress=_doubled(state.progress))


def with_more_nodes(state: State) -> State:
    """The same state with room for twice as many texts in the prefix caches; the hash table is left to be filled."""
    count = len(state.nodes)
    nodes = _doubled(state.nodes)
    nodes["tokens"][count:] = NONE
    nodes["after"][count:] = np.arange(count + 1, 2 * count + 1)
    nodes["after"][-1] = state.scalars[FREE_NODE]
    state.scalars[FREE_NODE] = count
    state.scalars[FREE_NODES] += count
    return state._replace(nodes=nodes, table=np.zeros(2 * len(state.table), np.int32))


def _doubled(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, np.zeros_like(array)])


def with_more_windows(state: State) -> State:
    """The same state with twice as many windows; called when time has passed the last one."""
    return state._replace(windows=np.concatenate([state.windows, np.zeros_like(state.windows)], axis=1))
