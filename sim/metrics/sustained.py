"""The most that one replica serves with its mean step within a target: `sim.metrics.capacity` at a smaller batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sim.cost.types import StepCost
from sim.metrics.capacity import Capacity, capacity
from sim.metrics.moments import Moments
from sim.scenario.pool import Scheduler
from sim.scenario.workload import Slo


@dataclass(frozen=True)
class Sustained:
    """What one replica may hold at its targets: requests per second, at a batch, and the step's mean time [s].

    binds: what limits the batch, in the words of `sim.metrics.capacity.Capacity`.
    """

    requests_per_s: float
    batch: int
    step_s: float
    binds: str


def tightest_tpot_s(slos: Iterable[Slo]) -> float | None:
    """The smallest TPOT target of several workloads, None where none has one."""
    return min((s.tpot_s for s in slos if s.tpot_s is not None), default=None)


def held_at_target(
    cost: StepCost, scheduler: Scheduler, lengths: Moments, tpot_s: float | None
) -> Sustained | None:
    """The most that one replica serves with a mean step within the TPOT target; None for static batching, and where
    a batch of one is too slow already."""
    full = sustained_at(cost, scheduler, lengths, scheduler.max_batch)
    if full is None or tpot_s is None or full.batch == 0 or full.step_s <= tpot_s:
        return full
    low, high = 0, full.batch
    while high - low > 1:
        middle = (low + high) // 2
        found = sustained_at(cost, scheduler, lengths, middle)
        low, high = (middle, high) if found is not None and found.step_s <= tpot_s else (low, middle)
    return sustained_at(cost, scheduler, lengths, low) if low else None


def sustained_at(cost: StepCost, scheduler: Scheduler, lengths: Moments, batch: int) -> Sustained | None:
    """What one replica serves whose batch is `batch` at most; None for static batching."""
    found: Capacity | None = capacity(cost, scheduler.model_copy(update={"max_batch": batch}), lengths)
    if found is None:
        return None
    step_s = found.batch / lengths.output / found.requests_per_s if found.batch else 0.0
    return Sustained(found.requests_per_s, found.batch, step_s, found.binds)


def step_parts(cost: StepCost, scheduler: Scheduler, lengths: Moments, batch: float) -> tuple[float, bool]:
    """Of a steady step of `batch` sequences: the share of its time that prompts add, and whether the host's time
    exceeds the accelerators' where it only decodes."""
    n = max(1, min(round(batch), len(cost.kv_s) - 1))
    accelerator_s = float(cost.token_s[n] + cost.sequence_s[n] + cost.kv_s[n] * n * lengths.context)
    host_s = float(cost.host_s[n])
    mixed = sustained_at(cost, scheduler, lengths, n)
    if mixed is None or not mixed.step_s or mixed.batch < 1:
        return 1.0 if mixed is not None else 0.0, host_s > accelerator_s
    return max(0.0, 1 - max(accelerator_s, host_s) / mixed.step_s), host_s > accelerator_s
