"""The reference engine's requests: a program of passes is one SimPy process that reads like the program."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from sim.engine import state as S
from sim.engine.kernel import clock, draw, rng
from sim.engine.kernel.clock import ARRIVE
from sim.engine.kernel.ident import PASSES, keyed, workload_of
from sim.engine.kernel.program import CUT, DONE, REJECTED_PASS, RETRY_TICKS, TURNS
from sim.engine.plan import ALL, DRAWN, OTHERS, OWN, PROMPT, TEMPLATE, Plan

if TYPE_CHECKING:
    from sim.engine.reference.call import Call
    from sim.engine.reference.center import DataCenter
    from sim.engine.reference.replica import Replica

# Draws of a stage's execution, and of a request's start.
CALLS, TOOL_S, TOOL_TOKENS, RUNS, STOP, TIMES = 8, 10, 12, 14, 15, 16


@dataclass
class Progress:
    """What a request remembers of one stage."""

    sum: int = 0
    told: int = 0
    calls: int = 0
    seen: int = 0
    runs: int = 0
    times: int = 1


@dataclass(eq=False)
class Request:
    """A request that runs a program."""

    id: int
    prompt: int
    answer: int
    arrive_s: float
    measured: bool
    now_s: float = 0.0
    admit_s: float = math.inf
    first_s: float = math.inf
    outside_s: float = 0.0
    input: int = 0
    output: int = 0
    stage: int = 0
    execution: int = 0
    passes: int = 0
    first_pass: int = 0
    outputs: list[int] = field(default_factory=list)
    calls: int = 0
    pending: int = 0
    tool: int = 0
    failed: int = DONE
    home: Replica | None = None
    replica: int = -1
    progress: list[Progress] = field(default_factory=list)
    joined: simpy.Event | None = None

    @property
    def workload(self) -> int:
        return workload_of(self.id)

    def row(self, plan: Plan) -> np.void:
        """The running stage."""
        return plan.stages[plan.workloads[self.workload]["first_stage"] + self.stage]  # pyright: ignore[reportReturnType]

    def previous(self) -> float:
        """Mean output of the latest calls of the stage that stands before the running one."""
        before = self.progress[self.stage - 1] if self.stage else Progress()
        return before.sum / before.calls if before.calls else 0.0

    def draw(self, plan: Plan, amount: int, counter: int) -> int:
        """A draw of the plan's amount numbered `amount`."""
        law = plan.amounts[amount]
        value = (
            law["constant"]
            + law["per_prompt"] * self.prompt
            + law["per_answer"] * self.answer
            + law["per_previous"] * self.previous()
        )
        if law["sigma"] > 0:
            key = plan.workloads[self.workload]["program_key"]
            value *= math.exp(law["sigma"] * rng.normal(key, counter) - 0.5 * law["sigma"] * law["sigma"])
        return int(max(law["least"], min(law["most"], math.floor(value + 0.5))))

    def texts(self, plan: Plan, place: int) -> list[tuple[tuple, int]]:
        """What a call of the running stage reads: identity and tokens of each text."""
        stage = self.row(plan)
        found: list[tuple[tuple, int]] = []
        for i in range(stage["first_read"], stage["first_read"] + stage["reads"]):
            read = plan.reads[i]
            kind, share = int(read["kind"]), float(read["share"])
            of = self.progress[read["stage"]]
            who = (self.id, int(read["stage"]), of.seen, share)
            if kind == TEMPLATE:
                found.append((("template", int(read["text"])), int(read["tokens"])))
            elif kind == PROMPT:
                found.append((("prompt", self.id), self.prompt))
            elif kind == ALL:
                found.append((("all", *who), int(share * of.sum)))
            elif kind == OWN:
                identity = ("all", *who) if of.calls == 1 else ("own", *who, place)
                found.append((identity, int(share * of.sum / of.calls) if of.calls else 0))
            elif kind == OTHERS:
                others = share * of.sum * (of.calls - 1) / of.calls if of.calls else 0
                found.append((("others", *who, place), int(others)))
            else:
                told = of.told + (self.tool if stage["grows"] else 0)
                found.append((("transcript", self.id, int(read["stage"]), place), told))
        if not stage["grows"]:
            found.append((("tool", self.id, self.execution), self.tool))
        return found

    def call_ended(self, call: Call, end_s: float, outside_s: float, replica: int) -> None:
        assert call.first_s is not None and call.admit_s is not None
        self.outputs.append(call.output)
        self.input += call.input
        self.output += call.output
        self.admit_s = min(self.admit_s, call.admit_s)
        self.first_s = min(self.first_s, call.first_s)
        self.replica = replica
        self.call_over(end_s, outside_s)

    def rejected(self, tick: float) -> None:
        """A call found no room: the request fails when the others of its stage have ended."""
        self.failed = REJECTED_PASS
        self.call_over(tick / clock.TICKS_PER_S, 0.0)

    def call_over(self, time_s: float, outside_s: float) -> None:
        """A call has ended or was rejected; the last one ends the stage."""
        self.now_s, self.outside_s = time_s, outside_s
        self.pending -= 1
        if self.pending == 0:
            assert self.joined is not None
            self.joined.succeed()


