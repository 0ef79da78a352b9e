"""One run: from a scenario to its result.

The stages that it strings together are imported when it runs, so that importing `sim` costs little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sim.errors import Fault, Interrupted, ScenarioError, UserError

if TYPE_CHECKING:
    import numpy as np

    from sim.cost.deployment import Deployment
    from sim.cost.types import StepCost
    from sim.economics.prices import Prices
    from sim.metrics.moments import Moments
    from sim.metrics.observed import Observed
    from sim.metrics.run import RunMetrics
    from sim.scenario.arrivals import Arrivals
    from sim.scenario.pool import Pool
    from sim.scenario.schema import Scenario
    from sim.workload.program import Program
    from sim.workload.trace import Trace

ENGINES = ("kernel", "simpy")
NO_SHIFT: Mapping[str, float] = {}
"""Every coefficient where the calibration put it."""
TYPICAL_CONTEXT = 1024.0
"""Context to expect where lengths stand in a trace that was not read [tokens]."""


@dataclass(frozen=True)
class Result:
    """What a run found.

    summary: plain data, ready for JSON (see `sim.metrics.summary`).  windows, requests: columns of equal length
    (see `sim.metrics.tables`); requests is None where none were to be logged.
    """

    scenario: Scenario
    summary: Mapping[str, Any]
    windows: Mapping[str, np.ndarray]
    requests: Mapping[str, np.ndarray] | None


def run(
    scenario: Scenario,
    *,
    engine: str = "kernel",
    log_requests: int = 0,
    threads: int | None = None,
    calibration_z: Mapping[str, float] = NO_SHIFT,
    progress: Callable[[float], None] = lambda _: None,
) -> Result:
    """Simulate `scenario`, and say what it means in latency, energy and money.

    engine: "kernel", or "simpy" for the slow reference engine.  log_requests: completed requests to keep.
    threads: cells to run at once (default: one per core).  calibration_z: where in their intervals the step cost's
    coefficients are (see `sim.cost.interval.at`).  progress: called with the simulated time reached [s].
    Raises ScenarioError for a scenario that cannot run, UserError for an unknown engine, Interrupted if the user
    stops it.
    """
    from sim.economics.prices import prices_of
    from sim.engine.build import build_plans
    from sim.engine.control import run_plans
    from sim.engine.fleet.control import FleetRun
    from sim.engine.plan import replica_pools
    from sim.metrics.binding import binding_section
    from sim.metrics.fleet_control import fleet_control
    from sim.metrics.governing import governor_of, governor_section
    from sim.metrics.moments import length_moments
    from sim.metrics.tables import requests_table, windows_table
    from sim.workload.demand import read_traces
    from sim.workload.programs import program_of

    if engine not in ENGINES:
        raise UserError(Fault("engine", f'"{engine}" is not an engine', f"use one of {', '.join(ENGINES)}"))
    begun_s = time.perf_counter()
    prices = prices_of(scenario)
    traces = read_traces(scenario)
    costs = step_costs(scenario, traces, calibration_z)
    programs = [program_of(w, scenario) for w in scenario.workloads]
    plans = build_plans(scenario, costs, traces, programs, cap_levels(scenario, traces, calibration_z))
    governor = governor_of(scenario, costs)
    lengths = [m for w in scenario.workloads if (m := length_moments(w, traces)) is not None]
    control = fleet_control(scenario, costs, programs, lengths)
    fleet = None if control is None else FleetRun(control)
    clock = _Clock(progress)
    try:
        metrics = run_plans(
            plans,
            engine=engine,
            log_requests=log_requests,
            threads=threads,
            governor=governor,
            processes=[] if fleet is None else [fleet.process],
            progress=clock.reach,
        )
    except KeyboardInterrupt:
        raise Interrupted(clock.how_far(scenario.duration_s)) from None
    if fleet is not None:
        metrics = replace(metrics, fleet=fleet.fleet_log(), outages=fleet.outage_log())
    observed = _observed(scenario, costs, programs, lengths, traces, metrics)
    summary = _summary(observed, prices, engine)
    summary["governor"] = governor_section(scenario, governor, metrics.governed)
    summary["binding"] = binding_section(observed, summary)
    requests = requests_table(observed, replica_pools(plans[0]), log_requests) if log_requests else None
    summary["wall_s"] = time.perf_counter() - begun_s
    return Result(scenario, summary, windows_table(observed), requests)


def step_costs(
    scenario: Scenario, traces: Mapping[str, Trace], calibration_z: Mapping[str, float] = NO_SHIFT
) -> tuple[StepCost, ...]:
    """The step cost of each pool, at the calibrated coefficients or, by `calibration_z`, beside them.

    Raises ScenarioError with every pool's faults under its key path: a model that does not fit, shapes that
    cannot be cut as asked; or a site whose power limit is below what it draws idle.
    """
    from sim.metrics.site_limit import limit_faults

    costs, faults = [], []
    contexts = _typical_contexts(scenario, traces)
    for i, pool in enumerate(scenario.pools):
        known = contexts.get(pool.model, [])
        try:
            cost = _any_cost(scenario, pool, known, calibration_z, pool.power_cap_w)
            costs.append(_with_handover(cost, pool, scenario, known) if pool.role == "prefill" else cost)
        except UserError as error:
            faults += [replace(f, path=f"pool[{i}].{f.path}".rstrip(".")) for f in error.faults]
    faults = faults or limit_faults(scenario, [cost.idle_w for cost in costs])
    if faults:
        raise ScenarioError(faults)
    return tuple(costs)


def _typical_contexts(scenario: Scenario, traces: Mapping[str, Trace]) -> dict[str, list[float]]:
    """Mean context of the calls of each workload, by model; none where lengths stand in a trace not in `traces`."""
    from sim.metrics.moments import length_moments
    from sim.workload.expected import expected
    from sim.workload.programs import program_of

    found: dict[str, list[float]] = {}
    for workload in scenario.workloads:
        lengths = length_moments(workload, traces)
        if lengths is None:
            continue
        calls = expected(program_of(workload, scenario), lengths.input, lengths.output).by_model()
        for name, (passes, read, emitted) in calls.items():
            if passes > 0:
                found.setdefault(name, []).append((read + emitted / 2) / passes)
    return found


def cap_levels(
    scenario: Scenario, traces: Mapping[str, Trace], calibration_z: Mapping[str, float] = NO_SHIFT
) -> list[list[StepCost]]:
    """Step costs of all pools under each of the governor's caps; none without one."""
    from sim.catalog.accelerators import accelerator

    if scenario.governor is None:
        return []
    contexts = _typical_contexts(scenario, traces)

    def under(pool: Pool, share: float) -> StepCost:
        most_w = pool.power_cap_w or float("inf")
        cap_w = min(share * accelerator(pool.accelerator).tdp_w, most_w)
        return _any_cost(scenario, pool, contexts.get(pool.model, []), calibration_z, cap_w)

    return [[under(pool, share) for pool in scenario.pools] for share in scenario.governor.caps]


