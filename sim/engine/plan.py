"""The plan: all that the engines need to know of a scenario, as arrays and numbers, without strings.

A plan is immutable and describes one cell: the replicas behind one router and the demand that reaches them. Records
are numpy structured arrays, so that what one step or one call touches lies in one cache line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Schedulers.
CHUNKED_PREFILL, PREFILL_FIRST, STATIC = 0, 1, 2
# Routers.
ROUND_ROBIN, RANDOM, POWER_OF_TWO, LEAST_OUTSTANDING, LEAST_KV = 0, 1, 2, 3, 4
# Arrival processes.
CLOSED, POISSON, GAMMA, DETERMINISTIC, TRACE, AT_ONCE = 0, 1, 2, 3, 4, 5
# Laws of a token length; TRACED takes it from the arriving trace row, EMPIRICAL from a row drawn at random.
FIXED, UNIFORM, LOGNORMAL, TABLE, EMPIRICAL, TRACED = 0, 1, 2, 3, 4, 5

POOL = np.dtype(
    [
        ("group", np.int32),
        ("first_replica", np.int32),
        ("replicas", np.int32),
        ("scheduler", np.int32),
        ("max_batch", np.int32),
        ("token_budget", np.int32),
        ("queue_limit", np.int32),  # calls waiting at one replica; beyond it arrivals are rejected
        (
            "reserve_full",
            np.int32,
        ),  # 1: room for the whole output is kept at admission, and nothing is preempted
        ("kv_capacity", np.float64),  # tokens
        ("kv_admit", np.float64),  # tokens: an admission may fill the KV room this far while others run
        ("token_s_beyond", np.float64),
        ("attention_s", np.float64),
        ("host_prefill_s", np.float64),
        ("admit_s", np.float64),
        ("first_token_s", np.float64),
        ("token_j_beyond", np.float64),
        ("sequence_j", np.float64),
        ("kv_j", np.float64),
        ("attention_j", np.float64),
        ("static_w", np.float64),
        ("idle_w", np.float64),
    ],
    align=True,
)
"""Scalars of a pool; the fields of its step cost mean what `sim.cost.types.StepCost` says."""

GROUP = np.dtype([("router", np.int32), ("first_replica", np.int32), ("replicas", np.int32)], align=True)
"""A group is the replicas, of one or several pools, that serve one model behind one router."""

LENGTH = np.dtype(
    [
        ("law", np.int32),
        ("offset", np.int32),  # TABLE, EMPIRICAL: first entry in `table_*` or `trace_*`
        ("count", np.int32),
        ("guide", np.int32),  # TABLE: first entry in `guide`
        ("least", np.int32),  # tokens: draws are rounded, then raised to this
        ("a", np.float64),  # FIXED value; UNIFORM low; LOGNORMAL mean of the logarithm
        ("b", np.float64),  # UNIFORM high; LOGNORMAL standard deviation of the logarithm
    ],
    align=True,
)

WORKLOAD = np.dtype(
    [
        ("group", np.int32),
        ("process", np.int32),
        ("rate", np.float64),  # requests per second of unwarped time
        ("gamma_shape", np.float64),
        ("limit", np.int64),  # requests this workload may issue in all
        ("clients", np.int64),
        ("think_tick", np.int64),
        ("trace_offset", np.int64),
        ("trace_count", np.int64),
        ("trace_laps", np.int64),
        ("trace_span_s", np.float64),  # one lap of the trace, already divided by the rate scale
        ("warp_offset", np.int32),  # rate shape: cumulative shape at equal cells of one period
        ("warp_count", np.int32),
        ("warp_period_s", np.float64),
        ("warp_start_s", np.float64),
        ("arrival_key", np.uint64),
        ("input_key", np.uint64),
        ("output_key", np.uint64),
        ("cell_key", np.uint64),
        ("route_key", np.uint64),
        ("slo_ttft_s", np.float64),
        ("slo_tpot_s", np.float64),
        ("slo_e2e_s", np.float64),
    ],
    align=True,
)


class Plan(NamedTuple):
    """One cell's plan. P pools, G groups, W workloads, R replicas.

    token_s, token_j: float64[P, T + 1];  sequence_s, kv_s, host_s: float64[P, B + 1] (see `StepCost`).
    lengths: LENGTH[W, 2], input and output.  table_p, table_tokens: quantile tables, end to end.
    guide: int32, for each table `GUIDE` entries: the table cell in which probability i / GUIDE lies.
    trace_s, trace_input, trace_output: rows of all traces, end to end, in order of time.
    warp: cumulative rate shapes, each from 0 to 1.
    """

    pools: np.ndarray
    groups: np.ndarray
    workloads: np.ndarray
    lengths: np.ndarray
    token_s: np.ndarray
    sequence_s: np.ndarray
    kv_s: np.ndarray
    host_s: np.ndarray
    token_j: np.ndarray
    table_p: np.ndarray
    table_tokens: np.ndarray
    guide: np.ndarray
    trace_s: np.ndarray
    trace_input: np.ndarray
    trace_output: np.ndarray
    warp: np.ndarray
    cell: int
    cells: int
    duration_tick: int
    warmup_tick: int
    window_s: float
    window_origin_s: float


GUIDE = 1024
"""Entries in the guide of a quantile table."""


def replica_pools(plan: Plan) -> np.ndarray:
    """Pool of each replica, int32[R]."""
    order = np.argsort(plan.pools["first_replica"], kind="stable")
    return np.repeat(order.astype(np.int32), plan.pools["replicas"][order])
