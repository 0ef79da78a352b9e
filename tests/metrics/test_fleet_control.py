"""From a scenario's tables to its control plane, and a whole run with everything on."""

from __future__ import annotations

import pytest

from sim.engine.fleet.spec import FAILURE, RECLAIM, Seen
from sim.metrics.fleet_control import fleet_control, start_s
from sim.metrics.moments import length_moments
from sim.metrics.sustained import held_at_target
from sim.run import run, step_costs
from sim.scenario import build
from sim.scenario.schema import Scenario
from sim.workload.programs import program_of
from tests.engine.fleet.fake import SECOND

HOUR_S = 3600.0


def scenario(pool: dict | None = None, **rest) -> Scenario:
    base = {"accelerator": "H100", "model": "Llama-3.1-8B", "replicas": 16, "tensor_parallel": 2}
    workload = {
        "model": "Llama-3.1-8B",
        "arrivals": {"process": "poisson", "rate_per_s": 16.0},
        "lengths": {"kind": "lognormal", "input": {"mean": 800, "cv": 1}, "output": {"mean": 200, "cv": 1}},
        "slo": {"ttft": "1 s", "tpot": "40 ms"},
    }
    data = {"name": "x", "duration": "10 min", "workload": [workload], "pool": [base | (pool or {})]}
    return build(data | rest)


def control_of(made: Scenario):
    costs = step_costs(made, {})
    lengths = [m for w in made.workloads if (m := length_moments(w, {})) is not None]
    return fleet_control(made, costs, [program_of(w, made) for w in made.workloads], lengths), costs


def test_a_fleet_that_does_not_change_has_no_control_plane():
    assert control_of(scenario())[0] is None
    assert control_of(scenario({"startup": {"node": "5 min"}}))[0] is None


def test_start_up_adds_its_parts():
    made = scenario({"startup": {"node": "2 min", "image": "1 min", "storage_gb_per_s": 2.0}})
    (cost,) = step_costs(made, {})
    fresh_s, again_s = start_s(made.pools[0], cost)
    weights_gb = 2 * cost.memory.weights_bytes / 1e9  # of two accelerators: about 8e9 parameters of two bytes
    assert weights_gb == pytest.approx(16.1, rel=0.05)
    assert again_s == pytest.approx(weights_gb / 2.0 + 60.0)
    assert fresh_s == pytest.approx(again_s + 180.0)
    told = scenario({"startup": {"weights": "7 s", "warmup": "3 s"}})
    assert start_s(told.pools[0], cost) == (10.0, 10.0)


def test_rates_reach_the_units_that_they_are_of():
    made = scenario(
        {"failures": {"rack_mtbf": 0}, "spot": {"reclaims_per_hour": 0.5, "notice": "30 s"}},
        event=[{"at": 60, "pool": "H100-SXM-80GB-0", "what": "rack", "for": 30}],
    )
    control, _ = control_of(made)
    assert control is not None
    accelerator, node, spot = control.pools[0].units
    assert (accelerator.kind, accelerator.accelerators, accelerator.mtbf_s) == (FAILURE, 1, 86_300 * HOUR_S)
    assert (node.kind, node.accelerators) == (FAILURE, 8)
    assert (spot.kind, spot.accelerators, spot.mtbf_s, spot.fresh) == (RECLAIM, 8, 2 * HOUR_S, True)
    assert spot.notice_tick == 30 * SECOND
    assert control.pools[0].scripted[0].accelerators == 32  # four servers of eight


def seen(**what) -> Seen:
    return Seen(**{"period": 0, "tick": 0, "replicas": 4, "waiting": 0, "calls": 0, "asked": 0, **what})


