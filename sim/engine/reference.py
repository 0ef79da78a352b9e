"""The reference engine: the same data center in plain SimPy, to read in one sitting and to check the kernel against.

A process per replica, one event per step, plain Python lists. SimPy's clock counts ticks (see `kernel.clock`); each
replica keeps its own float clock, as in the kernel. Demand comes from the same keyed draws.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from sim.engine import state as S
from sim.engine.dataplane import used_windows
from sim.engine.kernel import clock, draw, rng
from sim.engine.kernel.advance import RETRY_TICKS
from sim.engine.kernel.clock import ARRIVE, BEGIN, END
from sim.engine.plan import (
    CLOSED,
    LEAST_KV,
    LEAST_OUTSTANDING,
    POWER_OF_TWO,
    PREFILL_FIRST,
    RANDOM,
    ROUND_ROBIN,
    STATIC,
    Plan,
    replica_pools,
)
from sim.metrics.histogram import bucket_of
from sim.metrics.run import RunMetrics

Steps = Generator[simpy.Event, Any, None]
"""What a SimPy process is."""


def tick_of(time_s: float) -> int:
    """The tick nearest to `time_s` [s]."""
    return round(time_s * clock.TICKS_PER_S)


def seconds_of(tick: float) -> float:
    """`tick` as seconds."""
    return tick / clock.TICKS_PER_S


@dataclass(eq=False)
class Call:
    """One pass of a model over one request."""

    id: int
    input: int
    output: int
    arrive_s: float
    since_s: float
    measured: bool
    admit_s: float | None = None
    first_s: float | None = None
    done: int = 0
    prefilled: int = 0
    decoding: bool = False
    left: int = 0

    @property
    def workload(self) -> int:
        return self.id >> 48

    @property
    def number(self) -> int:
        return self.id & ((1 << 48) - 1)

    @property
    def need(self) -> int:
        """Tokens to prefill: the prompt, and after a preemption what had been emitted."""
        return self.input + self.done


@dataclass
class Step:
    """What one step of a replica does."""

    decoding: list[Call]
    prefill: int = 0
    attention: float = 0.0
    admitted: int = 0


@dataclass
class Books:
    """Everything that a run writes down, in the kernel's layout."""

    plan: Plan
    counters: np.ndarray
    histograms: np.ndarray
    sums: np.ndarray
    windows: np.ndarray
    log: list[tuple] = field(default_factory=list)
    steps: int = 0

    @classmethod
    def empty(cls, plan: Plan) -> Books:
        st = S.new_state(plan)
        return cls(plan, st.counters, st.histograms, st.sums, st.windows)

    def window(self, time_s: float) -> int:
        w = int((time_s - self.plan.window_origin_s) // self.plan.window_s)
        while w >= self.windows.shape[1]:
            self.windows = np.concatenate([self.windows, np.zeros_like(self.windows)], axis=1)
        return w

    def add(self, pool: int, column: int, time_s: float, amount: float) -> None:
        self.windows[pool, self.window(time_s), column] += amount

    def spread(self, pool: int, column: int, begin_s: float, end_s: float, amount: float) -> None:
        """Add `amount` evenly over [begin_s, end_s]."""
        first, last = self.window(begin_s), self.window(end_s)
        edges = [self.plan.window_origin_s + w * self.plan.window_s for w in range(first + 1, last + 1)]
        points = [begin_s, *edges, end_s]
        for w, (a, b) in enumerate(itertools.pairwise(points), start=first):
            share = (b - a) / (end_s - begin_s) if end_s > begin_s else 1.0
            self.windows[pool, w, column] += amount * share


class Replica:
    """A model instance: its queue, its running calls in order of admission, and its process."""

    def __init__(self, center: DataCenter, number: int, pool: int):
        self.center, self.number, self.p = center, number, pool
        self.pool = center.plan.pools[pool]
        self.queue: deque[Call] = deque()
        self.running: list[Call] = []
        self.clock_s = 0.0
        self.wake: simpy.Event | None = None
        center.env.process(self.run())

    def run(self) -> Steps:
        center = self.center
        while True:
            if not self.queue and not self.running:
                self.wake = center.env.event()
                yield self.wake
                self.wake = None
                self.clock_s = seconds_of(center.env.now)
            yield center.at(center.env.now, BEGIN, self.number)
            step = self.compose()
            begin_s = self.clock_s
            self.clock_s = begin_s + self.step_s(step)
            energy_j = self.step_j(step, self.clock_s - begin_s)
            yield center.at(tick_of(self.clock_s), END, self.number)
            self.book(step, begin_s, energy_j)
            self.finish(step)

    def put(self, call: Call) -> None:
        self.queue.append(call)
        if self.wake is not None and not self.wake.triggered:
            self.wake.succeed()

    # What a step does.

    def compose(self) -> Step:
        preempted = False
        while self.kv() > self.pool["kv_capacity"]:
            self.preempt()
            preempted = True
        step = Step([c for c in self.running if c.decoding])
        scheduler = self.pool["scheduler"]
        if scheduler == STATIC:
            if not self.running:
                self.admit(step, budget=1 << 30, whole=True)
        elif scheduler == PREFILL_FIRST:
            if not preempted:
                self.admit(step, budget=int(self.pool["token_budget"]), whole=True)
                if step.prefill:
                    step.decoding = []
        else:
            budget = int(self.pool["token_budget"]) - len(step.decoding)
            for call in self.running:
                if not call.decoding:
                    self.prefill(step, call, budget)
            if not preempted:
                self.admit(step, budget, whole=False)
        return step

    def admit(self, step: Step, budget: int, whole: bool) -> None:
        while self.queue and len(self.running) < self.pool["max_batch"] and step.prefill < budget:
            call = self.queue[0]
            if whole and step.prefill and step.prefill + call.need > budget:
                break
            limit = self.pool["kv_admit"] if self.running else self.pool["kv_capacity"]
            if self.kv() + self.room(call) > limit:
                break
            self.queue.popleft()
            if self.clock_s > call.since_s:
                self.center.books.spread(
                    self.p, S.WAITING_S, call.since_s, self.clock_s, self.clock_s - call.since_s
                )
            if call.admit_s is None:
                call.admit_s = self.clock_s
            call.prefilled = 0
            self.running.append(call)
            step.admitted += 1
            self.prefill(step, call, call.need + step.prefill if whole else budget)

    def prefill(self, step: Step, call: Call, budget: int) -> None:
        """Prefill of `call` what the step's `budget` of prefill tokens leaves."""
        take = min(call.need - call.prefilled, budget - step.prefill)
        step.attention += take * (call.prefilled + 0.5 * take)
        step.prefill += take
        call.prefilled += take

    def preempt(self) -> None:
        call = self.running.pop()
        lost = call.need - 1 if call.decoding else call.prefilled
        call.decoding = False
        call.since_s = self.clock_s
        self.queue.appendleft(call)
        self.center.books.add(self.p, S.PREEMPTED, self.clock_s, 1)
        self.center.books.add(self.p, S.RECOMPUTED, self.clock_s, lost)

    def room(self, call: Call) -> int:
        """KV tokens that `call` takes: its prompt and tokens emitted, and while it prefills its next token."""
        if self.pool["reserve_full"]:
            return call.input + call.output
        return call.need if call.decoding else call.input + min(call.done + 1, call.output)

    def kv(self) -> int:
        return sum(self.room(c) for c in self.running)

    # What a step costs.

    def step_s(self, step: Step) -> float:
        plan, p, n = self.center.plan, self.p, len(step.decoding)
        accelerator_s = self.center.per_token(plan.token_s, "token_s_beyond", p, n + step.prefill)
        accelerator_s += plan.sequence_s[p, n] + plan.kv_s[p, n] * sum(c.need for c in step.decoding)
        accelerator_s += self.pool["attention_s"] * step.attention
        host_s = plan.host_s[p, n] + self.pool["host_prefill_s"] * step.prefill
        return max(accelerator_s, host_s) + self.pool["admit_s"] * step.admitted

    def step_j(self, step: Step, duration_s: float) -> float:
        n = len(step.decoding)
        return (
            self.pool["static_w"] * duration_s
            + self.center.per_token(self.center.plan.token_j, "token_j_beyond", self.p, n + step.prefill)
            + self.pool["sequence_j"] * n
            + self.pool["kv_j"] * sum(c.need for c in step.decoding)
            + self.pool["attention_j"] * step.attention
        )

    # What a step brings.

    def finish(self, step: Step) -> None:
        ended = []
        for call in step.decoding:
            call.done += 1
            call.left -= 1
        fresh = [c for c in self.running if not c.decoding and c.prefilled == c.need]
        longest = max((c.output for c in fresh), default=0)
        for call in fresh:
            call.decoding = True
            if call.first_s is None:
                call.first_s = self.clock_s
            call.done = min(call.done + 1, call.output)
            call.left = call.output - call.done
            if self.pool["scheduler"] == STATIC:
                call.left = max(longest - 1, 0)
        ended = [c for c in self.running if c.decoding and c.left == 0]
        self.running = [c for c in self.running if c not in ended]
        for call in sorted(ended, key=lambda c: c.id):
            self.center.complete(self, call)

    def book(self, step: Step, begin_s: float, energy_j: float) -> None:
        books, n = self.center.books, len(step.decoding)
        duration_s = self.clock_s - begin_s
        for column, amount in (
            (S.ENERGY_J, energy_j),
            (S.BUSY_S, duration_s),
            (S.BATCH_S, duration_s * n),
            (S.DECODED, n),
            (S.PREFILLED, step.prefill),
            (S.STEPS, 1),
        ):
            books.spread(self.p, column, begin_s, self.clock_s, amount)
        books.steps += 1


class DataCenter:
    """Replicas, demand and routers of one cell."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.env = simpy.Environment(initial_time=0)
        self.books = Books.empty(plan)
        self.replicas = [Replica(self, r, int(p)) for r, p in enumerate(replica_pools(plan))]
        self.turns = [0] * len(plan.groups)
        self.issued = [0] * len(plan.workloads)
        self.in_flight = 0
        for w, workload in enumerate(plan.workloads):
            if workload["process"] == CLOSED:
                for _ in range(min(workload["clients"], workload["limit"])):
                    self.ask(w, 0)
            else:
                self.env.process(self.source(w))

    def at(self, tick: float, kind: int, number: int) -> simpy.Event:
        """An event in the total order (tick, kind, number), behind SimPy's own events of that tick."""
        event = self.env.event()
        event._ok, event._value = True, None
        priority: Any = ((kind + 1) << 64) + int(number)  # SimPy's own are 0 and 1
        self.env.schedule(event, priority=priority, delay=int(tick) - self.env.now)
        return event

    def per_token(self, table: np.ndarray, beyond: str, p: int, tokens: int) -> float:
        last = table.shape[1] - 1
        return table[p, min(tokens, last)] + max(tokens - last, 0) * self.plan.pools[p][beyond]

    # Demand.

    def source(self, w: int) -> Steps:
        """Open arrivals of workload `w`."""
        streams = np.zeros(len(self.plan.workloads), S.STREAM)
        ticks, numbers = np.zeros(S.CHUNK, np.int64), np.zeros(S.CHUNK, np.int64)
        inputs, outputs = np.zeros(S.CHUNK, np.int32), np.zeros(S.CHUNK, np.int32)
        while not streams[w]["finished"]:
            draw.next_chunk(self.plan, w, streams, ticks, numbers, inputs, outputs)
            for i in range(streams[w]["count"]):
                call_id = (w << 48) | int(numbers[i])
                yield self.at(ticks[i], ARRIVE, call_id)
                self.arrive(call_id, int(inputs[i]), int(outputs[i]))

    def ask(self, w: int, tick: float) -> None:
        """A client of the closed workload `w` will ask at `tick`."""
        number = self.issued[w] * self.plan.cells + self.plan.cell
        self.issued[w] += 1
        call_id = (w << 48) | number
        self.at(tick, ARRIVE, call_id).callbacks.append(
            lambda _: self.arrive(call_id, *(draw.tokens(self.plan, w, side, number) for side in (0, 1)))
        )

    def ask_again(self, w: int, tick: float) -> None:
        workload = self.plan.workloads[w]
        at = tick + int(workload["think_tick"])
        if (
            workload["process"] == CLOSED
            and at < self.plan.duration_tick
            and self.issued[w] < workload["limit"]
        ):
            self.ask(w, at)

    def arrive(self, call_id: int, input_tokens: int, output_tokens: int) -> None:
        tick = self.env.now
        time_s = seconds_of(tick)
        call = Call(
            call_id, input_tokens, output_tokens, time_s, time_s, measured=tick >= self.plan.warmup_tick
        )
        counters = self.books.counters[call.workload]
        counters[S.ARRIVED] += call.measured
        replica = self.route(call)
        too_long = call.input + call.output > replica.pool["kv_capacity"]
        if too_long or len(replica.queue) >= replica.pool["queue_limit"]:
            counters[S.REJECTED] += call.measured
            self.ask_again(call.workload, tick + RETRY_TICKS)
        else:
            self.in_flight += 1
            replica.put(call)

    def route(self, call: Call) -> Replica:
        g = self.plan.workloads[call.workload]["group"]
        group = self.plan.groups[g]
        members = self.replicas[group["first_replica"] :][: group["replicas"]]
        router = group["router"]
        key = self.plan.workloads[call.workload]["route_key"]

        def pick(k: int) -> Replica:
            return members[int(rng.uniform(key, call.number * rng.DRAWS + k) * len(members))]

        def outstanding(r: Replica) -> tuple[int, int]:
            return len(r.queue) + len(r.running), r.number

        if router == ROUND_ROBIN:
            self.turns[g] += 1
            return members[(self.turns[g] - 1) % len(members)]
        if router == RANDOM:
            return pick(0)
        if router == POWER_OF_TWO:
            return min(pick(0), pick(1), key=outstanding)
        if router == LEAST_OUTSTANDING:
            return min(members, key=outstanding)
        assert router == LEAST_KV
        return min(members, key=lambda r: (r.kv() + sum(c.need for c in r.queue), r.number))

    # Books.

    def complete(self, replica: Replica, call: Call) -> None:
        self.in_flight -= 1
        books, finish_s = self.books, replica.clock_s
        books.spread(replica.p, S.SYSTEM_S, call.arrive_s, finish_s, finish_s - call.arrive_s)
        self.ask_again(call.workload, tick_of(finish_s))
        if not call.measured:
            return
        assert call.first_s is not None and call.admit_s is not None
        workload = self.plan.workloads[call.workload]
        outside_s = replica.pool["first_token_s"]
        latency: dict[int, float] = {
            S.TTFT: call.first_s - call.arrive_s + outside_s,
            S.E2E: finish_s - call.arrive_s + outside_s,
            S.QUEUE: max(call.admit_s - call.arrive_s, 0.0),
        }
        if call.output > 1:
            latency[S.TPOT] = (finish_s - call.first_s) / (call.output - 1)
        for metric, value in latency.items():
            books.histograms[call.workload, metric, bucket_of(value)] += 1
            books.sums[call.workload, metric] += value
        good_ttft = latency[S.TTFT] <= workload["slo_ttft_s"]
        good_tpot = latency.get(S.TPOT, 0.0) <= workload["slo_tpot_s"]
        counters = books.counters[call.workload]
        counters[S.COMPLETED] += 1
        counters[S.INPUT] += call.input
        counters[S.OUTPUT] += call.output
        counters[S.WITH_TPOT] += call.output > 1
        counters[S.GOOD_TTFT] += good_ttft
        counters[S.GOOD_TPOT] += good_tpot
        counters[S.GOOD] += good_ttft and good_tpot and latency[S.E2E] <= workload["slo_e2e_s"]
        books.log.append(
            (
                call.id,
                replica.number,
                call.input,
                call.output,
                call.arrive_s,
                call.admit_s,
                call.first_s,
                finish_s,
            )
        )


def run_reference(
    plan: Plan, *, log_requests: int = 0, progress: Callable[[float], None] = lambda _: None
) -> RunMetrics:
    """Simulate one cell to its end."""
    center = DataCenter(plan)
    every = max(1, plan.duration_tick // 200)
    center.env.process(_report(center.env, every, progress))
    center.env.run()
    books = center.books
    end_s = max(r.clock_s for r in center.replicas)
    return RunMetrics(
        counters=books.counters,
        histograms=books.histograms,
        sums=books.sums,
        windows=used_windows(plan, books.windows, end_s),
        window_s=plan.window_s,
        window_origin_s=plan.window_origin_s,
        calls=np.array(books.log[:log_requests], S.LOG),
        end_s=end_s,
        in_flight=center.in_flight,
        segments=books.steps,
    )


def _report(env: simpy.Environment, every: int, progress: Callable[[float], None]) -> Steps:
    while env.peek() != float("inf"):
        yield env.timeout(every)
        progress(seconds_of(env.now))
