"""From a scenario and the step costs of its pools to the plans of its cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sim.cost.adapters import popularity
from sim.cost.types import StepCost
from sim.engine import plan as P
from sim.engine.plan import Plan
from sim.engine.routes import routes_of
from sim.engine.stages import Stages, build_programs
from sim.errors import Fault, ScenarioError
from sim.scenario.pool import Pool
from sim.scenario.schema import AUTO, Scenario
from sim.workload.demand import Demand, build_demand
from sim.workload.program import Program
from sim.workload.trace import Trace

_SCHEDULER = {
    "chunked-prefill": P.CHUNKED_PREFILL,
    "prefill-first": P.PREFILL_FIRST,
    "static": P.STATIC,
}
_ROUTER = {
    "round-robin": P.ROUND_ROBIN,
    "random": P.RANDOM,
    "power-of-two": P.POWER_OF_TWO,
    "least-outstanding": P.LEAST_OUTSTANDING,
    "least-kv": P.LEAST_KV,
    "session": P.SESSION,
    "efficient-first": P.EFFICIENT_FIRST,
    "prefix-aware": P.PREFIX_AWARE,
}
_ROLE = {None: P.WHOLE, "prefill": P.PREFILL, "decode": P.DECODE}
_ROUND_WINDOWS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
RANKED_CONTEXT = 1024.0
"""Context at which pools are ranked by the energy of a token [tokens]."""
_WINDOWS = 240
"""Windows that "auto" aims at over the duration."""


def build_plans(
    scenario: Scenario,
    costs: Sequence[StepCost],
    traces: Mapping[str, Trace],
    programs: Sequence[Program],
    levels: Sequence[Sequence[StepCost]] = (),
) -> tuple[Plan, ...]:
    """One plan per cell. costs: the step cost of each pool, in order.  programs: of each workload.
    levels: further step costs of every pool that a governor may choose; level l of pool p is row l x pools + p.

    Raises ScenarioError if a pool can never admit a request of one of its workloads; ValueError for a step cost whose
    tables do not reach the pool's batch limit.
    """
    for pool, cost in zip(scenario.pools, costs, strict=True):
        if min(map(len, (cost.sequence_s, cost.kv_s, cost.host_s))) <= pool.scheduler.max_batch:
            raise ValueError(
                f"step cost of {pool.name}: tables end below max_batch {pool.scheduler.max_batch}"
            )
    routes = routes_of(scenario, programs)
    demand = build_demand(scenario, routes.chain_of, traces)
    regions = [w.region for w in scenario.workloads]
    stages = build_programs(programs, demand.workloads, regions, routes.chain_of)
    pools = _pools(scenario, routes.group_of, costs)
    _check_admissible(scenario, demand, pools)
    window_s = _window_s(scenario)
    every = [*costs, *(cost for level in levels for cost in level)]
    common = {
        "pools": pools,
        "rates": rate_rows(every),
        "groups": _groups(scenario, pools),
        "chains": routes.chains,
        "network_s": routes.network_s,
        "classes": _classes(scenario),
        "patience": any(w.patience_s is not None for w in scenario.workloads),
        **_tables(every),
        **{name: getattr(demand, name) for name in Demand.__dataclass_fields__},
        **stages._asdict(),
        "adapter_p": _popularity(scenario, pools),
        "most_texts": _most_texts(demand, stages),
        "most_nodes": _most_nodes(pools, demand, stages),
        "cells": scenario.cells,
        "duration_tick": round(scenario.duration_s * 2**30),
        "warmup_tick": round(scenario.warmup_s * 2**30),
        "window_s": window_s,
        # a window edge falls on the end of the warm-up, so that what is counted begins with a window
        "window_origin_s": scenario.warmup_s - math.ceil(scenario.warmup_s / window_s) * window_s,
    }
    return tuple(Plan(cell=cell, **common) for cell in range(scenario.cells))


def _classes(scenario: Scenario) -> int:
    """Priority classes; the engine looks at `admit_below` only where there are two or more."""
    gated = any(w.admit_below is not None for w in scenario.workloads)
    return max(len({w.priority for w in scenario.workloads}), 2 if gated else 1)


def _pools(scenario: Scenario, group_of: Sequence[int], costs: Sequence[StepCost]) -> np.ndarray:
    rows = np.zeros(len(scenario.pools), P.POOL)
    rows["group"] = group_of
    takers = {p.model: g for p, g in zip(scenario.pools, group_of, strict=True) if p.role == "decode"}
    for row, pool, cost in zip(rows, scenario.pools, costs, strict=True):
        scheduler = pool.scheduler
        row["role"], row["next_group"] = _ROLE[pool.role], takers.get(pool.model, -1)
        row["replicas"] = pool.replicas // scenario.cells
        row["scheduler"] = _SCHEDULER[scheduler.kind]
        row["max_batch"] = scheduler.max_batch
        row["token_budget"] = scheduler.token_budget
        row["queue_limit"] = 2**31 - 1 if scheduler.queue_limit is None else scheduler.queue_limit
        row["reserve_full"] = scheduler.kv_reserve == "full" or scheduler.kind == "static"
        row["kv_capacity"] = cost.memory.kv_capacity_tokens
        row["kv_admit"] = math.floor(cost.memory.kv_capacity_tokens * (1 - scheduler.kv_watermark))
        row["prefix_block"] = pool.prefix_cache.block_tokens if pool.prefix_cache.enabled else 0
        row["first_token_s"] = cost.first_token_s
        row["width"], row["tokens_per_step"] = cost.width, cost.tokens_per_step
        row["handover_s"], row["handover_token_s"] = cost.handover_s, cost.handover_token_s
        row["adapter_load_s"] = cost.adapter_load_s
    rows["longest"] = rows["kv_capacity"]
    for row in rows:
        if row["role"] == P.PREFILL:
            on_the_way = (rows["group"] == row["group"]) | (rows["group"] == row["next_group"])
            row["longest"] = rows["kv_capacity"][on_the_way].min()
    if scenario.router == "efficient-first":
        rows["head_start"] = _head_starts(rows, costs)
    first = 0
    for g in range(max(group_of) + 1):  # a group's replicas stand side by side
        for i in np.flatnonzero(rows["group"] == g):
            rows["first_replica"][i] = first
            first += int(rows["replicas"][i])
    return rows


FULL = 0.8
"""Part of the batch limit to which replicas that need less energy are filled before others are used."""


def _head_starts(pools: np.ndarray, costs: Sequence[StepCost]) -> np.ndarray:
    """Of each group, pools in order of joules per token: each begins when all before it are full."""
    found = np.zeros(len(pools), np.int32)
    for g in np.unique(pools["group"]):
        members = np.flatnonzero(pools["group"] == g)
        ahead = 0
        for i in sorted(members.tolist(), key=lambda i: token_j(costs[i], int(pools["max_batch"][i]))):
            found[i] = ahead
            ahead += max(1, round(FULL * int(pools["max_batch"][i])))
    return found


def token_j(cost: StepCost, batch: int) -> float:
    """Energy of one output token [J] in a step that decodes as many sequences as fit, up to `batch`."""
    context = RANKED_CONTEXT
    n = max(1, min(batch, int(cost.memory.kv_capacity_tokens / context)))
    kv = n * context
    tokens = n * cost.width
    token_s = _entry(cost.token_s, cost.token_s_beyond, tokens)
    step_s = max(token_s + cost.sequence_s[n] + cost.kv_s[n] * kv, cost.host_s[n])
    work_j = _entry(cost.token_j, cost.token_j_beyond, tokens) + cost.sequence_j * n + cost.kv_j * kv
    return float(cost.static_w * step_s + work_j) / (n * cost.tokens_per_step)


def _entry(table: np.ndarray, beyond: float, tokens: int) -> float:
    """An entry of a table of tokens, which goes on linearly beyond its end."""
    last = len(table) - 1
    return float(table[min(tokens, last)]) + max(tokens - last, 0) * beyond


def rate_rows(costs: Sequence[StepCost]) -> np.ndarray:
    """The scalars of step costs, RATE[len(costs)]."""
    rows = np.zeros(len(costs), P.RATE)
    for row, cost in zip(rows, costs, strict=True):
        for name in P.RATE.names or ():
            row[name] = getattr(cost, name)
    return rows


def _most_nodes(pools: np.ndarray, demand: Demand, stages: Stages) -> int:
    """Texts that one event may add to the prefix caches: those of a full batch of calls, and their outputs."""
    if not pools["prefix_block"].any():
        return 0
    return int(pools["max_batch"].max()) * (_most_texts(demand, stages) + 1)


def _most_texts(demand: Demand, stages: Stages) -> int:
    """Texts that a call may read: blocks of a prompt, what a stage reads, a tool's result."""
    blocks = int(np.diff(demand.block_first).max()) if len(demand.block_first) > 1 else 0
    reads = int(stages.stages["reads"].max()) if len(stages.stages) else 1
    return blocks + reads + 1


