"""Segments: runs of steps of one batch, what they take and cost, and how they are cut short.

While only decoding goes on, each step holds `batch` more KV tokens than the one before, so its accelerator time grows
by a constant and the times of m steps sum in closed form; the host's constant time sets a floor to each step, hence at
most one knee. A step with prefill is a segment of one step.
"""

from __future__ import annotations

import math

from sim.engine.kernel import tournament
from sim.engine.kernel.clock import END, key_of, seconds_of, tick_of
from sim.engine.kernel.jit import inlined, shared
from sim.engine.kernel.preempt import CALL_BITS
from sim.engine.kernel.record import spread, window_of
from sim.engine.state import (
    BATCH_S,
    BUSY_S,
    DECODED,
    ENERGY_J,
    PAIRS,
    PREFILLED,
    READ_KV,
    SEGMENTS,
    STEPS,
)


@shared
def steps_s(first_s, slope_s, host_s, steps):
    """Time [s] of `steps` steps, step i taking max(first_s + slope_s i, host_s)."""
    held = 0
    if first_s < host_s:
        if slope_s <= 0.0:
            return steps * host_s
        held = steps
        if first_s + slope_s * steps > host_s:
            held = min(max(math.ceil((host_s - first_s) / slope_s), 0), steps)
    rest = steps - held
    return held * host_s + rest * (first_s + slope_s * 0.5 * (steps + held - 1))


@shared
def steps_until(begin_s, first_s, slope_s, host_s, most, tick):
    """The least number of steps, from 1 to `most`, after which a segment begun at `begin_s` is at or past `tick`."""
    elapsed = seconds_of(tick) - begin_s
    guess = elapsed / max(first_s, host_s)
    if slope_s > 0.0:
        held = max((host_s - first_s) / slope_s, 0.0)
        if elapsed > held * host_s:  # the root of slope m^2 / 2 + b m - c = 0 past the knee
            b = first_s + slope_s * (held - 0.5)
            c = elapsed - held * host_s
            guess = held + 2.0 * c / (b + math.sqrt(b * b + 2.0 * slope_s * c))
    steps = min(max(int(guess), 1), most)
    while steps < most and tick_of(begin_s + steps_s(first_s, slope_s, host_s, steps)) < tick:
        steps += 1
    while steps > 1 and tick_of(begin_s + steps_s(first_s, slope_s, host_s, steps - 1)) >= tick:
        steps -= 1
    return steps


@inlined
def schedule(st, r, key):
    """Set the next event of replica `r`."""
    tournament.update(st.events, r, key)


@inlined
def pace(plan, replica):
    """What each further step of the segment adds to its accelerator time, and its host time [s]."""
    rate, batch = replica.rate, replica.batch
    slope_s = plan.kv_s[rate, batch] * batch * plan.pools[replica.pool].tokens_per_step
    return slope_s, plan.host_s[rate, batch] + plan.rates[rate].host_prefill_s * replica.prefill


@inlined
def cut(plan, st, r, tick):
    """End the decode segment of replica `r` at its first step boundary at or after `tick`."""
    replica = st.replicas[r]
    slope_s, host_s = pace(plan, replica)
    steps = steps_until(replica.begin_s, replica.first_s, slope_s, host_s, replica.segment_steps, tick)
    if steps < replica.segment_steps:
        replica.segment_steps = steps
        replica.end_s = replica.begin_s + steps_s(replica.first_s, slope_s, host_s, steps)
        schedule(st, r, key_of(tick_of(replica.end_s), END))


@inlined
def lay_segment(plan, st, r, batch, tokens, attention, admitted):
    """Plan the next segment of replica `r`: `batch` sequences decode, `tokens` of prompts are prefilled with the work
    `attention`, and `admitted` calls came in with it."""
    replica = st.replicas[r]
    pool = plan.pools[replica.pool]
    rate = replica.next_rate
    replica.rate = rate
    costs = plan.rates[rate]
    context = replica.context if batch > 0 else 0.0
    total = batch * pool.width + tokens
    last = plan.token_s.shape[1] - 1
    first_s = plan.token_s[rate, min(total, last)] + max(total - last, 0) * costs.token_s_beyond
    first_s += plan.sequence_s[rate, batch] + plan.kv_s[rate, batch] * context + costs.attention_s * attention
    steps = 1
    if tokens == 0 and costs.admit_s * admitted == 0.0:  # calls that join without a prompt hold up one step
        steps = (st.finishing[r, 0] >> CALL_BITS) - replica.steps
        if pool.reserve_full == 0:
            steps = min(steps, int((pool.kv_capacity - replica.kv) / (batch * pool.tokens_per_step)) + 1)
    replica.batch = batch
    replica.prefill = tokens
    replica.attention = attention
    replica.segment_steps = steps
    slope_s, host_s = pace(plan, replica)
    replica.begin_s = replica.end_s
    replica.first_s = first_s
    replica.end_s = replica.begin_s + steps_s(first_s, slope_s, host_s, steps) + costs.admit_s * admitted
    if pool.adapter_slots > 0:
        replica.end_s += st.adapter_loads[r] * pool.adapter_load_s
        st.adapter_loads[r] = 0
    schedule(st, r, key_of(tick_of(replica.end_s), END))


@inlined
def book_segment(plan, st, replica, steps):
    """Energy, busy time and tokens of the segment that ends now, spread over the windows it crosses."""
    st.scalars[SEGMENTS] += 1
    p, rate = replica.pool, replica.rate
    costs = plan.rates[rate]
    batch = replica.batch
    context = replica.context if batch > 0 else 0.0
    pool = plan.pools[p]
    total = batch * pool.width + replica.prefill
    last = plan.token_j.shape[1] - 1
    step_j = plan.token_j[rate, min(total, last)] + max(total - last, 0) * costs.token_j_beyond
    step_j += costs.sequence_j * batch + costs.attention_j * replica.attention
    duration_s = replica.end_s - replica.begin_s
    each = pool.tokens_per_step
    read = steps * context + batch * each * (
        0.5 * steps * (steps - 1.0)
    )  # KV tokens that decoding attended to
    energy_j = costs.static_w * duration_s + steps * step_j + costs.kv_j * read
    windows = st.windows
    first = window_of(plan, replica.begin_s)
    if first == window_of(plan, replica.end_s):
        row = windows[p, first]
        row[ENERGY_J] += energy_j
        row[BUSY_S] += duration_s
        row[BATCH_S] += duration_s * batch
        row[DECODED] += batch * steps * each
        row[PREFILLED] += replica.prefill
        row[STEPS] += steps
        row[PAIRS] += replica.attention
        row[READ_KV] += read
    else:
        spread(plan, windows, p, ENERGY_J, replica.begin_s, replica.end_s, energy_j)
        spread(plan, windows, p, BUSY_S, replica.begin_s, replica.end_s, duration_s)
        spread(plan, windows, p, BATCH_S, replica.begin_s, replica.end_s, duration_s * batch)
        spread(plan, windows, p, DECODED, replica.begin_s, replica.end_s, batch * steps * each)
        spread(plan, windows, p, PREFILLED, replica.begin_s, replica.end_s, replica.prefill)
        spread(plan, windows, p, STEPS, replica.begin_s, replica.end_s, steps)
        spread(plan, windows, p, PAIRS, replica.begin_s, replica.end_s, replica.attention)
        spread(plan, windows, p, READ_KV, replica.begin_s, replica.end_s, read)