def test_what_a_replica_is_meant_to_hold_serves_what_it_is_meant_to_serve():
    made = scenario({"scaler": {"policy": "utilization", "load": 0.5}})
    control, (cost,) = control_of(made)
    assert control is not None and control.pools[0].scaler is not None
    policy = control.pools[0].scaler.policy()
    lengths = length_moments(made.workloads[0], {})
    assert lengths is not None
    scheduler = made.pools[0].scheduler
    most = held_at_target(cost, scheduler, lengths, 0.04)
    assert most is not None
    held = next(n for n in range(1, 400) if policy(seen(calls=400)) == -(-400 // n))
    half, less = (held_at_target(cost, scheduler.model_copy(update={"max_batch": n}), lengths, None)
                  for n in (held, held - 1))  # fmt: skip
    assert half is not None and less is not None
    assert less.requests_per_s < 0.5 * most.requests_per_s <= half.requests_per_s * 1.05


def test_a_schedule_begins_at_the_sites_hour():
    hours = [1] * 9 + [8] * 15
    made = scenario(
        {"scaler": {"policy": "scheduled", "schedule": hours}, "startup": {"weights": 0, "warmup": 0}},
        site={"start": "2026-03-02T08:59"},
    )
    control, _ = control_of(made)
    assert control is not None and control.pools[0].scaler is not None
    policy = control.pools[0].scaler.policy()
    assert [policy(seen(tick=t * SECOND)) for t in (0, 40, 50)] == [1, 1, 8]  # a period ahead


EVERYTHING = {
    "scaler": {"policy": "utilization", "stabilization": "20 s", "calls_per_replica": 3, "min_replicas": 4},
    "startup": {"weights": "4 s", "warmup": "2 s"},
    "failures": {
        "accelerator_mtbf": "2 h",
        "node_mtbf": "20 min",
        "rack_mtbf": "1 h",
        "node_repair": "10 s",
        "accelerator_repair": "10 s",
        "rack_repair": "10 s",
    },
    "maintenance": {"every": "40 s", "lasts": "5 s", "drain": "5 s"},
    "spot": {"reclaims_per_hour": 2.0, "notice": "5 s", "returns": "20 s"},
}


def test_a_run_with_everything_on_says_the_same_on_both_engines():
    made = scenario(
        EVERYTHING,
        cells=2,
        duration="90 s",
        event=[{"at": "50 s", "pool": "H100-SXM-80GB-0", "what": "node", "for": "20 s"}],
    )
    kernel, reference = (run(made, engine=engine).summary for engine in ("kernel", "simpy"))
    for key in ("requests", "tokens"):
        assert kernel[key] == reference[key]
    fleet = kernel["fleet"]
    assert fleet["outages"] == reference["fleet"]["outages"]
    assert {"maintenance", "event"} <= set(fleet["outages"])
    hours = fleet["accelerator_hours"]
    for name, value in hours.items():
        assert value == pytest.approx(reference["fleet"]["accelerator_hours"][name], rel=1e-6)
    assert 0 < hours["perfect"] <= hours["open"] <= hours["powered"] < hours["static"]
    requests = kernel["requests"]
    assert requests["arrived"] == requests["completed"] + requests["rejected"]
    parts = kernel["energy"]["parts"]
    assert sum(parts.values()) == pytest.approx(kernel["energy"]["site_j"])
    assert kernel["energy"]["site_j"] == pytest.approx(reference["energy"]["site_j"], rel=1e-6)


def test_what_is_rented_by_the_hour_costs_while_it_is_on_and_what_is_owned_all_the_time():
    quiet = {"replicas": 16, "scaler": {"policy": "utilization", "stabilization": 0, "min_replicas": 1}}
    few = {"process": "poisson", "rate_per_s": 1.0}

    def usd(pool: dict) -> tuple[float, float]:
        made = scenario(pool)
        workload = made.workloads[0].model_copy(
            update={"arrivals": made.workloads[0].arrivals.model_copy(update=few)}
        )
        summary = run(made.model_copy(update={"workloads": (workload,)})).summary
        return summary["cost"]["usd_total"], summary["energy"]["site_j"]

    rent = {"purchase": "on-demand", "usd_per_accelerator_hour": 2.0}
    (scaled, scaled_j), (whole, whole_j) = usd(quiet | rent), usd(rent)
    assert scaled < 0.2 * whole
    assert scaled_j < 0.5 * whole_j
    (own_scaled, _), (own_whole, _) = usd(quiet), usd({})
    assert 0.9 * own_whole < own_scaled < own_whole  # less electricity
