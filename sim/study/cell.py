"""One replica under a measured protocol as a plan of one cell, run on the kernel, and what is read off it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.cost.types import StepCost
from sim.engine import plan as P
from sim.engine.build import rate_rows
from sim.engine.dataplane import Cell
from sim.engine.kernel.rng import stream_key
from sim.engine.plan import Plan
from sim.engine.state import COMPLETED, E2E, ENERGY_J, INPUT, OUTPUT, REJECTED, TPOT, TTFT, WITH_TPOT
from sim.metrics.histogram import edges
from sim.study.setup import Protocol

_LONG_S = 2.0**30
"""One window for the whole run, and arrivals without end."""
_SCHEDULER = {"chunked": P.CHUNKED_PREFILL, "prefill-first": P.PREFILL_FIRST, "static": P.STATIC}
_PROCESS = {
    "closed": P.CLOSED,
    "serial": P.CLOSED,
    "open": P.POISSON,
    "burst": P.AT_ONCE,
    "static": P.AT_ONCE,
}
_MIDDLES = np.sqrt(edges()[:-1] * edges()[1:])
_EMPTY = np.zeros(1)
_NO_ROWS = np.zeros(1, np.int32)
_NO_COUNT = 2**31 - 1
_SEED = 20251122
_KEYS = {
    name: stream_key(_SEED, 0, i)
    for i, name in enumerate(("arrival_key", "input_key", "output_key", "cell_key", "route_key"))
}
UNCACHED_TOKENS = 16.0
"""Of a cached prompt, what is computed anyway: the last block."""


@dataclass(frozen=True)
class Observed:
    """What a measured run of one replica would have shown: seconds, tokens, joules, and its histograms."""

    requests: int
    rejected: int
    input_tokens: int
    output_tokens: int
    elapsed_s: float
    energy_j: float
    ttft_s: float
    tpot_s: float
    e2e_s: float
    histograms: np.ndarray

    def quantiles_s(self, latency: int, q: Sequence[float]) -> np.ndarray:
        """Quantiles of TTFT or TPOT (`sim.engine.state.TTFT`, `.TPOT`), to the middle of a 1.6 % bucket."""
        cumulative = np.cumsum(self.histograms[latency])
        if not cumulative[-1]:
            return np.full(len(q), math.nan)
        return _MIDDLES[np.searchsorted(cumulative, np.asarray(q) * (cumulative[-1] - 1), side="right")]


def observe(cost: StepCost, protocol: Protocol) -> Observed:
    """Run one replica of `protocol` (its share of the load) to the end of its last request."""
    cell = Cell(plan(cost, protocol))
    cell.advance()
    state = cell.state
    counters, sums = state.counters[0], state.sums[0]
    done, timed = max(int(counters[COMPLETED]), 1), max(int(counters[WITH_TPOT]), 1)
    return Observed(
        requests=int(counters[COMPLETED]),
        rejected=int(counters[REJECTED]),
        input_tokens=int(counters[INPUT]),
        output_tokens=int(counters[OUTPUT]),
        elapsed_s=float(state.replicas["end_s"][0]) + cost.first_token_s,
        energy_j=float(state.windows[0, :, ENERGY_J].sum()),
        ttft_s=float(sums[TTFT]) / done,
        tpot_s=float(sums[TPOT]) / timed if counters[WITH_TPOT] else math.nan,
        e2e_s=float(sums[E2E]) / done,
        histograms=state.histograms[0],
    )


def plan(cost: StepCost, protocol: Protocol) -> Plan:
    """One replica of step cost `cost`, and the share of the protocol's load that falls to it."""
    pools = np.zeros(1, P.POOL)
    pool = pools[0]
    pool["replicas"] = 1
    pool["first_token_s"] = cost.first_token_s
    pool["scheduler"] = _SCHEDULER[protocol.scheduler]
    pool["max_batch"] = len(cost.kv_s) - 1
    pool["token_budget"] = max(protocol.token_budget, len(cost.kv_s))
    pool["queue_limit"] = _NO_COUNT
    pool["reserve_full"] = protocol.reserve_full or protocol.scheduler == "static"
    pool["kv_capacity"] = pool["kv_admit"] = cost.memory.kv_capacity_tokens
    pool["width"], pool["tokens_per_step"] = cost.width, cost.tokens_per_step
    sequence_s = cost.sequence_s
    if protocol.cached:
        pool["kv_capacity"] = pool["kv_admit"] = _room_beside_cache(cost, protocol)
        sequence_s = sequence_s + cost.kv_s * np.arange(len(cost.kv_s)) * protocol.input_len
    pool["longest"] = pool["kv_capacity"]
    groups = np.zeros(1, P.GROUP)
    groups["replicas"] = 1
    return Plan(
        pools=pools,
        rates=rate_rows([cost]),
        groups=groups,
        chains=np.zeros((1, 1), np.int32),
        network_s=np.zeros((1, 1)),
        classes=1,
        patience=False,
        workloads=_workload(protocol),
        lengths=_lengths(protocol),
        stages=np.zeros(0, P.STAGE),
        reads=np.zeros(0, P.READ),
        amounts=np.zeros(0, P.AMOUNT),
        token_s=cost.token_s[None],
        sequence_s=sequence_s[None],
        kv_s=cost.kv_s[None],
        host_s=cost.host_s[None],
        token_j=cost.token_j[None],
        table_p=_EMPTY,
        table_tokens=_EMPTY,
        guide=_NO_ROWS,
        trace_s=_EMPTY,
        trace_input=_NO_ROWS,
        trace_output=_NO_ROWS,
        block_first=np.zeros(1, np.int64),
        blocks=np.zeros(0, np.uint64),
        warp=_EMPTY,
        adapter_p=_EMPTY,
        most_calls=1,
        most_texts=1,
        most_nodes=0,
        cell=0,
        cells=1,
        duration_tick=round(_LONG_S * 2**30) // 4,
        warmup_tick=0,
        window_s=_LONG_S,
        window_origin_s=0.0,
    )


