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
ROUND_ROBIN, RANDOM, POWER_OF_TWO, LEAST_OUTSTANDING, LEAST_KV, SESSION, EFFICIENT_FIRST = range(7)
PREFIX_AWARE = 7
# Arrival processes.
CLOSED, POISSON, GAMMA, DETERMINISTIC, TRACE, AT_ONCE = 0, 1, 2, 3, 4, 5
WEIBULL = 6
# Laws of a token length; TRACED takes it from the arriving trace row, EMPIRICAL from a row drawn at random.
FIXED, UNIFORM, LOGNORMAL, TABLE, EMPIRICAL, TRACED = 0, 1, 2, 3, 4, 5
DRAWN = -1
# Texts that a call reads (see `sim.workload.program`).
TEMPLATE, PROMPT, ALL, OWN, OTHERS, TRANSCRIPT = 0, 1, 2, 3, 4, 5
# Roles of a pool: it serves requests whole, prefills prompts and hands them on, or decodes what others prefilled.
WHOLE, PREFILL, DECODE = 0, 1, 2

POOL = np.dtype(
    [
        ("group", np.int32),
        ("first_replica", np.int32),
        ("replicas", np.int32),
        ("scheduler", np.int32),
        ("max_batch", np.int32),
        ("token_budget", np.int32),
        ("queue_limit", np.int32),  # calls waiting at one replica; beyond it arrivals are rejected
        ("reserve_full", np.int32),  # 1: room for the whole output is kept; nothing is preempted
        ("kv_capacity", np.float64),  # tokens
        ("kv_admit", np.float64),  # tokens: an admission may fill the KV room this far while others run
        ("prefix_block", np.int32),  # tokens of a block of the prefix cache; 0: there is none
        ("head_start", np.int32),  # calls that routers on outstanding calls add to a replica's own
        ("first_token_s", np.float64),  # what a request spends outside the engine before its first token
        (
            "width",
            np.int32,
        ),  # tokens that a decode step computes of each sequence; above 1: it verifies a draft
        (
            "tokens_per_step",
            np.float64,
        ),  # of these, tokens that it emits; a multiple of 2**-10: sums are exact
        ("role", np.int32),
        ("next_group", np.int32),  # PREFILL: group that decodes what the pool prefilled
        ("longest", np.float64),  # tokens of prompt and output together; longer requests are rejected
        (
            "handover_s",
            np.float64,
        ),  # PREFILL: time on the way to the next group, and for each token of the prompt
        ("handover_token_s", np.float64),
        ("adapters", np.int32),  # that requests are for, or 0
        ("adapter_slots", np.int32),  # adapters that a replica holds at once
        ("adapter_first", np.int32),  # first entry in `adapter_p`
        ("adapter_load_s", np.float64),
    ],
    align=True,
)
"""How a pool schedules."""

RATE = np.dtype(
    [
        ("token_s_beyond", np.float64),
        ("attention_s", np.float64),
        ("host_prefill_s", np.float64),
        ("admit_s", np.float64),
        ("token_j_beyond", np.float64),
        ("sequence_j", np.float64),
        ("kv_j", np.float64),
        ("attention_j", np.float64),
        ("static_w", np.float64),
        ("idle_w", np.float64),
    ],
    align=True,
)
"""Scalars of a step cost; they mean what `sim.cost.types.StepCost` says. Pool p begins with row p; where its power may
be capped, there is a further row for each cap."""

GROUP = np.dtype(
    [
        ("router", np.int32),
        ("first_replica", np.int32),
        ("replicas", np.int32),
        ("overflow", np.int32),  # calls at a replica; one that finds as many is offered to the next group
        ("first_draw", np.int32),  # of a call's draws for routing
        ("overlap_weight", np.float64),  # of the router PREFIX_AWARE: KV tokens that count as one to compute
    ],
    align=True,
)
"""A group is the replicas, of one or several pools, that serve one model in one role behind one router."""

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

AMOUNT = np.dtype(
    [
        ("constant", np.float64),
        ("per_prompt", np.float64),
        ("per_answer", np.float64),
        ("per_previous", np.float64),
        ("sigma", np.float64),  # of the logarithm; 0: the mean itself
        ("least", np.int64),
        ("most", np.int64),
    ],
    align=True,
)
"""A random whole number of a program: `sim.workload.program.Amount`."""

READ = np.dtype(
    [
        ("kind", np.int32),
        ("stage", np.int32),
        ("tokens", np.int32),
        ("share", np.float64),
        ("text", np.uint64),  # of a template: equal where the text is
    ],
    align=True,
)