def _any_cost(
    scenario: Scenario,
    pool: Pool,
    contexts: Sequence[float],
    calibration_z: Mapping[str, float],
    cap_w: float | None,
) -> StepCost:
    """The step cost of a pool of text, or of images or videos."""
    from sim.job_cost import pool_job_cost
    from sim.scenario.job import makes_jobs

    if makes_jobs(pool.model):
        return pool_job_cost(pool, scenario.workloads, calibration_z, cap_w)
    return _step_cost(pool, contexts, calibration_z, cap_w)


def _step_cost(
    pool: Pool, contexts: Sequence[float], calibration_z: Mapping[str, float], cap_w: float | None
) -> StepCost:
    """Beyond its token budget a step (a long prompt alone, a static batch) goes on linearly from the table.

    cap_w: power that each accelerator is held to [W]; None: its TDP.
    """
    from sim.catalog.accelerators import accelerator
    from sim.catalog.models import model
    from sim.cost.adapters import Adapters, with_adapters
    from sim.cost.dvfs import SLOW_CLOCK, capped, slowed_like
    from sim.cost.interval import at
    from sim.cost.limit import power_limited
    from sim.cost.silicon import silicon_cost
    from sim.cost.speculation import Draft, speculative_cost
    from sim.cost.step import fitted_for, step_cost

    context = _mean_context(contexts)
    chip, served = accelerator(pool.accelerator), model(pool.model)
    given = pool.adapters
    adapters = given and Adapters(
        given.count,
        given.rank,
        given.places,
        given.zipf,
        given.targets == "all-linear",
        given.load_gb_per_s * 1e9,
        given.step_overhead_s,
    )
    deployment = _deployment(pool)

    def tables(clock: float) -> StepCost:
        shape = {
            "max_batch": pool.scheduler.max_batch,
            "max_step_tokens": pool.scheduler.token_budget,
            "typical_context": context,
            "fitted": at(fitted_for(chip, deployment), calibration_z),
            "clock": clock,
        }
        if pool.speculation is None:
            return step_cost(served, chip, deployment, **shape)
        drafts = pool.speculation
        small = model(drafts.draft) if drafts.draft else None
        draft = Draft(small, drafts.length, drafts.tokens_per_step)
        return speculative_cost(served, chip, deployment, draft, **shape)

    full = cost = tables(1.0)
    if pool.cost_model == "silicon":
        cost = silicon_cost(cost, served, chip, deployment, typical_context=context)
    if cap_w is None:
        return with_adapters(power_limited(cost, chip.tdp_w, context), adapters, served, chip, deployment)
    slow = tables(SLOW_CLOCK)
    if pool.cost_model == "silicon":
        slow = slowed_like(cost, full, slow)
    cost = capped(cost, cap_w, slow=slow, tdp_w=chip.tdp_w, typical_context=context)
    return with_adapters(cost, adapters, served, chip, deployment)