def _popularity(scenario: Scenario, pools: np.ndarray) -> np.ndarray:
    """Cumulative popularity of the adapters of every pool that has any, end to end; sets the pools' columns."""
    parts, size = [np.zeros(1)], 1
    for row, pool in zip(pools, scenario.pools, strict=True):
        if pool.adapters is not None:
            row["adapters"], row["adapter_slots"] = pool.adapters.count, pool.adapters.places
            row["adapter_first"] = size
            parts.append(np.cumsum(popularity(pool.adapters.count, pool.adapters.zipf)))
            size += pool.adapters.count
    return np.concatenate(parts)


def _groups(scenario: Scenario, pools: np.ndarray) -> np.ndarray:
    groups = np.zeros(int(pools["group"].max()) + 1, P.GROUP)
    full = np.array([pool.overflow_above or pool.scheduler.max_batch for pool in scenario.pools])
    for g, group in enumerate(groups):
        members = pools[pools["group"] == g]
        group["router"] = _ROUTER[scenario.router]
        group["overlap_weight"] = scenario.overlap_weight
        group["first_replica"] = members["first_replica"].min()
        group["replicas"] = members["replicas"].sum()
        group["first_draw"] = 2 if (members["role"] == P.DECODE).any() else 0  # a choice of its own
        group["overflow"] = full[pools["group"] == g].min()
    return groups


