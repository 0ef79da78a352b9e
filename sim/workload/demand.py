"""The demand of a scenario as the plan's arrays: arrival processes, token lengths, traces, rate shapes."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from sim.catalog.workloads import length_table
from sim.engine import plan as P
from sim.engine.kernel.clock import TICKS_PER_S
from sim.engine.kernel.rng import stream_key
from sim.scenario.arrivals import TraceArrivals
from sim.scenario.lengths import INPUT_FLOOR, OUTPUT_FLOOR, MixLengths, TraceLengths
from sim.scenario.rate import Modulated
from sim.scenario.schema import Scenario
from sim.scenario.workload import FROM_TRACE, Workload
from sim.workload.mixture import is_mixture, pairs
from sim.workload.rate import warp
from sim.workload.trace import Trace, read_trace, unhashed

NO_LIMIT = 1 << 40
NO_COUNT = 2**31 - 1
SLO_SLACK = 1e-9
"""Relative: a latency that equals its target up to rounding meets it."""
_PROCESS = {
    "poisson": P.POISSON,
    "users": P.POISSON,
    "gamma": P.GAMMA,
    "weibull": P.WEIBULL,
    "deterministic": P.DETERMINISTIC,
    "closed": P.CLOSED,
    "trace": P.TRACE,
    "all-at-once": P.AT_ONCE,
}
_KEYS = (
    *("arrival_key", "input_key", "output_key", "cell_key", "route_key", "program_key", "retry_key"),
    "adapter_key",
)


@dataclass(frozen=True)
class Demand:
    """Arrays of the plan that say what arrives; see `sim.engine.plan.Plan`."""

    workloads: np.ndarray
    lengths: np.ndarray
    table_p: np.ndarray
    table_tokens: np.ndarray
    guide: np.ndarray
    trace_s: np.ndarray
    trace_input: np.ndarray
    trace_output: np.ndarray
    block_first: np.ndarray
    blocks: np.ndarray
    warp: np.ndarray


def weibull_shape(cv: float) -> float:
    """Shape k of the Weibull law with coefficient of variation `cv`: cv^2 = G(1 + 2/k) / G(1 + 1/k)^2 - 1."""
    from scipy.optimize import brentq  # slow to import, and only these arrivals need it

    def excess(log_k: float) -> float:
        k = math.exp(log_k)
        return math.lgamma(1 + 2 / k) - 2 * math.lgamma(1 + 1 / k) - math.log1p(cv * cv)

    return math.exp(cast(float, brentq(excess, math.log(0.05), math.log(1000.0), xtol=1e-14)))


class _Pieces:
    """Arrays that are laid end to end."""

    def __init__(self, dtype: type):
        self.dtype, self.parts, self.size = dtype, [], 0

    def add(self, values: Sequence[float] | np.ndarray) -> int:
        """Append `values` and return where they begin."""
        start = self.size
        self.parts.append(np.asarray(values, self.dtype))
        self.size += len(self.parts[-1])
        return start

    def array(self) -> np.ndarray:
        return np.concatenate([*self.parts, np.zeros(1, self.dtype)])  # never empty


def read_traces(scenario: Scenario) -> dict[str, Trace]:
    """Every trace file that the scenario names, by path."""
    found = {}
    for workload in scenario.workloads:
        for part in (workload.arrivals, workload.lengths):
            if isinstance(part, TraceArrivals | TraceLengths):
                found[part.path] = read_trace(part.path, part.format)
    return found


def build_demand(
    scenario: Scenario, chain_of: Mapping[tuple[str, str | None], int], traces: Mapping[str, Trace]
) -> Demand:
    """Demand of one of the scenario's cells. chain_of: chain of groups by model and region of who asks."""
    builder = _Builder(traces)
    count = len(scenario.workloads)
    classes = sorted({w.priority for w in scenario.workloads}, reverse=True)
    workloads, lengths = np.zeros(count, P.WORKLOAD), np.zeros((count, 2), P.LENGTH)
    for w, workload in enumerate(scenario.workloads):
        row = workloads[w]
        row["chain"] = chain_of[workload.model, workload.region]
        row["class_"] = classes.index(workload.priority)
        for i, name in enumerate(_KEYS):
            row[name] = stream_key(scenario.seed, w, i)
        for name in ("ttft_s", "tpot_s", "e2e_s"):
            target = getattr(workload.slo, name)
            row[f"slo_{name}"] = np.inf if target is None else target * (1 + SLO_SLACK)
        _clients(row, workload, scenario.cells)
        builder.arrivals(row, workload, scenario.cells, scenario.duration_s)
        builder.lengths(lengths[w], workload)
    arrays = {name: pieces.array() for name, pieces in builder.pieces.items()}
    arrays["block_first"][-1] = builder.pieces["blocks"].size
    return Demand(workloads, lengths, **arrays)


