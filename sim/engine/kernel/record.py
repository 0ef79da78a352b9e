"""What the kernel writes down: time windows, latency histograms, counters, the log of calls."""

from __future__ import annotations

import math

from sim.engine.kernel.clock import seconds_of
from sim.engine.kernel.jit import inlined, shared
from sim.engine.state import (
    ANSWERED,
    ASKED,
    COMPLETED,
    E2E,
    GOOD,
    GOOD_TPOT,
    GOOD_TTFT,
    INPUT,
    LOGGED,
    OUTPUT,
    PASSED,
    PASSES_LOGGED,
    QUEUE,
    SESSION_S,
    SESSION_TURNS,
    SESSIONS_ENDED,
    SPILLED,
    SPILLED_INPUT,
    SPILLED_OUTPUT,
    STAGE_CACHED,
    STAGE_CALLS,
    STAGE_E2E_S,
    STAGE_GOOD,
    STAGE_INPUT,
    STAGE_OUTPUT,
    STAGE_QUEUE_S,
    STAGE_TTFT_S,
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
    """A plain request is done at `finish_s` (the engine's time): book its latencies, tokens and SLO."""
    if call.measured == 0:
        return
    w = call.id >> 54
    outside_s = plan.pools[pool].first_token_s + plan.network_s[w, pool]
    counters = st.counters[w]
    counters[COMPLETED] += 1
    counters[INPUT] += call.input
    counters[OUTPUT] += call.output
    tpot_s = -1.0
    if call.output > 1:
        tpot_s = (finish_s - call.first_s) / (call.output - 1)
    _book_latencies(
        plan,
        st,
        w,
        call.first_s - call.arrive_s + outside_s,
        tpot_s,
        finish_s - call.arrive_s + outside_s,
        max(call.admit_s - call.arrive_s, 0.0),
    )
    logged = st.scalars[LOGGED]
    if logged < st.log.size:
        _log_call(st.log[logged], call, r, finish_s)
        st.scalars[LOGGED] = logged + 1


@inlined
def spilled(plan, st, call, tick):
    """Another service answers a plain request, of which it hears at `tick`; returns when it is done [s]."""
    w = call.id >> 54
    workload = plan.workloads[w]
    asked_s = seconds_of(tick)
    first_s = call.first_s if call.first_s >= 0.0 else asked_s + workload.spill_ttft_s
    finish_s = asked_s + workload.spill_ttft_s + workload.spill_tpot_s * (call.output - 1)
    if call.measured == 1:
        counters = st.counters[w]
        counters[COMPLETED] += 1
        counters[SPILLED] += 1
        counters[SPILLED_INPUT] += call.input
        counters[SPILLED_OUTPUT] += call.output
        tpot_s = (finish_s - first_s) / (call.output - 1) if call.output > 1 else -1.0
        _book_latencies(
            plan, st, w, first_s - call.arrive_s, tpot_s, finish_s - call.arrive_s, asked_s - call.arrive_s
        )
    return finish_s


@inlined
def request_completed(plan, st, q):
    """A request that ran a program is done: book its latencies, tokens and SLO.

    The user sees a streamed answer from the first token of the stage that ran last, any other when that has ended.
    """
    request = st.requests[q]
    w = request.id >> 54
    counters = st.counters[w]
    counters[COMPLETED] += 1
    counters[INPUT] += request.input
    counters[OUTPUT] += request.output
    counters[PASSED] += request.passes
    counters[ASKED] += request.prompt
    counters[ANSWERED] += request.answer
    e2e_s = request.now_s - request.arrive_s + request.outside_s
    ttft_s = e2e_s
    tpot_s = -1.0
    if plan.workloads[w].streamed == 1 and request.passes > 0:
        ttft_s = request.first_s - request.arrive_s + request.outside_s
        if request.calls == 1 and request.sum > 1:
            tpot_s = (request.now_s - request.first_s) / (request.sum - 1)
    admit_s = min(request.admit_s, request.now_s)
    _book_latencies(plan, st, w, ttft_s, tpot_s, e2e_s, max(admit_s - request.arrive_s, 0.0))
    logged = st.scalars[LOGGED]
    if logged < st.log.size:
        row = st.log[logged]
        row.id = request.id
        row.replica = request.replica
        row.input = request.prompt
        row.output = request.answer
        row.arrive_s = request.arrive_s
        row.admit_s = admit_s
        row.first_s = ttft_s - request.outside_s + request.arrive_s
        row.finish_s = request.now_s
        st.scalars[LOGGED] = logged + 1


@inlined
def session_over(plan, st, q):
    """A session is over: book how it ended; its turns and its length where it ended of itself.

    SESSIONS_ENDED, SESSIONS_FAILED and SESSIONS_CUT stand in the order of `sim.engine.kernel.program.DONE` and kin.
    """
    request = st.requests[q]
    if request.measured == 0:
        return
    w = request.id >> 54
    st.counters[w, SESSIONS_ENDED + request.failed] += 1
    if request.failed == 0:
        st.counters[w, SESSION_TURNS] += request.passes
        length_s = request.now_s + request.outside_s - request.arrive_s
        st.stage_times[plan.workloads[w].first_stage, SESSION_S] += length_s


@inlined
def pass_completed(plan, st, r, pool, c, finish_s):
    """A pass of a program is done at `finish_s`: book it under its stage."""
    call = st.calls[c]
    w = call.id >> 54
    workload = plan.workloads[w]
    q = st.call_request[c]
    if call.measured == 1:
        stage = workload.first_stage + st.requests[q].stage
        outside_s = plan.pools[pool].first_token_s + plan.network_s[call.id >> 54, pool]
        ttft_s = call.first_s - call.arrive_s + outside_s
        e2e_s = finish_s - call.arrive_s + outside_s
        counters, times = st.stage_counters[stage], st.stage_times[stage]
        counters[STAGE_CALLS] += 1
        counters[STAGE_INPUT] += call.input
        counters[STAGE_OUTPUT] += call.output
        counters[STAGE_CACHED] += st.call_cached[c]
        good = ttft_s <= workload.slo_ttft_s
        if call.output > 1:
            good = good and (finish_s - call.first_s) / (call.output - 1) <= workload.slo_tpot_s
        counters[STAGE_GOOD] += good
        times[STAGE_QUEUE_S] += max(call.admit_s - call.arrive_s, 0.0)
        times[STAGE_TTFT_S] += ttft_s
        times[STAGE_E2E_S] += e2e_s
        logged = st.scalars[PASSES_LOGGED]
        if logged < st.pass_log.size and workload.sessions == 0:
            _log_call(st.pass_log[logged], call, r, finish_s)
            st.scalars[PASSES_LOGGED] = logged + 1


@inlined
def _book_latencies(plan, st, w, ttft_s, tpot_s, e2e_s, queue_s):
    """tpot_s: negative where there is none."""
    workload = plan.workloads[w]
    counters, histograms, sums = st.counters[w], st.histograms[w], st.sums[w]
    histograms[TTFT, bucket(ttft_s)] += 1
    histograms[E2E, bucket(e2e_s)] += 1
    histograms[QUEUE, bucket(queue_s)] += 1
    sums[TTFT] += ttft_s
    sums[E2E] += e2e_s
    sums[QUEUE] += queue_s
    good_ttft = ttft_s <= workload.slo_ttft_s
    good_tpot = True
    if tpot_s >= 0.0:
        histograms[TPOT, bucket(tpot_s)] += 1
        sums[TPOT] += tpot_s
        counters[WITH_TPOT] += 1
        good_tpot = tpot_s <= workload.slo_tpot_s
    counters[GOOD_TTFT] += good_ttft
    counters[GOOD_TPOT] += good_tpot
    counters[GOOD] += good_ttft and good_tpot and e2e_s <= workload.slo_e2e_s


@inlined
def _log_call(row, call, r, finish_s):
    row.id = call.id
    row.replica = r
    row.input = call.input
    row.output = call.output
    row.arrive_s = call.arrive_s
    row.admit_s = call.admit_s
    row.first_s = call.first_s
    row.finish_s = finish_s
