"""Requests that run a program: stages in series, calls in parallel, joins, loops.

When the last call of a stage has ended, the request is put on the list `joined`; the data plane's loop then takes it
to its next stage before any other event. Every draw is keyed by the request and the stage's place in its history.
"""

from __future__ import annotations

import math

from sim.engine.kernel import draw, rng
from sim.engine.kernel.clock import seconds_of, tick_of
from sim.engine.kernel.ident import PASSES, keyed, workload_of
from sim.engine.kernel.jit import inlined, shared
from sim.engine.kernel.record import request_completed, session_over
from sim.engine.kernel.spawned import spawn
from sim.engine.kernel.texts import stage_of
from sim.engine.plan import CLOSED, DRAWN
from sim.engine.state import FREE_REQUEST, IN_FLIGHT, JOINED, NONE, REJECTED

TURNS = 1 << 54
"""Added to the name of a turn, so that its answer is another draw than that of any request."""
DONE, REJECTED_PASS, CUT = 0, 1, 2
"""How a request ends: as it should, by a pass that found no room, or, a session, by the end of the run."""

RETRY_TICKS = 1 << 30
"""A closed-loop client whose request is rejected thinks for at least a second before it asks again."""

# Draws of a stage's execution, and of a request's start. A call's output takes draws 0 and 1.
_CALLS, _TOOL_S, _TOOL_TOKENS, _RUNS, _STOP, _TIMES = 8, 10, 12, 14, 15, 16


@shared
def amount(law, key, counter, prompt, answer, previous):
    """A draw of an AMOUNT from stream `key` at `counter`."""
    value = law.constant + law.per_prompt * prompt + law.per_answer * answer + law.per_previous * previous
    if law.sigma > 0.0:
        value *= math.exp(law.sigma * rng.normal(key, counter) - 0.5 * law.sigma * law.sigma)
    return int(max(law.least, min(law.most, math.floor(value + 0.5))))


@inlined
def begin_request(plan, st, call_id, prompt, answer, came, tick):
    """A request that runs a program is let in at `tick`; it came at the tick `came`."""
    q = st.scalars[FREE_REQUEST]
    request = st.requests[q]
    st.scalars[FREE_REQUEST] = request.next
    st.scalars[IN_FLIGHT] += 1
    w = workload_of(call_id)
    workload = plan.workloads[w]
    request.id = call_id
    request.arrive_s = seconds_of(came)
    request.now_s = seconds_of(tick)
    request.admit_s = math.inf
    request.first_s = math.inf
    request.outside_s = 0.0
    request.input = 0
    request.output = 0
    request.prompt = prompt
    request.answer = answer
    request.stage = NONE
    request.execution = 0
    request.passes = 0
    request.calls = 0
    request.home = NONE
    request.replica = NONE
    request.measured = came >= plan.warmup_tick
    request.failed = 0
    counter = keyed(call_id) * rng.DRAWS
    for s in range(workload.stages):
        of = st.progress[q, s]
        of.sum = 0
        of.told = 0
        of.calls = 0
        of.seen = 0
        of.runs = 0
        stage = plan.stages[workload.first_stage + s]
        of.times = 1
        if stage.repeat != NONE:
            law = plan.amounts[stage.times]
            of.times = amount(law, workload.program_key, counter + _TIMES + 2 * s, prompt, answer, 0.0)
    _join(st, q)


@inlined
def _join(st, q):
    st.joined[st.scalars[JOINED]] = q
    st.scalars[JOINED] += 1


@inlined
def call_ended(plan, st, q, call, end_s, outside_s, r):
    """A call of request `q` is done."""
    request = st.requests[q]
    request.sum += call.output
    request.input += call.input
    request.output += call.output
    request.admit_s = min(request.admit_s, call.admit_s)
    request.first_s = min(request.first_s, call.first_s)
    request.replica = r
    _call_over(st, q, end_s, outside_s)


@inlined
def call_rejected(st, q, time_s):
    """A call of request `q` found no room: the request fails when the others of its stage have ended."""
    st.requests[q].failed = REJECTED_PASS
    _call_over(st, q, time_s, 0.0)


@inlined
def _call_over(st, q, time_s, outside_s):
    request = st.requests[q]
    request.now_s = time_s
    request.outside_s = outside_s
    request.pending -= 1
    if request.pending == 0:
        _join(st, q)


@inlined
def go_on(plan, st):
    """Take the first request of `joined` to its next stage, or to its end."""
    q = st.joined[0]
    count = st.scalars[JOINED] - 1
    st.scalars[JOINED] = count
    for i in range(count):
        st.joined[i] = st.joined[i + 1]
    request = st.requests[q]
    w = workload_of(request.id)
    workload = plan.workloads[w]
    s = request.stage
    if s == NONE:
        s = 0
    else:
        of = st.progress[q, s]
        of.sum = request.sum
        of.calls = request.calls
        of.told += request.sum // request.calls + request.tool
        of.seen += 1
        s = _following(plan, st, q, s)
    while True:
        if request.failed == REJECTED_PASS or s == workload.stages:
            _finish(plan, st, q)
            break
        request.stage = s
        request.execution += 1
        if _runs(plan, st, q):
            break
        s += 1


