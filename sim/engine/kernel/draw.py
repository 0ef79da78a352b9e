"""Demand: token lengths and arrival times, each a function of the seed and the request's number alone."""

from __future__ import annotations

import math

from sim.engine.kernel import rng
from sim.engine.kernel.clock import tick_of
from sim.engine.kernel.jit import entry, inlined
from sim.engine.plan import (
    DETERMINISTIC,
    EMPIRICAL,
    FIXED,
    GAMMA,
    GUIDE,
    LOGNORMAL,
    POISSON,
    TRACE,
    TRACED,
    UNIFORM,
    WEIBULL,
)


@inlined
def length(plan, w, side, number):
    """Tokens of request `number` of workload `w`: input (side 0) or output (side 1)."""
    law = plan.lengths[w, side]
    if law.law == FIXED:
        return int(law.a)
    key = plan.workloads[w].input_key
    if law.law == EMPIRICAL:  # input and output of one row stay together: the same draw picks both
        row = law.offset + int(rng.uniform(key, number * rng.DRAWS) * law.count)
        return int(plan.trace_input[row]) if side == 0 else int(plan.trace_output[row])
    if side == 1:
        key = plan.workloads[w].output_key
    if law.law == LOGNORMAL:
        value = math.exp(law.a + law.b * rng.normal(key, number * rng.DRAWS))
    else:
        u = rng.uniform(key, number * rng.DRAWS)
        if law.law == UNIFORM:  # whole numbers from a to b, each as likely
            return int(law.a + math.floor(u * (law.b - law.a + 1.0)))
        cell = plan.guide[law.guide + int(u * GUIDE)]
        while plan.table_p[cell + 1] < u:
            cell += 1
        low, high = plan.table_p[cell], plan.table_p[cell + 1]
        start = plan.table_tokens[cell]
        value = start + (plan.table_tokens[cell + 1] - start) * (u - low) / (high - low)
    return max(int(law.least), int(min(value + 0.5, 1e9)))


@inlined
def unwarp(plan, w, position_s):
    """Clock time at which the rate shape of workload `w` has let `position_s` seconds of mean rate pass."""
    workload = plan.workloads[w]
    if workload.warp_count == 0:
        return position_s
    period = workload.warp_period_s
    offset, cells = workload.warp_offset, workload.warp_count
    start = workload.warp_start_s / period
    passed = position_s / period + _cumulative(plan, offset, cells, start)
    lap = math.floor(passed)
    part = passed - lap
    low, high = 0, cells
    while high - low > 1:
        middle = (low + high) >> 1
        if plan.warp[offset + middle] <= part:
            low = middle
        else:
            high = middle
    before, after = plan.warp[offset + low], plan.warp[offset + low + 1]
    inside = (part - before) / (after - before) if after > before else 0.0
    return (lap + (low + inside) / cells - start) * period


@inlined
def _cumulative(plan, offset, cells, phase):
    lap = math.floor(phase)
    at = (phase - lap) * cells
    cell = min(int(at), cells - 1)
    before, after = plan.warp[offset + cell], plan.warp[offset + cell + 1]
    return lap + before + (after - before) * (at - cell)


@inlined
def refill(plan, w, stream, ticks, numbers, inputs, outputs):
    """Draw the next chunk of open arrivals of workload `w` into the four arrays; `stream` keeps the place.

    Sets stream.count to the arrivals drawn, and stream.finished when the demand has ended. A cell takes its share of
    a Poisson process at 1 / cells of the rate; of any other process, the requests that a keyed draw gives to it.
    """
    workload = plan.workloads[w]
    stream.head = 0
    count = 0
    share = plan.cells if workload.process == POISSON else 1
    while count < ticks.size:
        k = stream.issued
        if k >= workload.limit:
            stream.finished = 1
            break
        number = k * plan.cells + plan.cell if share > 1 else k
        row = 0
        if workload.process == TRACE:
            lap = k // workload.trace_count
            row = workload.trace_offset + k - lap * workload.trace_count
            time_s = plan.trace_s[row] + lap * workload.trace_span_s
        else:
            if workload.process == POISSON:
                stream.position += (
                    rng.exponential(workload.arrival_key, number * rng.DRAWS) * share / workload.rate
                )
            elif workload.process == GAMMA:
                gap = rng.gamma(workload.arrival_key, number * rng.DRAWS, workload.gap_shape)
                stream.position += gap / workload.rate
            elif workload.process == WEIBULL:
                gap = rng.weibull(
                    workload.arrival_key, number * rng.DRAWS, workload.gap_shape, workload.gap_scale
                )
                stream.position += gap / workload.rate
            elif workload.process == DETERMINISTIC:
                stream.position = k / workload.rate
            time_s = unwarp(plan, w, stream.position)
        tick = tick_of(time_s)
        if tick >= plan.duration_tick:
            stream.finished = 1
            break
        stream.issued = k + 1
        if share == 1 and plan.cells > 1 and rng.bits(workload.cell_key, number) % plan.cells != plan.cell:
            continue
        ticks[count] = tick
        numbers[count] = number
        if workload.process == TRACE and plan.lengths[w, 0].law == TRACED:
            inputs[count] = plan.trace_input[row]
            outputs[count] = plan.trace_output[row]
        else:
            inputs[count] = length(plan, w, 0, number)
            outputs[count] = length(plan, w, 1, number)
        count += 1
    stream.count = count


@entry
def next_chunk(plan, w, streams, ticks, numbers, inputs, outputs):
    """`refill` for callers in Python; `streams` is STREAM[W]."""
    refill(plan, w, streams[w], ticks, numbers, inputs, outputs)


@entry
def tokens(plan, w, side, number):
    """`length` for callers in Python."""
    return length(plan, w, side, number)
