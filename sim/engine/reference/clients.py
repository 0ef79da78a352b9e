"""Who asks, and what becomes of it: demand, limits, retries, patience, other services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import simpy

from sim.engine import state as S
from sim.engine.kernel import draw, rng
from sim.engine.kernel.clock import ARRIVE
from sim.engine.kernel.ident import keyed, name_of, number_of, pass_of, workload_of
from sim.engine.kernel.program import RETRY_TICKS
from sim.engine.plan import CLOSED
from sim.engine.reference.books import latencies
from sim.engine.reference.call import Call, Steps, seconds_of, tick_of
from sim.engine.reference.program import Request, run_program

if TYPE_CHECKING:
    from sim.engine.reference.center import DataCenter


class Clients:
    """The demand on one cell.

    in_flight: requests that came and are not over.  coming: sources and clients that will yet ask.  flying: requests of
    each workload that were let in and are not over.  due_tick: when a tenant at its limit may next ask.
    """

    def __init__(self, center: DataCenter):
        self.center, self.plan, self.env, self.books = center, center.plan, center.env, center.books
        workloads = self.plan.workloads
        self.flying = [0] * len(workloads)
        self.due_tick = [0] * len(workloads)
        self.issued = [0] * len(workloads)
        self.hold = [0] * len(workloads)
        self.shed: set[int] = set()
        self.in_flight = 0
        self.coming = 0
        for w, workload in enumerate(workloads):
            if workload["process"] == CLOSED:
                for _ in range(min(workload["clients"], workload["limit"])):
                    self.ask(w, 0)
            else:
                self.env.process(self.source(w))

    def source(self, w: int) -> Steps:
        """Open arrivals of workload `w`, let in when they come or when a governor no longer holds them."""
        self.coming += 1
        streams = np.zeros(len(self.plan.workloads), S.STREAM)
        ticks, numbers = np.zeros(S.CHUNK, np.int64), np.zeros(S.CHUNK, np.int64)
        inputs, outputs = np.zeros(S.CHUNK, np.int32), np.zeros(S.CHUNK, np.int32)
        while not streams[w]["finished"]:
            draw.next_chunk(self.plan, w, streams, ticks, numbers, inputs, outputs)
            for i in range(streams[w]["count"]):
                call_id = name_of(w, int(numbers[i]))
                yield self.center.at(max(ticks[i], self.hold[w], self.env.now), ARRIVE, call_id)
                while self.env.now < self.hold[w]:
                    yield self.center.at(self.hold[w], ARRIVE, call_id)
                self.arrive(call_id, int(inputs[i]), int(outputs[i]), int(ticks[i]))
        self.coming -= 1

    def ask(self, w: int, tick: float) -> None:
        """A client of the closed workload `w` will ask at `tick`."""
        number = self.issued[w] * self.plan.cells + self.plan.cell
        self.issued[w] += 1
        call_id = name_of(w, number)
        self.coming += 1

        def arrive(_: simpy.Event) -> None:
            self.coming -= 1
            prompt, answer = (int(draw.tokens(self.plan, w, side, number)) for side in (0, 1))
            self.arrive(call_id, prompt, answer, int(tick))

        self.center.at(tick, ARRIVE, call_id).callbacks.append(arrive)

    def ask_again(self, w: int, tick: float) -> None:
        workload = self.plan.workloads[w]
        at = tick + int(workload["think_tick"])
        if (
            workload["process"] == CLOSED
            and at < self.plan.duration_tick
            and self.issued[w] < workload["limit"]
        ):
            self.ask(w, at)

    def arrive(
        self, request_id: int, input_tokens: int, output_tokens: int, came: int, came_again: bool = False
    ) -> None:
        """A request that came at the tick `came` is let in: a plain one is a call; any other runs its program."""
        w = workload_of(request_id)
        tick = self.env.now
        workload = self.plan.workloads[w]
        measured = bool(came >= self.plan.warmup_tick)
        if not came_again:
            self.books.counters[w, S.ARRIVED] += measured and not workload["sessions"]
            self.in_flight += 1
        if w in self.shed:
            self.refuse(request_id, came, measured, S.SHED)
        elif self.over_limit(w):
            self.refuse(request_id, came, measured, S.LIMITED)
        elif workload["stages"] > 0:
            request = Request(request_id, input_tokens, output_tokens, seconds_of(came), measured)
            request.now_s = seconds_of(tick)
            self.env.process(run_program(self.center, request))
        else:
            self.put(request_id, input_tokens, output_tokens, measured, None, came)

    def over_limit(self, w: int) -> bool:
        """Whether a tenant asks for more now than it may; if not, the request counts."""
        workload = self.plan.workloads[w]
        if 0 < workload["most_in_flight"] <= self.flying[w]:
            return True
        if workload["interval_tick"]:
            due = max(self.due_tick[w], int(self.env.now))
            if due - self.env.now > workload["burst_tick"]:
                return True
            self.due_tick[w] = due + int(workload["interval_tick"])
        self.flying[w] += 1
        return False

    def refuse(self, request_id: int, came: int, measured: bool, why: int) -> None:
        """A plain request is turned away now: its client asks again, or no more."""
        w = workload_of(request_id)
        workload, tick = self.plan.workloads[w], int(self.env.now)
        attempt = pass_of(request_id) + 1
        if attempt < workload["attempts"]:
            self.books.counters[w, S.RETRIED] += measured
            pause_s = workload["backoff_s"] * 2 ** min(attempt - 1, 30)
            pause_s *= 0.5 + rng.uniform(workload["retry_key"], keyed(request_id) * rng.DRAWS)
            number = number_of(request_id)

            def again(_: simpy.Event) -> None:
                prompt, answer = (int(draw.tokens(self.plan, w, side, number)) for side in (0, 1))
                self.arrive(request_id + 1, prompt, answer, came, came_again=True)

            at = tick + max(tick_of(pause_s), 1)
            self.center.at(at, ARRIVE, request_id + 1).callbacks.append(again)
            return
        self.in_flight -= 1
        self.books.counters[w, S.REJECTED] += measured
        if why != S.REJECTED:
            self.books.counters[w, why] += measured
        if workload["sessions"]:  # its first turn counts as one that came
            self.books.counters[w, S.ARRIVED] += measured
            self.books.counters[w, S.SESSIONS_FAILED] += measured
        self.ask_again(w, tick + RETRY_TICKS)

    def put(
        self,
        call_id: int,
        input_tokens: int,
        output_tokens: int,
        measured: bool,
        request: Request | None,
        came: float,
    ) -> None:
        """A call is let in now."""
        came_s, since_s = seconds_of(came), seconds_of(self.env.now)
        call = Call(call_id, input_tokens, output_tokens, came_s, since_s, measured, request)
        self.offer(call, fresh=True)

    def offer(self, call: Call, fresh: bool) -> None:
        """Find a replica for a call, or turn it away. fresh: it comes for the first time."""
        workload = self.plan.workloads[call.workload]
        replica = self.center.router.choose(call)
        if replica is not None:
            ahead = sum(replica.class_of(c) <= replica.class_of(call) for c in replica.queue)
            fits = call.input + call.output <= replica.pool["longest"]
            room = len(replica.queue) < replica.pool["queue_limit"]
            if fits and room and ahead < min(workload["queue_limit"], workload["spill_above"]):
                replica.put(call)
                if fresh and workload["patience_tick"]:
                    at = self.env.now + int(workload["patience_tick"])
                    self.center.at(at, ARRIVE, call.id).callbacks.append(lambda _: self.lose_patience(call))
                return
        call.replica = None
        if call.request is not None:
            self.fail_pass(call.request, call.measured, S.REJECTED)
        elif workload["spill_ttft_s"] >= 0:
            self.flying[call.workload] -= 1
            self.spill(call)
        else:
            self.flying[call.workload] -= 1
            self.refuse(call.id, tick_of(call.arrive_s), call.measured, S.REJECTED)

    def take_over(self, call: Call) -> None:
        """The KV of a call has come from the replica that prefilled it."""
        assert call.source is not None
        call.since_s = seconds_of(self.env.now)
        replica = self.center.router.route(int(call.source.pool["next_group"]), call)
        assert replica is not None
        replica.put(call)

    def fail_pass(self, request: Request, measured: bool, why: int) -> None:
        """A pass is turned away now: its request fails when the others of its stage have ended. A turn of a session
        counts as a request."""
        w = request.workload
        workload, counters = self.plan.workloads[w], self.books.counters[w]
        self.books.stage_counters[workload["first_stage"] + request.stage, S.STAGE_REJECTED] += measured
        if workload["sessions"]:
            counters[S.REJECTED] += measured
            if why != S.REJECTED:
                counters[why] += measured
        request.rejected(self.env.now)

    def lose_patience(self, call: Call) -> None:
        """The client of a call gives up, unless it was admitted before."""
        replica = call.replica
        if replica is None or call.admit_s is not None:
            return
        now_s, call.replica = seconds_of(self.env.now), None
        replica.queue.remove(call)
        if now_s > call.since_s:
            self.books.spread(replica.p, S.WAITING_S, call.since_s, now_s, now_s - call.since_s)
        if call.request is not None:
            self.fail_pass(call.request, call.measured, S.EXPIRED)
            return
        self.flying[call.workload] -= 1
        if call.attempt + 1 >= self.plan.workloads[call.workload]["attempts"]:
            self.books.spread(replica.p, S.SYSTEM_S, call.arrive_s, now_s, now_s - call.arrive_s)
        self.refuse(call.id, tick_of(call.arrive_s), call.measured, S.EXPIRED)

    def spill(self, call: Call) -> None:
        """Another service answers a plain request."""
        w = call.workload
        workload, now_s = self.plan.workloads[w], seconds_of(self.env.now)
        first_s = now_s + workload["spill_ttft_s"] if call.first_s is None else call.first_s
        finish_s = now_s + workload["spill_ttft_s"] + workload["spill_tpot_s"] * (call.output - 1)
        self.in_flight -= 1
        self.ask_again(w, tick_of(finish_s))
        if not call.measured:
            return
        counters = self.books.counters[w]
        counters[S.SPILLED] += 1
        counters[S.SPILLED_INPUT] += call.input
        counters[S.SPILLED_OUTPUT] += call.output
        self.books.request_completed(w, latencies(call, first_s, finish_s, now_s - call.arrive_s))
