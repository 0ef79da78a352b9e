"""What the reference engine writes down, in the kernel's layout."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sim.engine import state as S
from sim.engine.plan import Plan
from sim.engine.reference.call import Call
from sim.engine.room import new_state
from sim.metrics.histogram import bucket_of

if TYPE_CHECKING:
    from sim.engine.reference.replica import Replica


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
        st = new_state(plan)
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

    def call_completed(self, replica: Replica, call: Call, outside_s: float) -> None:
        """A plain request or a turn of a session has completed."""
        assert call.first_s is not None and call.admit_s is not None
        finish_s = replica.clock_s
        counters = self.counters[call.workload]
        counters[S.INPUT] += call.input
        counters[S.OUTPUT] += call.output
        latency = latencies(call, call.first_s, finish_s, max(call.admit_s - call.arrive_s, 0.0), outside_s)
        self.request_completed(call.workload, latency)
        self.log.append(_log_row(call, replica, finish_s))

    def request_completed(self, w: int, latency: dict[int, float]) -> None:
        """A request of workload `w` has completed with these latencies."""
        workload, counters = self.plan.workloads[w], self.counters[w]
        for metric, value in latency.items():
            self.histograms[w, metric, bucket_of(value)] += 1
            self.sums[w, metric] += value
        good_ttft = latency[S.TTFT] <= workload["slo_ttft_s"]
        good_tpot = latency.get(S.TPOT, 0.0) <= workload["slo_tpot_s"]
        counters[S.COMPLETED] += 1
        counters[S.WITH_TPOT] += S.TPOT in latency
        counters[S.GOOD_TTFT] += good_ttft
        counters[S.GOOD_TPOT] += good_tpot
        counters[S.GOOD] += good_ttft and good_tpot and latency[S.E2E] <= workload["slo_e2e_s"]

    def pass_completed(self, replica: Replica, call: Call, outside_s: float, logged: bool) -> None:
        """A pass of a program has ended."""
        assert call.request is not None and call.first_s is not None and call.admit_s is not None
        workload = self.plan.workloads[call.workload]
        row = workload["first_stage"] + call.request.stage
        latency = latencies(
            call, call.first_s, replica.clock_s, max(call.admit_s - call.arrive_s, 0.0), outside_s
        )
        good_ttft = latency[S.TTFT] <= workload["slo_ttft_s"]
        for column, count in (
            (S.STAGE_CALLS, 1),
            (S.STAGE_INPUT, call.input),
            (S.STAGE_OUTPUT, call.output),
            (S.STAGE_CACHED, call.cached),
            (S.STAGE_GOOD, good_ttft and latency.get(S.TPOT, 0.0) <= workload["slo_tpot_s"]),
        ):
            self.stage_counters[row, column] += count
        for column, metric in (
            (S.STAGE_QUEUE_S, S.QUEUE),
            (S.STAGE_TTFT_S, S.TTFT),
            (S.STAGE_E2E_S, S.E2E),
        ):
            self.stage_times[row, column] += latency[metric]
        if logged:
            self.pass_log.append(_log_row(call, replica, replica.clock_s))


def latencies(
    call: Call, first_s: float, finish_s: float, queue_s: float, outside_s: float = 0.0
) -> dict[int, float]:
    """Latencies [s] of a call by metric; TPOT only where there is a second token. outside_s: not in the engine."""
    found = {
        S.TTFT: first_s - call.arrive_s + outside_s,
        S.E2E: finish_s - call.arrive_s + outside_s,
        S.QUEUE: queue_s,
    }
    if call.output > 1:
        found[S.TPOT] = (finish_s - first_s) / (call.output - 1)
    return found


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