def _room_beside_cache(cost: StepCost, protocol: Protocol) -> float:
    """KV room in tokens that count no cached prompt: as many sequences fit as with their prompts."""
    whole = protocol.input_len + protocol.output_len
    return cost.memory.kv_capacity_tokens * (UNCACHED_TOKENS + protocol.output_len) / whole


def _workload(protocol: Protocol) -> np.ndarray:
    rows = np.zeros(1, P.WORKLOAD)
    row, share = rows[0], protocol.replicas
    row["process"] = _PROCESS[protocol.kind]
    row["limit"] = max(1, math.ceil(protocol.requests / share))
    if protocol.kind in ("closed", "serial"):
        row["clients"] = max(1, math.ceil(protocol.size / share))
    if protocol.kind == "open":
        row["rate"] = protocol.size / share
    row["queue_limit"] = row["admit_below"] = row["spill_above"] = _NO_COUNT
    row["attempts"], row["spill_ttft_s"] = 1, -1.0  # asked once, sent nowhere else
    for name, key in _KEYS.items():
        row[name] = key
    for name in ("slo_ttft_s", "slo_tpot_s", "slo_e2e_s"):
        row[name] = np.inf
    return rows


def _lengths(protocol: Protocol) -> np.ndarray:
    """Fixed, uniform from `shortest` of the nominal to it, or uniform about it; tokens."""
    rows = np.zeros((1, 2), P.LENGTH)
    prompt = UNCACHED_TOKENS if protocol.cached else protocol.input_len
    for row, mean in zip(rows[0], (prompt, protocol.output_len), strict=True):
        row["least"] = 1
        if protocol.spread > 0:
            width = min(math.sqrt(3) * protocol.spread, 1.0) * mean
            row["law"], row["a"], row["b"] = P.UNIFORM, max(1, round(mean - width)), round(mean + width)
        elif protocol.shortest < 1:
            row["law"], row["a"], row["b"] = P.UNIFORM, round(mean * protocol.shortest), round(mean)
        else:
            row["law"], row["a"] = P.FIXED, max(1, round(mean))
    return rows