STAGE = np.dtype(
    [
        ("chain", np.int32),
        ("first_read", np.int32),
        ("reads", np.int32),
        (
            "grows",
            np.int32,
        ),  # 1: its last text is its transcript, to which tool results and outputs are added
        ("calls", np.int32),  # rows of `amounts`, here and below
        (
            "output",
            np.int32,
        ),  # or DRAWN: anew from the workload's lengths; of pass 1 the request's own answer
        ("tool_tokens", np.int32),
        ("tool_first", np.int32),
        ("repeat", np.int32),  # stage that the loop goes back to, or -1
        ("times", np.int32),
        ("late_in", np.int32),  # stage whose loop must have run once before this one is run; -1: none
        ("longest_input", np.int32),
        ("tool_s", np.float64),
        ("tool_sigma", np.float64),
        ("probability", np.float64),
        ("stop", np.float64),
    ],
    align=True,
)
"""A stage of a program. Stage numbers count from the workload's first stage."""

WORKLOAD = np.dtype(
    [
        ("chain", np.int32),
        ("class_", np.int32),  # of priority; 0 is served first
        ("first_stage", np.int32),
        ("stages", np.int32),  # 0: a plain request, one call that reads the prompt and answers it
        ("streamed", np.int32),
        (
            "sessions",
            np.int32,
        ),  # 1: each pass counts as a request, and arrives before the duration or not at all
        ("process", np.int32),
        ("rate", np.float64),  # requests per second of unwarped time
        ("gap_shape", np.float64),  # of gamma and Weibull gaps
        ("gap_scale", np.float64),  # of Weibull gaps: 1 / mean of the law of scale 1
        ("limit", np.int64),  # requests this workload may issue in all
        ("clients", np.int64),
        ("think_tick", np.int64),
        ("trace_offset", np.int64),
        ("trace_count", np.int64),
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
        ("program_key", np.uint64),
        ("adapter_key", np.uint64),
        ("prompt_blocks", np.int32),  # tokens of a block that the trace names by hash; 0: it names none
        ("queue_limit", np.int32),  # calls as urgent that wait at a replica: rejected
        ("admit_below", np.int32),  # calls running at a replica; one waits while there are as many
        ("attempts", np.int32),  # times that a client asks, at most
        ("backoff_s", np.float64),  # mean pause before the second; each further one is twice as long
        ("patience_tick", np.int64),  # a call that has waited so long is given up; 0: never
        ("most_in_flight", np.int64),
        ("interval_tick", np.int64),  # between the requests of a tenant at its limit; 0: no limit
        ("burst_tick", np.int64),  # by which they may come early
        ("spill_above", np.int32),  # calls as urgent that wait at a replica: sent away
        ("spill_ttft_s", np.float64),  # there
        ("spill_tpot_s", np.float64),
        ("retry_key", np.uint64),
        ("slo_ttft_s", np.float64),
        ("slo_tpot_s", np.float64),
        ("slo_e2e_s", np.float64),
    ],
    align=True,
)


class Plan(NamedTuple):
    """One cell's plan. P pools, C rows of step costs, G groups, W workloads, R replicas.

    token_s, token_j: float64[C, T + 1];  sequence_s, kv_s, host_s: float64[C, B + 1] (see `StepCost`).
    stages, reads, amounts: the programs of all workloads, end to end.
    chains: int32[K, M], groups that a call may go to, in order, the first that is not full; the rest NONE.
    network_s: float64[W, P], what the way to a pool and back adds to a request's latencies [s].
    classes: of priority.  patience: whether a call may be given up while it waits.
    lengths: LENGTH[W, 2], input and output.  table_p, table_tokens: quantile tables, end to end.
    guide: int32, for each table `GUIDE` entries: the table cell in which probability i / GUIDE lies.
    trace_s, trace_input, trace_output: rows of all traces, end to end, in order of time.
    block_first: int64[rows + 1], where the blocks of each trace row begin in `blocks`, the hashes of its prompt.
    warp: cumulative rate shapes, each from 0 to 1.
    adapter_p: for each pool with adapters, the probability that a request is for one of the first 1, 2, ... of them.
    most_calls: calls that a stage may have.  most_texts: texts that a call may read.  most_nodes: texts that one event
    may add to the prefix caches, 0 where no pool has one.
    """

    pools: np.ndarray
    rates: np.ndarray
    groups: np.ndarray
    chains: np.ndarray
    network_s: np.ndarray
    classes: int
    patience: bool
    workloads: np.ndarray
    lengths: np.ndarray
    stages: np.ndarray
    reads: np.ndarray
    amounts: np.ndarray
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
    block_first: np.ndarray
    blocks: np.ndarray
    warp: np.ndarray
    adapter_p: np.ndarray
    most_calls: int
    most_texts: int
    most_nodes: int
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
