"""The control plane that a scenario asks for: from its tables to what `sim.engine.fleet` is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sim.cost.types import StepCost
from sim.engine.fleet.policy import forecast_policy, queue_policy, scheduled_policy, utilization_policy
from sim.engine.fleet.spec import (
    FAILURE,
    RECLAIM,
    FleetControl,
    Policy,
    PoolControl,
    Rounds,
    Scaler,
    Scripted,
    Starts,
    Units,
)
from sim.engine.kernel.clock import TICKS_PER_S
from sim.metrics.moments import Moments, mixture
from sim.metrics.passes import expected_calls
from sim.metrics.sustained import held_at_target, sustained_at, tightest_tpot_s
from sim.scenario import fleet as given
from sim.scenario.fleetcheck import unit_accelerators
from sim.scenario.pool import Pool
from sim.scenario.rate import Modulated, hour_of_week
from sim.scenario.schema import Scenario
from sim.workload.program import Program
from sim.workload.rate import mean_rate_per_s

GB = 1e9


def fleet_control(
    scenario: Scenario, costs: Sequence[StepCost], programs: Sequence[Program], lengths: Sequence[Moments]
) -> FleetControl | None:
    """What changes the fleet; None where nothing does. programs, lengths: of each workload."""
    changing = any(p.scaler or p.failures or p.maintenance or p.spot for p in scenario.pools)
    if not changing and not scenario.events:
        return None
    meant = _Meant(scenario, costs, programs, lengths)
    pools = tuple(_pool_control(scenario, i, cost, meant) for i, cost in enumerate(costs))
    return FleetControl(scenario.seed, _ticks(scenario.duration_s), pools)


def start_s(pool: Pool, cost: StepCost) -> tuple[float, float]:
    """Time that a replica takes to start [s]: from nothing, and again where server and image are there."""
    startup = pool.startup or given.StartUp()
    weights_s = startup.weights_s
    if weights_s is None:
        weights_s = cost.memory.weights_bytes * cost.accelerators / (startup.storage_gb_per_s * GB)
    again_s = weights_s + startup.warmup_s
    return startup.node_s + startup.image_s + again_s, again_s


def _ticks(time_s: float) -> int:
    return round(time_s * TICKS_PER_S)


def _pool_control(scenario: Scenario, i: int, cost: StepCost, meant: _Meant) -> PoolControl:
    pool = scenario.pools[i]
    fresh_s, again_s = start_s(pool, cost)
    return PoolControl(
        accelerators=pool.accelerators_per_replica,
        node=unit_accelerators(pool, "node"),
        starts=Starts(_ticks(fresh_s), _ticks(again_s)),
        scaler=_scaler(scenario, i, fresh_s, meant),
        units=(*_failing(pool), *_reclaimed(pool)),
        scripted=tuple(_scripted(pool, e) for e in scenario.events or () if e.pool == pool.name),
        rounds=_rounds(pool),
    )


def _scripted(pool: Pool, event: given.Event) -> Scripted:
    return Scripted(
        tick=_ticks(event.at_s),
        accelerators=unit_accelerators(pool, event.what),
        number=event.number,
        out_tick=_ticks(event.lasts_s),
        notice_tick=_ticks(event.notice_s),
    )


def _failing(pool: Pool) -> list[Units]:
    f = pool.failures
    if f is None:
        return []
    rates = (
        ("accelerator", f.accelerator_mtbf_s, f.accelerator_repair_s),
        ("node", f.node_mtbf_s, f.node_repair_s),
        ("rack", f.rack_mtbf_s, f.rack_repair_s),
    )
    return [
        Units(FAILURE, unit_accelerators(pool, what), mtbf_s, repair_s, f.repair_cv)
        for what, mtbf_s, repair_s in rates
        if mtbf_s > 0
    ]


def _reclaimed(pool: Pool) -> list[Units]:
    spot = pool.spot
    if spot is None:
        return []
    node, notice_tick = unit_accelerators(pool, "node"), _ticks(spot.notice_s)
    each_s = given.HOUR_S / spot.reclaims_per_hour
    return [Units(RECLAIM, node, each_s, spot.returns_s, None, notice_tick, fresh=True)]


def _rounds(pool: Pool) -> Rounds | None:
    m = pool.maintenance
    if m is None:
        return None
    node = unit_accelerators(pool, "node")
    ticks = (_ticks(m.first_s), _ticks(m.every_s), _ticks(m.lasts_s), _ticks(m.drain_s))
    return Rounds(node, *ticks, at_once=m.at_once)


def _scaler(scenario: Scenario, i: int, fresh_s: float, meant: _Meant) -> Scaler | None:
    scaler = scenario.pools[i].scaler
    if scaler is None:
        return None
    return Scaler(
        policy=_policy(scenario, i, scaler, fresh_s, meant),
        least=-(-scaler.min_replicas // scenario.cells),
        period_tick=_ticks(scaler.period_s),
        stabilization_tick=_ticks(scaler.stabilization_s),
        min_up_tick=_ticks(scaler.min_up_s),
    )


def _policy(
    scenario: Scenario, i: int, scaler: given.Scaler, fresh_s: float, meant: _Meant
) -> Callable[[], Policy]:
    lead_s = fresh_s + scaler.period_s
    if scaler.policy == "scheduled":
        hours = [-(-n // scenario.cells) for n in scaler.schedule or ()]
        begun = hour_of_week(scenario.site.start) if scaler.start_hour is None else scaler.start_hour
        return partial(scheduled_policy, hours, begun, _ticks(lead_s))
    most = meant.most_per_s(i)
    if scaler.policy == "forecast":
        each = scaler.calls_per_s or scaler.load * (most or 0.0)
        season, window = (max(1, round(s / scaler.period_s)) for s in (scaler.season_s, scaler.rate_window_s))
        lead = math.ceil(lead_s / scaler.period_s)
        return partial(forecast_policy, each, meant.share(i), lead=lead, season=season, window=window)
    held = scaler.calls_per_replica or float(meant.batch_at(i, scaler.load * (most or 0.0)))
    if scaler.policy == "queue":
        return partial(queue_policy, scaler.waiting, held)
    return partial(utilization_policy, held)


@dataclass(frozen=True)
class _Meant:
    """What a replica is meant to serve and to hold, from the calls that its model is expected to get."""

    scenario: Scenario
    costs: Sequence[StepCost]
    programs: Sequence[Program]
    lengths: Sequence[Moments]

    def most_per_s(self, i: int) -> float | None:
        """Calls a second of one replica of pool `i` within the tightest TPOT target of its model's workloads, or at
        saturation where there is none or a batch of one misses it; None for static batching."""
        pool, cost = self.scenario.pools[i], self.costs[i]
        calls = self._calls(pool.model)
        tpot_s = tightest_tpot_s(w.slo for w in self.scenario.workloads if w.model == pool.model)
        held = held_at_target(cost, pool.scheduler, calls, tpot_s)
        held = held or held_at_target(cost, pool.scheduler, calls, None)
        return None if held is None else held.requests_per_s

    def batch_at(self, i: int, rate_per_s: float) -> int:
        """The smallest batch at which one replica of pool `i` serves `rate_per_s`."""
        pool, cost = self.scenario.pools[i], self.costs[i]
        calls = self._calls(pool.model)
        low, high = 0, pool.scheduler.max_batch
        while high - low > 1:
            middle = (low + high) // 2
            found = sustained_at(cost, pool.scheduler, calls, middle)
            low, high = (low, middle) if found and found.requests_per_s >= rate_per_s else (middle, high)
        return high

    def share(self, i: int) -> float:
        """Pool `i`'s part of the calls for its model: by what the model's pools can serve, or else by replicas."""
        model = self.scenario.pools[i].model
        serving = [k for k, p in enumerate(self.scenario.pools) if p.model == model]
        each = {k: self.most_per_s(k) for k in serving}
        known = all(each.values())
        able = {k: self.scenario.pools[k].replicas * ((each[k] or 0.0) if known else 1.0) for k in serving}
        return able[i] / sum(able.values())

    def _calls(self, model: str) -> Moments:
        """Moments of the calls for `model`, workloads weighted by their mean rate; by 1 where they have none."""
        parts, weights = [], []
        for workload, program, own in zip(self.scenario.workloads, self.programs, self.lengths, strict=True):
            arrivals = workload.arrivals
            rate = mean_rate_per_s(arrivals) if isinstance(arrivals, Modulated) else 1.0
            for calls, each in expected_calls(program, own, model):
                parts.append(each)
                weights.append(rate * calls)
        return mixture(parts, weights)
