"""A data center in plain SimPy, and a run of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import simpy

from sim.engine import state as S
from sim.engine.dataplane import used_windows
from sim.engine.govern import Governor, Rung, govern, seen_rows
from sim.engine.load import Load
from sim.engine.plan import DECODE, Plan, replica_pools
from sim.engine.reference.books import Books
from sim.engine.reference.call import Call, Steps, seconds_of, tick_of
from sim.engine.reference.clients import Clients
from sim.engine.reference.replica import Replica
from sim.engine.reference.router import Router
from sim.metrics.run import RunMetrics


class DataCenter:
    """Replicas, demand and routers of one cell."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.env = simpy.Environment(initial_time=0)
        self.books = Books.empty(plan)
        self.pool_rate = np.arange(len(plan.pools))
        self.replicas = [Replica(self, r, int(p)) for r, p in enumerate(replica_pools(plan))]
        self.router = Router(self)
        self.clients = Clients(self)

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
        return self.clients.in_flight == 0 and self.clients.coming == 0

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
            asked=np.array(self.router.turns),
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
            self.clients.hold[w] = until_tick
        self.clients.shed = set(rung.shed)

    def complete(self, replica: Replica, call: Call) -> None:
        """A call has emitted its last token."""
        assert call.first_s is not None
        books, clients, finish_s = self.books, self.clients, replica.clock_s
        here_s = call.first_s if replica.pool["role"] == DECODE else call.arrive_s
        books.spread(replica.p, S.SYSTEM_S, here_s, finish_s, finish_s - here_s)
        outside_s = float(replica.pool["first_token_s"] + self.plan.network_s[call.workload, replica.p])
        turn = bool(self.plan.workloads[call.workload]["sessions"])
        if call.measured and (turn or call.request is None):
            books.call_completed(replica, call, outside_s)
        if call.request is None:
            clients.in_flight -= 1
            clients.flying[call.workload] -= 1
            clients.ask_again(call.workload, tick_of(finish_s))
            return
        if call.measured:
            books.pass_completed(replica, call, outside_s, logged=not turn)
        call.request.call_ended(call, finish_s, outside_s, replica.number)


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
        in_flight=center.clients.in_flight,
        governed=(seen_rows(seen),),
        segments=books.steps,
    )


def _report(center: DataCenter, every: int, progress: Callable[[float], None]) -> Steps:
    while not center.idle():
        yield center.env.timeout(every)
        progress(seconds_of(center.env.now))
