"""The reference engine: the same data center in plain SimPy, to read in one sitting and to check the kernel against.

A process per replica, one event per step, plain Python lists. SimPy's clock counts ticks (see `kernel.clock`); each
replica keeps its own float clock, as in the kernel. Demand comes from the same keyed draws. What requests do besides
one plain pass is in `reference_program`, prefix caches are in `reference_prefix`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from sim.engine import state as S
from sim.engine.dataplane import used_windows
from sim.engine.govern import Governor, Rung, govern, seen_rows
from sim.engine.kernel import clock, draw, rng
from sim.engine.kernel.clock import ARRIVE, BEGIN, END
from sim.engine.kernel.ident import keyed, name_of, number_of, pass_of, workload_of
from sim.engine.kernel.program import RETRY_TICKS
from sim.engine.load import Load
from sim.engine.plan import (
    CLOSED,
    DECODE,
    EFFICIENT_FIRST,
    LEAST_KV,
    LEAST_OUTSTANDING,
    POWER_OF_TWO,
    PREFILL,
    PREFILL_FIRST,
    PREFIX_AWARE,
    RANDOM,
    ROUND_ROBIN,
    SESSION,
    STATIC,
    Plan,
    replica_pools,
)
from sim.engine.reference_adapters import Adapters
from sim.engine.reference_prefix import PrefixCache, texts_of
from sim.engine.reference_program import Request, run_program
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
    request: Request | None = None
    admit_s: float | None = None
    first_s: float | None = None
    done: float = 0  # tokens emitted; whole but while a speculating replica decodes
    prefilled: int = 0
    decoding: bool = False
    left: int = 0  # steps to decode
    cached: int = 0
    replica: Replica | None = None
    source: Replica | None = None  # that prefilled it and holds its KV

    @property
    def workload(self) -> int:
        return workload_of(self.id)

    @property
    def attempt(self) -> int:
        """Times that its client had asked before."""
        return pass_of(self.id)

    @property
    def need(self) -> float:
        """Tokens to prefill, or that decoding attends to: the prompt, and after a preemption what had been emitted."""
        return self.input + self.done


@dataclass
class Step:
    """What one step of a replica does."""

    decoding: list[Call]
    prefill: int = 0
    attention: float = 0.0
    admitted: int = 0
    loads: int = 0


@dataclass
class Books:
    """Everything that a run writes down, in the kernel's layout."""

    plan: Plan
    counters: np.ndarray
    histograms: np.ndarray
    sums: np.ndarray
    windows: np.ndarray
    stage_counters: np.ndarray
    stage_times: np.ndarray
    log: list[tuple] = field(default_factory=list)
    pass_log: list[tuple] = field(default_factory=list)
    steps: int = 0

    @classmethod
    def empty(cls, plan: Plan) -> Books:
        st = S.new_state(plan)
        return cls(plan, st.counters, st.histograms, st.sums, st.windows, st.stage_counters, st.stage_times)

    def window(self, time_s: float) -> int:
        w = int((time_s - self.plan.window_origin_s) // self.plan.window_s)
        while w >= self.windows.shape[1]:
            self.windows = np.concatenate([self.windows, np.zeros_like(self.windows)], axis=1)
        return w

    def add(self, pool: int, column: int, time_s: float, amount: float) -> None:
        w = self.window(time_s)  # may lengthen the array
        self.windows[pool, w, column] += amount

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
        self.queue: list[Call] = []
        self.standing = S.OPEN
        self.running: list[Call] = []
        self.handed: list[Call] = []  # prefilled here; no other replica has taken them in yet
        self.rate = pool
        self.draw_w = float(center.plan.rates[self.rate]["idle_w"])
        self.clock_s = 0.0
        self.wake: simpy.Event | None = None
        block = int(self.pool["prefix_block"])
        self.prefix = PrefixCache(block) if block else None
        self.adapters = Adapters(center.plan, self.pool) if self.pool["adapter_slots"] else None
        center.env.process(self.run())

    def run(self) -> Steps:
        center = self.center
        while True:
            if not self.queue and not self.running:
                yield from self.rest()
            yield center.at(center.env.now, BEGIN, self.number)
            if not self.queue and not self.running:  # who waited has given up at this very tick
                self.evict()
                continue
            step = self.compose()
            if not step.decoding and not step.prefill:  # its KV room is taken by calls that wait elsewhere
                yield from self.rest()
                continue
            begin_s = self.clock_s
            self.rate = int(center.pool_rate[self.p])
            read = sum(c.need for c in step.decoding)
            idle_w = float(center.plan.rates[self.rate]["idle_w"])
            self.clock_s = begin_s + self.step_s(step)
            energy_j = self.step_j(step, self.clock_s - begin_s)
            self.draw_w = energy_j / (self.clock_s - begin_s)
            yield center.at(tick_of(self.clock_s), END, self.number)
            self.draw_w = idle_w
            self.book(step, begin_s, energy_j, read)
            self.finish(step)
            if self.standing == S.DYING:
                self.strand()

    # Who is here, and in which order.

    def class_of(self, call: Call) -> int:
        """Priority class; 0 goes first."""
        return int(self.center.plan.workloads[call.workload]["class_"])

    def enter(self, call: Call, first: bool = False) -> None:
        """Queue a call behind the others of its class, or before them."""
        last = self.class_of(call) - (1 if first else 0)
        self.queue.insert(sum(self.class_of(c) <= last for c in self.queue), call)

    def strand(self) -> None:
        """This replica is lost: what it holds goes elsewhere."""
        while self.running:
            self.preempt(S.EVICTED)
        calls, self.queue = self.queue, []
        for call in calls:
            self.waited(call)
            call.since_s, call.cached = self.clock_s, 0
        self.shut()
        for call in calls:
            self.center.offer(call, fresh=False)

    def shut(self) -> None:
        """Without power nothing stays in memory."""
        self.standing = S.OFF
        if self.prefix is not None:
            self.prefix.make_room(0)
        if self.adapters is not None:
            self.adapters = Adapters(self.center.plan, self.pool)

    def waited(self, call: Call) -> None:
        """The wait of a call ends now."""
        if self.clock_s > call.since_s:
            self.center.books.spread(
                self.p, S.WAITING_S, call.since_s, self.clock_s, self.clock_s - call.since_s
            )

    def rest(self) -> Steps:
        """Wait for a call, or for room."""
        self.wake = self.center.env.event()
        yield self.wake
        self.wake = None
        self.clock_s = seconds_of(self.center.env.now)

    def put(self, call: Call) -> None:
        self.enter(call)
        call.replica = self
        self.rouse()

    def rouse(self) -> None:
        if self.wake is not None and not self.wake.triggered:
            self.wake.succeed()

    # Calls that are prefilled here and decoded elsewhere.

    def hand_over(self, call: Call) -> None:
        """A call has its first token here and goes on to the next group, which its KV reaches after a while."""
        center, books = self.center, self.center.books
        self.handed.append(call)
        call.source = self
        books.add(self.p, S.HANDED, self.clock_s, 1)
        books.add(self.p, S.HANDED_KV, self.clock_s, call.input)
        books.spread(self.p, S.SYSTEM_S, call.arrive_s, self.clock_s, self.clock_s - call.arrive_s)
        way_s = float(self.pool["handover_s"] + self.pool["handover_token_s"] * call.input)
        come = center.at(tick_of(self.clock_s + way_s), ARRIVE, call.id)
        come.callbacks.append(lambda _: center.take_over(call))

    def taken(self, call: Call) -> None:
        """Another replica has taken in a call that was prefilled here."""
        self.handed.remove(call)
        if self.prefix is not None:
            self.prefix.release(call)
        if self.queue:
            self.rouse()

    def evict(self) -> None:
        """Texts that nobody reads make room for what running calls hold."""
        if self.prefix is not None:
            self.prefix.make_room(self.pool["kv_capacity"] - self.kv())

    # What a step does.

    def compose(self) -> Step:
        preempted = False
        while self.kv() > self.pool["kv_capacity"]:
            self.preempt(S.PREEMPTED)
            preempted = True
        self.evict()
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
            budget = int(self.pool["token_budget"]) - len(step.decoding) * int(self.pool["width"])
            for call in self.running:
                if not call.decoding:
                    self.prefill(step, call, budget)
            if not preempted:
                self.admit(step, budget, whole=False)
        return step

    def admit(self, step: Step, budget: int, whole: bool) -> None:
        while self.queue and step.prefill < budget:
            call = self.queue[0]
            if whole and step.prefill and step.prefill + call.need > budget and call.source is None:
                break
            if len(self.running) >= self.center.plan.workloads[call.workload]["admit_below"]:
                break
            there_is_room = self.takes(call)
            while not there_is_room and (victim := self.who_gives_way(call)) is not None:
                if victim in step.decoding:
                    step.decoding.remove(victim)
                self.send_back(victim, S.PREEMPTED)
                there_is_room = self.takes(call)
            if not there_is_room:
                break
            if self.adapters is not None:
                self.take_adapter(step, call)
            self.queue.remove(call)
            self.waited(call)
            if call.admit_s is None:
                call.admit_s = self.clock_s
            self.running.append(call)
            step.admitted += 1
            if call.source is not None:
                self.decode(call)
                step.decoding.append(call)
                budget -= 0 if whole else int(self.pool["width"])
                call.source.taken(call)
                call.source = None
                continue
            call.prefilled = 0 if self.prefix is None else call.cached
            self.prefill(step, call, int(call.need) + step.prefill if whole else budget)

    def decode(self, call: Call) -> None:
        """From the next step on the call decodes."""
        call.decoding = True
        call.left = math.ceil((call.output - call.done) / float(self.pool["tokens_per_step"]))

    def take_adapter(self, step: Step, call: Call) -> None:
        """Hold the call's adapter, and load it with the step if it is not there."""
        assert self.adapters is not None
        loads = self.adapters.take(call)
        step.loads += loads
        self.center.books.add(self.p, S.ADAPTERS_ASKED, self.clock_s, 1)
        self.center.books.add(self.p, S.ADAPTERS_LOADED, self.clock_s, loads)

    def takes(self, call: Call) -> bool:
        """Whether there is a place, for its adapter too, and KV room for a call; if so its texts are held."""
        if len(self.running) >= self.pool["max_batch"]:
            return False
        if self.adapters is not None and not self.adapters.has_place_for(call):
            return False
        limit = self.pool["kv_admit"] if self.running else self.pool["kv_capacity"]
        if self.prefix is not None:
            return self.take_texts(call, limit)
        return self.kv() + self.room(call) <= limit

    def who_gives_way(self, call: Call) -> Call | None:
        """The decoding call, of the least urgent class the newest, that is less urgent than `call`."""
        decoding = [c for c in self.running if c.decoding]
        worst = max((self.class_of(c) for c in decoding), default=0)
        if self.pool["reserve_full"] or worst <= self.class_of(call):
            return None
        return [c for c in decoding if self.class_of(c) == worst][-1]

    def take_texts(self, call: Call, limit: float) -> bool:
        """Find the call's input in the prefix cache and hold it; False if there is no room for it."""
        assert self.prefix is not None
        texts = texts_of(self.center.plan, call)
        if self.kv() + self.prefix.would_take(texts) + self.room(call) - call.input > limit:
            return False
        block = self.prefix.block
        call.cached = min(self.prefix.take(call, texts) // block * block, int(call.need) - 1)
        self.center.books.add(self.p, S.CACHE_ASKED, self.clock_s, call.input)
        self.center.books.add(self.p, S.CACHE_HIT, self.clock_s, call.cached)
        self.prefix.make_room(self.pool["kv_capacity"] - self.kv() - (self.room(call) - call.input))
        return True

    def prefill(self, step: Step, call: Call, budget: int) -> None:
        """Prefill of `call` what the step's `budget` of prefill tokens leaves."""
        take = min(int(call.need) - call.prefilled, budget - step.prefill)
        step.attention += take * (call.prefilled + 0.5 * take)
        step.prefill += take
        call.prefilled += take

    def preempt(self, column: int) -> None:
        """Send a call back to the queue: of the least urgent class, that admitted last."""
        worst = max(self.class_of(c) for c in self.running)
        self.send_back([c for c in self.running if self.class_of(c) == worst][-1], column)

    def send_back(self, call: Call, column: int) -> None:
        self.running.remove(call)
        self.center.books.add(self.p, S.DECODED, self.clock_s, math.floor(call.done) - call.done)
        call.done = math.floor(call.done)
        if call.decoding and self.pool["scheduler"] == STATIC:  # it returns as one: nothing was emitted
            call.done, call.first_s = 0, None
        lost = call.input + max(call.done - 1, 0) if call.decoding else call.prefilled
        if self.prefix is not None:
            lost = call.done if call.decoding else call.prefilled - call.cached
            computed = call.input if call.decoding else call.prefilled
            self.prefix.release(call, forget=call.input - computed)
        if self.adapters is not None:
            self.adapters.release(call)
        call.decoding = False
        call.since_s = self.clock_s
        self.enter(call, first=True)
        self.center.books.add(self.p, column, self.clock_s, 1)
        self.center.books.add(self.p, S.RECOMPUTED, self.clock_s, lost)

    def room(self, call: Call) -> float:
        """KV tokens that `call` takes: its prompt and tokens emitted, and while it prefills its next token."""
        if self.pool["reserve_full"]:
            return call.input + call.output
        holds = call.decoding or call.source is not None
        return call.need if holds else call.input + min(call.done + 1, call.output)

    def kv(self) -> float:
        """KV tokens that calls hold, also those that were handed over; a text that several read counts once."""
        if self.prefix is not None:
            own = sum(self.room(c) - c.input for c in self.running)
            return self.prefix.in_use() + own + len(self.handed)
        return sum(self.room(c) for c in self.running) + sum(c.input + 1 for c in self.handed)

    # What a step costs.

    def step_s(self, step: Step) -> float:
        plan, p, n = self.center.plan, self.rate, len(step.decoding)
        costs = plan.rates[p]
        tokens = n * int(self.pool["width"]) + step.prefill
        accelerator_s = self.center.per_token(plan.token_s, "token_s_beyond", p, tokens)
        accelerator_s += plan.sequence_s[p, n] + plan.kv_s[p, n] * sum(c.need for c in step.decoding)
        accelerator_s += costs["attention_s"] * step.attention
        host_s = plan.host_s[p, n] + costs["host_prefill_s"] * step.prefill
        loading_s = step.loads * self.pool["adapter_load_s"]
        return max(accelerator_s, host_s) + costs["admit_s"] * step.admitted + loading_s

    def step_j(self, step: Step, duration_s: float) -> float:
        n, costs = len(step.decoding), self.center.plan.rates[self.rate]
        tokens = n * int(self.pool["width"]) + step.prefill
        return (
            costs["static_w"] * duration_s
            + self.center.per_token(self.center.plan.token_j, "token_j_beyond", self.rate, tokens)
            + costs["sequence_j"] * n
            + costs["kv_j"] * sum(c.need for c in step.decoding)
            + costs["attention_j"] * step.attention
        )

    # What a step brings.

    def finish(self, step: Step) -> None:
        ended = []
        for call in step.decoding:
            call.done += float(self.pool["tokens_per_step"])
            call.left -= 1
        fresh = [c for c in self.running if not c.decoding and c.prefilled == c.need]
        longest = max((c.output for c in fresh), default=0)
        for call in fresh:
            if call.first_s is None:
                call.first_s = self.clock_s
            call.done = min(call.done + 1, call.output)
            self.decode(call)
            if self.pool["scheduler"] == STATIC:
                call.left = max(longest - 1, 0)
            elif self.pool["role"] == PREFILL and call.left:
                self.running.remove(call)
                self.hand_over(call)
        ended = [c for c in self.running if c.decoding and c.left == 0]
        self.running = [c for c in self.running if c not in ended]
        if self.prefix is not None:
            for call in sorted(ended, key=lambda c: c.id):
                self.prefix.leave(call, self.center.plan)
        for call in sorted(ended, key=lambda c: c.id):
            if self.adapters is not None:
                self.adapters.release(call)
            self.center.complete(self, call)

    def book(self, step: Step, begin_s: float, energy_j: float, read: float) -> None:
        books, n = self.center.books, len(step.decoding)
        duration_s = self.clock_s - begin_s
        ending = [c for c in step.decoding if c.left == 1 and self.pool["scheduler"] != STATIC]
        surplus = sum(c.done + float(self.pool["tokens_per_step"]) - c.output for c in ending)
        for column, amount in (
            (S.ENERGY_J, energy_j),
            (S.BUSY_S, duration_s),
            (S.BATCH_S, duration_s * n),
            (S.DECODED, n * float(self.pool["tokens_per_step"]) - surplus),
            (S.PREFILLED, step.prefill),
            (S.STEPS, 1),
            (S.PAIRS, step.attention),
            (S.READ_KV, read),
        ):
            books.spread(self.p, column, begin_s, self.clock_s, amount)
        books.steps += 1


class DataCenter:
    """Replicas, demand and routers of one cell."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.env = simpy.Environment(initial_time=0)
        self.books = Books.empty(plan)
        self.pool_rate = np.arange(len(plan.pools))
        self.replicas = [Replica(self, r, int(p)) for r, p in enumerate(replica_pools(plan))]
        self.turns = [0] * len(plan.groups)
        self.flying = [0] * len(plan.workloads)
        self.due_tick = [0] * len(plan.workloads)
        self.issued = [0] * len(plan.workloads)
        self.hold = [0] * len(plan.workloads)
        self.shed: set[int] = set()
        self.in_flight = 0
        self.coming = 0  # sources and clients that will yet ask
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
        return table[p, min(tokens, last)] + max(tokens - last, 0) * self.plan.rates[p][beyond]

    # What a governor sees and does.

    def idle(self) -> bool:
        """Whether nothing is left to happen."""
        return self.in_flight == 0 and self.coming == 0

    def draw_w(self, tick: int) -> np.ndarray:
        """What the accelerators of each pool draw now, float64[P] [W]."""
        watts = np.zeros(len(self.plan.pools))
        for replica in self.replicas:
            if replica.standing != S.OFF:
                watts[replica.p] += replica.draw_w
        return watts

    # What the fleet's control plane sees and does.

    def load(self) -> Load:
        """What the replicas have to do."""
        return Load(
            queued=np.array([len(r.queue) for r in self.replicas]),
            running=np.array([len(r.running) for r in self.replicas]),
            asked=np.array(self.turns),
        )

    def open(self, replicas: Sequence[int], tick: int) -> None:
        """Let routers choose these from now on."""
        for r in replicas:
            self.replicas[r].standing = S.OPEN

    def close(self, replicas: Sequence[int], tick: int) -> None:
        """Let routers leave these out: what they hold they finish, and one that is off is on."""
        for r in replicas:
            self.replicas[r].standing = S.CLOSED_

    def kill(self, replicas: Sequence[int], tick: int) -> None:
        """Take these out now, or at the end of the step under way."""
        for r in replicas:
            if self.replicas[r].wake is not None:
                self.replicas[r].shut()
            else:
                self.replicas[r].standing = S.DYING

    def change(self, rung: Rung, tick: int, until_tick: int) -> None:
        """Take up a governor's rung: its step costs from the next step on."""
        self.pool_rate[:] = rung.rates
        for w in rung.hold:
            self.hold[w] = until_tick
        self.shed = set(rung.shed)

    # Demand.

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
                yield self.at(max(ticks[i], self.hold[w], self.env.now), ARRIVE, call_id)
                while self.env.now < self.hold[w]:
                    yield self.at(self.hold[w], ARRIVE, call_id)
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

        self.at(tick, ARRIVE, call_id).callbacks.append(arrive)

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
            self.env.process(run_program(self, request))
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
            self.at(at, ARRIVE, request_id + 1).callbacks.append(again)
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
        replica = self.choose(call)
        if replica is not None:
            ahead = sum(replica.class_of(c) <= replica.class_of(call) for c in replica.queue)
            fits = call.input + call.output <= replica.pool["longest"]
            room = len(replica.queue) < replica.pool["queue_limit"]
            if fits and room and ahead < min(workload["queue_limit"], workload["spill_above"]):
                replica.put(call)
                if fresh and workload["patience_tick"]:
                    at = self.env.now + int(workload["patience_tick"])
                    self.at(at, ARRIVE, call.id).callbacks.append(lambda _: self.lose_patience(call))
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
        replica = self.route(int(call.source.pool["next_group"]), call)
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
        latency = {
            S.TTFT: first_s - call.arrive_s,
            S.E2E: finish_s - call.arrive_s,
            S.QUEUE: now_s - call.arrive_s,
        }
        if call.output > 1:
            latency[S.TPOT] = (finish_s - first_s) / (call.output - 1)
        counters = self.books.counters[w]
        counters[S.SPILLED] += 1
        counters[S.SPILLED_INPUT] += call.input
        counters[S.SPILLED_OUTPUT] += call.output
        self.book_latencies(w, latency)

    def choose(self, call: Call) -> Replica | None:
        """A replica of the first group that is not full; if all are, of the first; None if none is open."""
        plan = self.plan
        row = plan.workloads[call.workload] if call.request is None else call.request.row(plan)
        fallback = None
        for g in plan.chains[row["chain"]]:
            if g == S.NONE:
                break
            replica = self.route(int(g), call)
            if replica is None:
                continue
            if len(replica.queue) + len(replica.running) < plan.groups[g]["overflow"]:
                return replica
            fallback = fallback or replica
        return fallback

    def route(self, g: int, call: Call) -> Replica | None:
        """An open replica of group `g`."""
        group = self.plan.groups[g]
        members = self.replicas[group["first_replica"] :][: group["replicas"]]
        members = [r for r in members if r.standing == S.OPEN]
        self.turns[g] += 1
        if not members:
            return None
        router = group["router"]
        key = self.plan.workloads[call.workload]["route_key"]

        def pick(k: int) -> Replica:
            counter = keyed(call.id) * rng.DRAWS + int(group["first_draw"]) + k
            return members[int(rng.uniform(key, counter) * len(members))]

        def outstanding(r: Replica) -> tuple[int, int]:
            return len(r.queue) + len(r.running) + int(r.pool["head_start"]), r.number

        if router == SESSION:
            if call.request is None:
                return min(members, key=outstanding)
            if call.request.home not in members:
                home = min(members, key=outstanding)
                if g != self.plan.chains[self.plan.workloads[call.workload]["chain"], 0]:
                    return home
                call.request.home = home
            return call.request.home
        if router == ROUND_ROBIN:
            return members[(self.turns[g] - 1) % len(members)]
        if router == RANDOM:
            return pick(0)
        if router == POWER_OF_TWO:
            return min(pick(0), pick(1), key=outstanding)
        if router in (LEAST_OUTSTANDING, EFFICIENT_FIRST):
            return min(members, key=outstanding)
        assert router in (LEAST_KV, PREFIX_AWARE)
        texts = texts_of(self.plan, call) if router == PREFIX_AWARE else []

        def load(r: Replica) -> tuple[float, int]:
            spared = r.prefix.found(texts, call.input) if texts and r.prefix is not None else 0
            to_compute = group["overlap_weight"] * (call.input - spared) if texts else 0
            return r.kv() + sum(c.need for c in r.queue) + to_compute, r.number

        return min(members, key=load)

    # Books.

    def complete(self, replica: Replica, call: Call) -> None:
        books, finish_s = self.books, replica.clock_s
        assert call.first_s is not None
        here_s = call.first_s if replica.pool["role"] == DECODE else call.arrive_s
        books.spread(replica.p, S.SYSTEM_S, here_s, finish_s, finish_s - here_s)
        outside_s = float(replica.pool["first_token_s"] + self.plan.network_s[call.workload, replica.p])
        assert call.first_s is not None and call.admit_s is not None
        turn = bool(self.plan.workloads[call.workload]["sessions"])
        if call.measured and (turn or call.request is None):
            self.book_call(replica, call, outside_s)
        if call.request is not None:
            if call.measured:
                self.book_pass(replica, call, outside_s, logged=not turn)
            call.request.call_ended(call, finish_s, outside_s, replica.number)
            return
        self.in_flight -= 1
        self.flying[call.workload] -= 1
        self.ask_again(call.workload, tick_of(finish_s))

    def book_call(self, replica: Replica, call: Call, outside_s: float) -> None:
        """A plain request or a turn of a session has completed."""
        assert call.first_s is not None and call.admit_s is not None
        books, finish_s = self.books, replica.clock_s
        latency: dict[int, float] = {
            S.TTFT: call.first_s - call.arrive_s + outside_s,
            S.E2E: finish_s - call.arrive_s + outside_s,
            S.QUEUE: max(call.admit_s - call.arrive_s, 0.0),
        }
        if call.output > 1:
            latency[S.TPOT] = (finish_s - call.first_s) / (call.output - 1)
        counters = books.counters[call.workload]
        counters[S.INPUT] += call.input
        counters[S.OUTPUT] += call.output
        self.book_latencies(call.workload, latency)
        books.log.append(_log_row(call, replica, finish_s))

    def book_latencies(self, w: int, latency: dict[int, float]) -> None:
        """A request of workload `w` has completed with these latencies."""
        workload, counters, books = self.plan.workloads[w], self.books.counters[w], self.books
        for metric, value in latency.items():
            books.histograms[w, metric, bucket_of(value)] += 1
            books.sums[w, metric] += value
        good_ttft = latency[S.TTFT] <= workload["slo_ttft_s"]
        good_tpot = latency.get(S.TPOT, 0.0) <= workload["slo_tpot_s"]
        counters[S.COMPLETED] += 1
        counters[S.WITH_TPOT] += S.TPOT in latency
        counters[S.GOOD_TTFT] += good_ttft
        counters[S.GOOD_TPOT] += good_tpot
        counters[S.GOOD] += good_ttft and good_tpot and latency[S.E2E] <= workload["slo_e2e_s"]

    def book_pass(self, replica: Replica, call: Call, outside_s: float, logged: bool) -> None:
        """A pass of a program has ended."""
        assert call.request is not None and call.first_s is not None and call.admit_s is not None
        books, workload = self.books, self.plan.workloads[call.workload]
        row = workload["first_stage"] + call.request.stage
        finish_s = replica.clock_s
        ttft_s = call.first_s - call.arrive_s + outside_s
        good = ttft_s <= workload["slo_ttft_s"]
        if call.output > 1:
            good = good and (finish_s - call.first_s) / (call.output - 1) <= workload["slo_tpot_s"]
        for column, count in (
            (S.STAGE_CALLS, 1),
            (S.STAGE_INPUT, call.input),
            (S.STAGE_OUTPUT, call.output),
            (S.STAGE_CACHED, call.cached),
            (S.STAGE_GOOD, good),
        ):
            books.stage_counters[row, column] += count
        for column, time_s in (
            (S.STAGE_QUEUE_S, max(call.admit_s - call.arrive_s, 0.0)),
            (S.STAGE_TTFT_S, ttft_s),
            (S.STAGE_E2E_S, finish_s - call.arrive_s + outside_s),
        ):
            books.stage_times[row, column] += time_s
        if logged:
            books.pass_log.append(_log_row(call, replica, finish_s))


def _log_row(call: Call, replica: Replica, finish_s: float) -> tuple:
    return (
        call.id,
        replica.number,
        call.input,
        call.output,
        call.arrive_s,
        call.admit_s,
        call.first_s,
        finish_s,
    )


def run_reference(
    plan: Plan,
    *,
    log_requests: int = 0,
    governor: Governor | None = None,
    processes: Sequence[Callable[[simpy.Environment, Any], Steps]] = (),
    progress: Callable[[float], None] = lambda _: None,
) -> RunMetrics:
    """Simulate one cell to its end. For its arguments see `sim.engine.control.run_plans`."""
    seen: list[tuple[float, float, int]] = []
    center = DataCenter(plan)
    every = max(1, plan.duration_tick // 200)
    center.env.process(_report(center, every, progress))
    if governor is not None:
        center.env.process(govern(center.env, center, governor, plan, seen))
    for process in processes:
        center.env.process(process(center.env, center))
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
        stage_counters=books.stage_counters,
        stage_times=books.stage_times,
        calls=np.array(books.log[:log_requests], S.LOG),
        passes=np.array(books.pass_log[:log_requests], S.LOG),
        end_s=end_s,
        in_flight=center.in_flight,
        governed=(seen_rows(seen),),
        segments=books.steps,
    )


def _report(center: DataCenter, every: int, progress: Callable[[float], None]) -> Steps:
    while not center.idle():
        yield center.env.timeout(every)
        progress(seconds_of(center.env.now))