def run_program(center: DataCenter, request: Request) -> Generator[simpy.Event, Any, None]:
    """A request's life, from its arrival to its answer."""
    plan = center.plan
    workload = plan.workloads[request.workload]
    request.progress = [Progress() for _ in range(workload["stages"])]
    for s, progress in enumerate(request.progress):
        stage = plan.stages[workload["first_stage"] + s]
        if stage["repeat"] >= 0:
            counter = keyed(request.id) * rng.DRAWS + TIMES + 2 * s
            request.stage = 0
            progress.times = request.draw(plan, stage["times"], counter)  # pyright: ignore[reportArgumentType]
    s = 0
    while s < workload["stages"] and request.failed == DONE:
        request.stage = s
        request.execution += 1
        if not _issue(center, request):
            s += 1
            continue
        assert request.joined is not None
        yield request.joined
        s = _following(plan, request)
    _finish(center, request)


def _issue(center: DataCenter, request: Request) -> bool:
    """Let the running stage's calls arrive, after its tool; False if the stage is passed over."""
    plan, stage = center.plan, request.row(center.plan)
    key = plan.workloads[request.workload]["program_key"]
    counter = (keyed(request.id) + request.execution) * rng.DRAWS
    if stage["probability"] < 1 and rng.uniform(key, counter + RUNS) >= stage["probability"]:
        return False
    if stage["late_in"] >= 0 and request.progress[stage["late_in"]].runs == 0:
        return False
    calls = min(request.draw(plan, stage["calls"], counter + CALLS), PASSES - 1 - request.passes)
    if calls <= 0:
        return False
    tick = round((request.now_s + request.outside_s) * clock.TICKS_PER_S)
    request.tool = 0
    if stage["tool_first"] or request.progress[request.stage].seen:
        request.tool = request.draw(plan, stage["tool_tokens"], counter + TOOL_TOKENS)
        if stage["tool_s"] > 0:
            sigma, delay_s = stage["tool_sigma"], stage["tool_s"]
            if sigma > 0:
                delay_s *= math.exp(sigma * rng.normal(key, counter + TOOL_S) - 0.5 * sigma**2)
            tick += round(delay_s * clock.TICKS_PER_S)
    if plan.workloads[request.workload]["sessions"] and request.passes and tick >= plan.duration_tick:
        request.failed = CUT
        return False
    request.first_pass = request.passes + 1
    request.calls = request.pending = calls
    request.outputs = []
    request.first_s = math.inf
    request.joined = center.env.event()
    for call_id in range(request.id + request.first_pass, request.id + request.first_pass + calls):
        center.at(tick, ARRIVE, call_id).callbacks.append(lambda _, i=call_id: _arrive(center, request, i))
    request.passes += calls
    return True