def _mean_context(contexts: Sequence[float]) -> float:
    return sum(contexts) / len(contexts) if contexts else TYPICAL_CONTEXT


def _deployment(pool: Pool) -> Deployment:
    from sim.cost.deployment import Deployment

    return Deployment(**{name: getattr(pool, name) for name in Deployment.__dataclass_fields__})


def _with_handover(cost: StepCost, pool: Pool, scenario: Scenario, contexts: Sequence[float]) -> StepCost:
    """`cost` of a pool that prefills, with the time to send KV on: to the slowest of the pools that decode."""
    from sim.catalog.accelerators import accelerator
    from sim.catalog.models import model
    from sim.cost.step import fitted_for
    from sim.cost.transfer import Side, handover, link_bytes_per_s
    from sim.scenario.roles import Transfer

    settings = pool.transfer or Transfer()

    def side(of: Pool) -> Side:
        chip, deployment = accelerator(of.accelerator), _deployment(of)
        share = fitted_for(chip, deployment).coefficients.link_bandwidth
        given = settings.bandwidth_gb_per_s
        return Side(deployment, given * 1e9 if given else link_bytes_per_s(chip, settings.link, share))

    found = [
        handover(
            model(pool.model),
            side(pool),
            side(other),
            latency_s=settings.latency_s,
            overlap=settings.overlap,
            typical_context=_mean_context(contexts),
        )
        for other in scenario.pools
        if other.role == "decode" and other.model == pool.model
    ]
    per_prompt, per_token = (max(values) for values in zip(*found, strict=True))
    return replace(cost, handover_s=per_prompt, handover_token_s=per_token)


def check(scenario: Scenario) -> tuple[StepCost, ...]:
    """What can be known before a run: that each pool's model fits and that prices are there. Reads no trace.

    Returns the step cost of each pool. Raises ScenarioError with every fault of either kind.
    """
    from sim.economics.prices import prices_of

    faults: list[Fault] = []
    costs: tuple[StepCost, ...] = ()
    try:
        costs = step_costs(scenario, {})
    except ScenarioError as error:
        faults += error.faults
    try:
        prices_of(scenario)
    except ScenarioError as error:
        faults += error.faults
    if faults:
        raise ScenarioError(faults)
    return costs


class _Clock:
    """Passes progress on, and remembers it."""

    def __init__(self, progress: Callable[[float], None]):
        self.progress, self.reached_s = progress, 0.0

    def reach(self, time_s: float) -> None:
        self.reached_s = max(self.reached_s, time_s)
        self.progress(time_s)

    def how_far(self, duration_s: float) -> str:
        from sim.units import format_duration

        reached, total = format_duration(self.reached_s), format_duration(duration_s)
        return f"stopped at {reached} of simulated time (requests arrive for {total})"


def _observed(
    scenario: Scenario,
    costs: Sequence[StepCost],
    programs: Sequence[Program],
    lengths: Sequence[Moments],
    traces: Mapping[str, Trace],
    metrics: RunMetrics,
) -> Observed:
    from sim.metrics.observed import Observed

    return Observed(
        scenario=scenario,
        costs=costs,
        programs=programs,
        lengths=lengths,
        metrics=metrics,
        arrivals_end_s=max(_arrivals_end_s(w.arrivals, scenario, traces) for w in scenario.workloads),
        carbon_g_per_kwh=_carbon_g_per_kwh(scenario),
    )


def _summary(observed: Observed, prices: Prices, engine: str) -> dict[str, Any]:
    from sim.economics.ledger import money
    from sim.economics.usage import usage_of
    from sim.metrics.jobs import with_jobs
    from sim.metrics.summary import summarise
    from sim.scenario import scenario_sha256

    scenario = observed.scenario
    summary = summarise(observed)
    return {
        "name": scenario.name,
        **with_jobs({**summary, **money(usage_of(summary), prices)}, observed),
        "simulated_s": observed.span.end_s,
        "engine": engine,
        "seed": scenario.seed,
        "scenario_sha256": scenario_sha256(scenario),
    }


def _arrivals_end_s(arrivals: Arrivals, scenario: Scenario, traces: Mapping[str, Trace]) -> float:
    """Until when requests arrive [s]."""
    if arrivals.process == "all-at-once":
        return 0.0
    if arrivals.process != "trace":
        return scenario.duration_s
    trace = traces[arrivals.path]
    last_s = trace.span_s * (arrivals.repeat - 1) + float(trace.arrival_s[-1])
    return min(scenario.duration_s, last_s / arrivals.rate_scale)


def _carbon_g_per_kwh(scenario: Scenario) -> float:
    from sim.catalog.grids import carbon

    given = scenario.site.carbon_g_per_kwh
    return carbon(given).g_per_kwh if isinstance(given, str) else given