def _tables(costs: Sequence[StepCost]) -> dict[str, np.ndarray]:
    """Tables of all pools at one width: by tokens they go on linearly, by sequences the end is never read."""
    longest = max(len(c.token_s) for c in costs)
    widest = max(len(c.kv_s) for c in costs)

    def by_tokens(table: np.ndarray, beyond: float) -> np.ndarray:
        return np.concatenate([table, table[-1] + beyond * np.arange(1, longest - len(table) + 1)])

    def by_sequences(table: np.ndarray) -> np.ndarray:
        return np.pad(table, (0, widest - len(table)), mode="edge")

    return {
        "token_s": np.array([by_tokens(c.token_s, c.token_s_beyond) for c in costs]),
        "token_j": np.array([by_tokens(c.token_j, c.token_j_beyond) for c in costs]),
        "sequence_s": np.array([by_sequences(c.sequence_s) for c in costs]),
        "kv_s": np.array([by_sequences(c.kv_s) for c in costs]),
        "host_s": np.array([by_sequences(c.host_s) for c in costs]),
    }


def _window_s(scenario: Scenario) -> float:
    if scenario.output.window_s != AUTO:
        return float(scenario.output.window_s)
    wanted = scenario.duration_s / _WINDOWS
    return float(next((w for w in _ROUND_WINDOWS_S if w >= wanted), 3600 * math.ceil(wanted / 3600)))


def _check_admissible(scenario: Scenario, demand: Demand, pools: np.ndarray) -> None:
    """A pool whose KV room is below the shortest request it may be sent could only reject."""
    faults = []
    for w, workload in enumerate(scenario.workloads):
        shortest = shortest_request(demand, w)
        for i, pool in enumerate(scenario.pools):
            room = int(pools["kv_capacity"][i])
            if pool.model == workload.model and shortest > room:
                faults.append(_too_small(i, pool, room, workload.name, shortest))
    if faults:
        raise ScenarioError(faults)


def _too_small(i: int, pool: Pool, room: int, workload: str, shortest: int) -> Fault:
    return Fault(
        f"pool[{i}]",
        f'a replica of "{pool.name}" has KV room for {room:,} tokens, but the shortest request of workload '
        f'"{workload}" needs {shortest:,}: none could ever be admitted',
        "raise tensor_parallel or memory_fraction, or choose a smaller precision or kv_precision",
    )


def shortest_request(demand: Demand, w: int) -> int:
    """Fewest tokens, input and output together, that a request of workload `w` can have."""
    row, lengths = demand.workloads[w], demand.lengths[w]
    law = lengths["law"][0]
    if law in (P.TRACED, P.EMPIRICAL):
        start = row["trace_offset"] if law == P.TRACED else lengths["offset"][0]
        count = row["trace_count"] if law == P.TRACED else lengths["count"][0]
        rows = slice(int(start), int(start + count))
        return int((demand.trace_input[rows].astype(np.int64) + demand.trace_output[rows]).min())
    total = 0
    for side in lengths:
        if side["law"] == P.TABLE:
            total += max(int(demand.table_tokens[side["offset"]] + 0.5), int(side["least"]))
        else:
            total += int(side["least"] if side["law"] == P.LOGNORMAL else side["a"])
    return total