def _arrive(center: DataCenter, request: Request, call_id: int) -> None:
    plan, stage = center.plan, request.row(center.plan)
    total = sum(tokens for _, tokens in request.texts(plan, 0))
    input_tokens = min(max(total, 1), int(stage["longest_input"]))
    workload, came, measured = plan.workloads[request.workload], center.env.now, request.measured
    # a turn is a request of its own; the first with the time for which the session was held
    if workload["sessions"]:
        came = round(request.arrive_s * clock.TICKS_PER_S) if request.passes == 1 else came
        measured = bool(came >= plan.warmup_tick)
        center.books.counters[request.workload, S.ARRIVED] += measured
        if request.workload in center.clients.shed:
            center.clients.fail_pass(request, measured, S.SHED)
            return
    output_tokens = _output(plan, request, call_id)
    center.clients.put(call_id, input_tokens, output_tokens, measured, request, came)


def _output(plan: Plan, request: Request, call_id: int) -> int:
    """Tokens that a call of the running stage will emit."""
    law = int(request.row(plan)["output"])
    if law != DRAWN:
        return request.draw(plan, law, keyed(call_id) * rng.DRAWS)
    if request.passes == 1:
        return request.answer
    return int(draw.tokens(plan, request.workload, 1, TURNS + keyed(call_id)))


def _following(plan: Plan, request: Request) -> int:
    """The stage after the one whose calls have ended."""
    s, stage = request.stage, request.row(plan)
    progress = request.progress[s]
    progress.sum = sum(request.outputs)
    progress.calls = request.calls
    progress.told += progress.sum // request.calls + request.tool
    progress.seen += 1
    progress.runs += 1
    if stage["repeat"] >= 0:
        key = plan.workloads[request.workload]["program_key"]
        counter = (keyed(request.id) + request.execution) * rng.DRAWS
        stopped = stage["stop"] > 0 and rng.uniform(key, counter + STOP) < stage["stop"]
        if progress.runs < progress.times and not stopped and request.execution < PASSES - 64:
            return int(stage["repeat"])
    progress.runs = 0
    return s + 1


def _finish(center: DataCenter, request: Request) -> None:
    w, books, plan = request.workload, center.books, center.plan
    center.clients.in_flight -= 1
    center.clients.flying[w] -= 1
    tick = round(request.now_s * clock.TICKS_PER_S)
    counters = books.counters[w]
    if request.failed == REJECTED_PASS or request.passes == 0:
        tick += RETRY_TICKS
    if plan.workloads[w]["sessions"]:
        _session_over(center, request)
    elif request.failed == REJECTED_PASS:
        counters[S.REJECTED] += request.measured
    elif request.measured:
        counters[S.INPUT] += request.input
        counters[S.OUTPUT] += request.output
        counters[S.PASSED] += request.passes
        counters[S.ASKED] += request.prompt
        counters[S.ANSWERED] += request.answer
        e2e_s = request.now_s - request.arrive_s + request.outside_s
        admit_s = min(request.admit_s, request.now_s)
        latency = {
            S.TTFT: e2e_s,
            S.E2E: e2e_s,
            S.QUEUE: max(admit_s - request.arrive_s, 0.0),
        }
        shown = sum(request.outputs)
        if plan.workloads[w]["streamed"] and request.passes:
            latency[S.TTFT] = request.first_s - request.arrive_s + request.outside_s
            if request.calls == 1 and shown > 1:
                latency[S.TPOT] = (request.now_s - request.first_s) / (shown - 1)
        books.request_completed(w, latency)
        books.log.append(
            (
                request.id,
                request.replica,
                request.prompt,
                request.answer,
                request.arrive_s,
                admit_s,
                latency[S.TTFT] - request.outside_s + request.arrive_s,
                request.now_s,
            )
        )
    center.clients.ask_again(w, tick)


def _session_over(center: DataCenter, request: Request) -> None:
    if not request.measured:
        return
    counters = center.books.counters[request.workload]
    column = {DONE: S.SESSIONS_ENDED, REJECTED_PASS: S.SESSIONS_FAILED, CUT: S.SESSIONS_CUT}[request.failed]
    counters[column] += 1
    if request.failed == DONE:
        counters[S.SESSION_TURNS] += request.passes
        first = center.plan.workloads[request.workload]["first_stage"]
        length_s = request.now_s + request.outside_s - request.arrive_s
        center.books.stage_times[first, S.SESSION_S] += length_s
