"""What the kernel writes down: time windows, latency histograms, counters, the log of calls."""

from __future__ import annotations

import math

from sim.engine.kernel.jit import inlined, shared
from sim.engine.state import (
    COMPLETED,
    E2E,
    GOOD,
    GOOD_TPOT,
    GOOD_TTFT,
    INPUT,
    LOGGED,
    OUTPUT,
    QUEUE,
    SYSTEM_S,
    TPOT,
    TTFT,
    WAITING_S,
    WITH_TPOT,
)
from sim.metrics.histogram import bucket


@inlined
def window_of(plan, time_s):
    """Number of the window that holds `time_s`."""
    return math.floor((time_s - plan.window_origin_s) / plan.window_s)


@inlined
def spread(plan, windows, pool, column, begin_s, end_s, amount):
    """Add `amount` to a column of the pool's windows, evenly over [begin_s, end_s]."""
    first = window_of(plan, begin_s)
    if first == window_of(plan, end_s):
        windows[pool, first, column] += amount
    else:
        _spread_wide(windows, plan.window_s, plan.window_origin_s, pool, column, begin_s, end_s, amount)


@shared
def _spread_wide(windows, window_s, origin_s, pool, column, begin_s, end_s, amount):
    first = math.floor((begin_s - origin_s) / window_s)
    last = math.floor((end_s - origin_s) / window_s)
    per_s = amount / (end_s - begin_s)
    left = amount
    for w in range(first, last):
        edge_s = origin_s + (w + 1) * window_s
        part = per_s * (edge_s - begin_s)
        windows[pool, w, column] += part
        left -= part
        begin_s = edge_s
    windows[pool, last, column] += left


@inlined
def waited(plan, st, pool, call, until_s):
    """A call left the queue at `until_s`: book its wait."""
    if until_s > call.since_s:
        spread(plan, st.windows, pool, WAITING_S, call.since_s, until_s, until_s - call.since_s)


@inlined
def completed(plan, st, r, pool, call, finish_s):
    """A call is done at `finish_s` (the engine's time): book its latencies, tokens and SLO."""
    spread(plan, st.windows, pool, SYSTEM_S, call.arrive_s, finish_s, finish_s - call.arrive_s)
    if call.measured == 0:
        return
    w = call.id >> 48
    workload = plan.workloads[w]
    outside_s = plan.pools[pool].first_token_s
    ttft_s = call.first_s - call.arrive_s + outside_s
    e2e_s = finish_s - call.arrive_s + outside_s
    queue_s = max(call.admit_s - call.arrive_s, 0.0)
    counters = st.counters[w]
    counters[COMPLETED] += 1
    counters[INPUT] += call.input
    counters[OUTPUT] += call.output
    histograms, sums = st.histograms[w], st.sums[w]
    histograms[TTFT, bucket(ttft_s)] += 1
    histograms[E2E, bucket(e2e_s)] += 1
    histograms[QUEUE, bucket(queue_s)] += 1
    sums[TTFT] += ttft_s
    sums[E2E] += e2e_s
    sums[QUEUE] += queue_s
    good_ttft = ttft_s <= workload.slo_ttft_s
    good_tpot = True
    if call.output > 1:
        tpot_s = (finish_s - call.first_s) / (call.output - 1)
        histograms[TPOT, bucket(tpot_s)] += 1
        sums[TPOT] += tpot_s
        counters[WITH_TPOT] += 1
        good_tpot = tpot_s <= workload.slo_tpot_s
    counters[GOOD_TTFT] += good_ttft
    counters[GOOD_TPOT] += good_tpot
    counters[GOOD] += good_ttft and good_tpot and e2e_s <= workload.slo_e2e_s
    logged = st.scalars[LOGGED]
    if logged < st.log.size:
        row = st.log[logged]
        row.id = call.id
        row.replica = r
        row.input = call.input
        row.output = call.output
        row.arrive_s = call.arrive_s
        row.admit_s = call.admit_s
        row.first_s = call.first_s
        row.finish_s = finish_s
        st.scalars[LOGGED] = logged + 1