@inlined
def _following(plan, st, q, s):
    """The stage after stage `s`, which has just been executed."""
    request = st.requests[q]
    workload = plan.workloads[workload_of(request.id)]
    stage = plan.stages[workload.first_stage + s]
    of = st.progress[q, s]
    of.runs += 1
    if stage.repeat != NONE:
        counter = (keyed(request.id) + request.execution) * rng.DRAWS
        stopped = stage.stop > 0.0 and rng.uniform(workload.program_key, counter + _STOP) < stage.stop
        if of.runs < of.times and not stopped and request.execution < PASSES - 64:
            return stage.repeat
    of.runs = 0
    return s + 1


@inlined
def _runs(plan, st, q):
    """Issue the calls of the stage that request `q` has come to; False if it is passed over."""
    request = st.requests[q]
    workload = plan.workloads[workload_of(request.id)]
    stage = plan.stages[stage_of(plan, st, q)]
    key = workload.program_key
    counter = (keyed(request.id) + request.execution) * rng.DRAWS
    if stage.probability < 1.0 and rng.uniform(key, counter + _RUNS) >= stage.probability:
        return False
    if stage.late_in != NONE and st.progress[q, stage.late_in].runs == 0:
        return False
    prompt, answer, previous = request.prompt, request.answer, _previous(st, q)
    calls = amount(plan.amounts[stage.calls], key, counter + _CALLS, prompt, answer, previous)
    calls = min(calls, PASSES - 1 - request.passes)
    if calls <= 0:
        return False
    tick = tick_of(request.now_s + request.outside_s)
    request.tool = 0
    if stage.tool_first == 1 or st.progress[q, request.stage].seen > 0:
        law = plan.amounts[stage.tool_tokens]
        request.tool = amount(law, key, counter + _TOOL_TOKENS, prompt, answer, previous)
        if stage.tool_s > 0.0:
            delay_s = stage.tool_s
            if stage.tool_sigma > 0.0:
                delay_s *= math.exp(
                    stage.tool_sigma * rng.normal(key, counter + _TOOL_S) - 0.5 * stage.tool_sigma**2
                )
            tick += tick_of(delay_s)
    if workload.sessions == 1 and request.passes > 0 and tick >= plan.duration_tick:
        request.failed = CUT
        return False
    request.first_pass = request.passes + 1
    request.calls = calls
    request.pending = calls
    request.sum = 0
    request.first_s = math.inf
    for i in range(calls):
        spawn(st, tick, request.id + request.first_pass + i, q, tick)
    request.passes += calls
    return True


@inlined
def output_tokens(plan, st, q, call_id):
    """Tokens that call `call_id` of the running stage will emit."""
    request = st.requests[q]
    output = plan.stages[stage_of(plan, st, q)].output
    if output == DRAWN:
        if request.passes == 1:
            return int(request.answer)
        return draw.length(plan, workload_of(call_id), 1, TURNS + keyed(call_id))
    law = plan.amounts[output]
    key = plan.workloads[workload_of(call_id)].program_key
    counter = keyed(call_id) * rng.DRAWS
    return amount(law, key, counter, request.prompt, request.answer, _previous(st, q))


@inlined
def _previous(st, q):
    """Mean output of the latest calls of the stage that stands before the running one in the program."""
    s = st.requests[q].stage
    if s == 0 or st.progress[q, s - 1].calls == 0:
        return 0.0
    return st.progress[q, s - 1].sum / st.progress[q, s - 1].calls


@inlined
def _finish(plan, st, q):
    request = st.requests[q]
    w = workload_of(request.id)
    st.scalars[IN_FLIGHT] -= 1
    tick = tick_of(request.now_s)
    if (
        request.failed == REJECTED_PASS or request.passes == 0
    ):  # a client that gets nothing at once must not ask for ever at once
        tick += RETRY_TICKS
    if plan.workloads[w].sessions == 1:
        session_over(plan, st, q)
    elif request.failed == REJECTED_PASS:
        st.counters[w, REJECTED] += request.measured
    elif request.measured == 1:
        request_completed(plan, st, q)
    fly(plan, st, w, -1)
    ask_again(plan, st, w, tick)
    request.next = st.scalars[FREE_REQUEST]
    st.scalars[FREE_REQUEST] = q


@inlined
def fly(plan, st, w, change):
    """A request of a workload that may have but so many in flight was let in (+1), or is over (-1)."""
    if plan.workloads[w].most_in_flight > 0:
        st.flying[w] += change


@inlined
def ask_again(plan, st, w, tick):
    """The client of a closed loop whose request is over thinks and asks again."""
    workload = plan.workloads[w]
    if workload.process == CLOSED:
        stream = st.streams[w]
        at = tick + workload.think_tick
        if at < plan.duration_tick and stream.issued < workload.limit:
            spawn(st, at, (w << 54) | ((stream.issued * plan.cells + plan.cell) << 14), NONE, at)
            stream.issued += 1