def _clients(row: np.void, workload: Workload, cells: int) -> None:
    """What clients may ask and how long they wait; limits of a tenant are shared out among the cells."""
    row["queue_limit"] = workload.queue_limit or NO_COUNT
    row["admit_below"] = workload.admit_below or NO_COUNT
    row["attempts"], row["spill_above"], row["spill_ttft_s"] = 1, NO_COUNT, -1.0
    if workload.patience_s is not None:
        row["patience_tick"] = max(1, round(workload.patience_s * TICKS_PER_S))
    if workload.retry is not None:
        row["attempts"], row["backoff_s"] = workload.retry.attempts, workload.retry.backoff_s
    if workload.spill is not None:
        spill = workload.spill
        row["spill_above"], row["spill_ttft_s"], row["spill_tpot_s"] = spill.above, spill.ttft_s, spill.tpot_s
    if workload.limit is not None:
        limit = workload.limit
        if limit.in_flight is not None:
            row["most_in_flight"] = max(1, limit.in_flight // cells)
        if limit.rate_per_s is not None:
            interval_s = cells / limit.rate_per_s
            row["interval_tick"] = max(1, round(interval_s * TICKS_PER_S))
            row["burst_tick"] = round((max(1, limit.burst / cells) - 1) * interval_s * TICKS_PER_S)


class _Builder:
    def __init__(self, traces: Mapping[str, Trace]):
        self.traces = traces
        self.pieces = {
            "table_p": _Pieces(np.float64),
            "table_tokens": _Pieces(np.float64),
            "guide": _Pieces(np.int32),
            "trace_s": _Pieces(np.float64),
            "trace_input": _Pieces(np.int32),
            "trace_output": _Pieces(np.int32),
            "block_first": _Pieces(np.int64),
            "blocks": _Pieces(np.uint64),
            "warp": _Pieces(np.float64),
        }

    def arrivals(self, row: np.void, workload: Workload, cells: int, duration_s: float) -> None:
        arrivals = workload.arrivals
        row["process"] = _PROCESS[arrivals.process]
        row["limit"] = NO_LIMIT
        if isinstance(arrivals, Modulated):
            self.rate(row, arrivals, duration_s)
        match arrivals.process:
            case "closed":
                row["clients"] = arrivals.clients // cells
                row["think_tick"] = round(arrivals.think_s * TICKS_PER_S)
                if arrivals.requests is not None:
                    row["limit"] = -(-arrivals.requests // cells)
            case "all-at-once":
                row["limit"] = arrivals.requests
            case "trace":
                trace = self.traces[arrivals.path]
                row["trace_offset"] = self.trace(trace, arrivals.rate_scale)
                row["trace_count"] = len(trace.arrival_s)
                row["trace_span_s"] = trace.span_s / arrivals.rate_scale
                row["limit"] = len(trace.arrival_s) * arrivals.repeat
                row["prompt_blocks"] = trace.block_tokens if workload.lengths == FROM_TRACE else 0
            case "gamma":
                row["gap_shape"] = arrivals.cv**-2.0
            case "weibull":
                row["gap_shape"] = weibull_shape(arrivals.cv)
                row["gap_scale"] = 1 / math.gamma(1 + 1 / row["gap_shape"])

    def trace(self, trace: Trace, rate_scale: float = 1.0) -> int:
        self.pieces["trace_input"].add(trace.input_tokens)
        self.pieces["trace_output"].add(trace.output_tokens)
        # one entry a row, so that the rows of all traces are numbered through
        self.pieces["block_first"].add(self.pieces["blocks"].add(trace.blocks) + trace.block_first[:-1])
        return self.pieces["trace_s"].add(trace.arrival_s / rate_scale)

    def rate(self, row: np.void, arrivals: Modulated, duration_s: float) -> None:
        mapping = warp(arrivals, duration_s)
        row["rate"] = mapping.rate_per_s
        if mapping.rate_per_s == 0:
            row["limit"] = 0
        if mapping.cumulative is not None:
            row["warp_offset"] = self.pieces["warp"].add(mapping.cumulative)
            row["warp_count"] = len(mapping.cumulative) - 1
            row["warp_period_s"] = mapping.period_s
            row["warp_start_s"] = mapping.start_s

    def lengths(self, rows: np.ndarray, workload: Workload) -> None:
        given = workload.lengths
        rows["least"] = (INPUT_FLOOR, OUTPUT_FLOOR)
        if given == FROM_TRACE:
            rows["law"] = P.TRACED
        elif isinstance(given, TraceLengths):
            trace = self.traces[given.path]
            rows["law"] = P.EMPIRICAL
            rows["offset"] = self.trace(trace)
            rows["count"] = len(trace.arrival_s)
        elif is_mixture(given):
            inputs, outputs = pairs(cast(Hashable, given))  # tables are frozen
            rows["law"] = P.EMPIRICAL
            rows["offset"] = self.trace(unhashed(np.zeros(len(inputs)), inputs, outputs))
            rows["count"] = len(inputs)
        elif isinstance(given, str):
            table = length_table(given)
            rows["least"] = 1
            self.table(rows[0], table.input_p, table.input_tokens)
            self.table(rows[1], table.output_p, table.output_tokens)
        else:
            assert not isinstance(given, MixLengths)  # is_mixture
            for row, side in zip(rows, (given.input, given.output), strict=True):
                self.side(row, given.kind, side)

    def side(self, row: np.void, kind: str, side) -> None:
        match kind:
            case "fixed":
                row["law"], row["a"] = P.FIXED, side
            case "uniform":
                row["law"], row["a"], row["b"] = P.UNIFORM, *side
            case "lognormal":
                row["law"] = P.LOGNORMAL
                row["a"], row["b"] = side.mu_sigma()
            case "quantiles":
                self.table(row, *zip(*side, strict=True))

    def table(self, row: np.void, p: Sequence[float], tokens: Sequence[float]) -> None:
        row["law"] = P.TABLE
        start = self.pieces["table_p"].add(p)
        self.pieces["table_tokens"].add(tokens)
        cells = np.searchsorted(np.asarray(p), np.arange(P.GUIDE) / P.GUIDE, side="right") - 1
        row["offset"], row["count"] = start, len(p)
        row["guide"] = self.pieces["guide"].add(start + np.clip(cells, 0, len(p) - 2))
