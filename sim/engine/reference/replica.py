"""A replica: its queue, what its steps do, take and bring."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import simpy

from sim.engine import state as S
from sim.engine.kernel.clock import ARRIVE, BEGIN, END
from sim.engine.plan import PREFILL, PREFILL_FIRST, STATIC
from sim.engine.reference.adapters import Adapters
from sim.engine.reference.call import Call, Step, Steps, seconds_of, tick_of
from sim.engine.reference.prefix import PrefixCache, texts_of

if TYPE_CHECKING:
    from sim.engine.reference.center import DataCenter


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
            self.center.clients.offer(call, fresh=False)

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
        come.callbacks.append(lambda _: center.clients.take_over(call))

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
