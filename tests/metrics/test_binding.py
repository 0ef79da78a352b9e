"""What binds: scenarios in which each resource in turn does, and what the bound on headroom promises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from sim.metrics.binding import CHANGE, RESOURCES, _at_least, binding_section
from sim.metrics.summary import summarise
from sim.run import run
from tests.engine.setups import cost, scenario
from tests.samples import observe
from tests.study.planning import chat

SHORT = ("duration=4 min", "warmup=40 s")
LONG_PROMPTS = 'workload.0.lengths={ kind = "fixed", input = 6000, output = 20 }'
BURSTS = 'workload.0.arrivals={ process = "gamma", rate_per_s = 6, cv = 5 }'
BINDS = {
    "KV memory": (
        "pool.0.memory_fraction=0.25",
        "workload.0.slo.tpot=0.2",
        "workload.0.arrivals.rate_per_s=14",
    ),
    "batch limit": ("pool.0.scheduler.max_batch=4", "workload.0.arrivals.rate_per_s=3"),
    "prefill compute": (LONG_PROMPTS, "workload.0.slo.ttft=2", "workload.0.arrivals.rate_per_s=4"),
    "decode bandwidth": ("workload.0.arrivals.rate_per_s=12",),
    "queue limit": (BURSTS, "pool.0.scheduler.queue_limit=4", "pool.0.scheduler.max_batch=32"),
    "power limit": ("pool.0.power_cap=160 W", "workload.0.arrivals.rate_per_s=9"),
    "nothing": ("workload.0.arrivals.rate_per_s=3",),
}


def section(*changes):
    return run(chat(*SHORT, *changes), threads=1).summary["binding"]


@pytest.mark.parametrize("resource", BINDS)
def test_each_resource_binds_in_its_turn(resource):
    found = section(*BINDS[resource])
    assert found["resource"] == resource, found
    assert [name for name, yes in found["binds"].items() if yes] == [resource]
    assert list(found["binds"]) == list(RESOURCES)
    at_limit = resource != "nothing"
    assert (found["headroom"]["rps"] <= 0) == at_limit
    assert found["headroom"]["known_by"] == ("run" if at_limit else "tables")


def test_a_step_as_long_as_the_host_takes_binds_the_host():
    """Made-up tables: 50 ms of host time a step whatever runs, accelerators almost free; 100 tokens in 50 ms steps."""
    arrivals = {"process": "poisson", "rate_per_s": 3.0}
    work = {
        "arrivals": arrivals,
        "lengths": {"kind": "fixed", "input": 50, "output": 100},
        "slo": {"tpot": 0.04},
    }
    made = scenario([work], duration=200.0)
    observed = observe(made, [cost(token_s=1e-7, floor_s=0.0, host_s=0.05, kv_s=0.0, max_batch=256)])
    summary = summarise(observed)
    found = binding_section(observed, summary)
    assert found["resource"] == "host" and found["target"] == "tpot"


def test_where_nothing_binds_it_says_what_will():
    found = section(*BINDS["nothing"])
    assert found["first"]["resource"] == "decode bandwidth"
    assert found["change"] == CHANGE["decode bandwidth"]


@pytest.mark.parametrize(
    "changes",
    [
        ("pool.0.replicas=4", "workload.0.arrivals.rate_per_s=20"),
        ("pool.0.scheduler.max_batch=16", "workload.0.arrivals.rate_per_s=5", "workload.0.slo.tpot=0.1"),
        ("workload.0.slo.tpot=0.1", "workload.0.arrivals.rate_per_s=10"),
    ],
)
def test_what_is_held_lies_below_the_bound_and_near_the_estimate(changes):
    """Mean steps know no queues, so they bound from above; a Poisson batch's 99 % point comes within a third."""
    from sim.study.sizing_load import largest_load

    made = chat(*SHORT, *changes)
    rate = made.workloads[0].arrivals.rate_per_s
    found = run(made, threads=1).summary["binding"]["headroom"]
    held = rate * largest_load(made).factor
    assert held <= 1.02 * found["held_rps"]
    likely = found["busiest_rps"] + found["likely_rps"]
    assert held == pytest.approx(likely, rel=0.34), (held, likely, found["held_rps"])


def test_headroom_is_above_the_busiest_hour():
    shape = [1.0] * 20 + [3.0] * 4
    users = {"process": "users", "users": 40_000, "requests_per_user_per_day": 10, "shape": shape}
    arrivals = "workload.0.arrivals=" + str(users).replace("'", '"').replace('":', '" =')
    found = run(chat("duration=24 h", "warmup=0", arrivals), threads=1).summary["binding"]["headroom"]
    mean = 40_000 * 10 / 86_400
    assert found["busiest_rps"] == pytest.approx(3 * 24 / 32 * mean, rel=0.03)


def test_a_closed_loop_has_no_rate_to_add_to():
    clients = 'workload.0.arrivals={ process = "closed", clients = 4 }'
    found = section(clients, "workload.0.slo={}")
    assert found["resource"] == "nothing"


def test_every_resource_has_a_change():
    assert set(CHANGE) == set(RESOURCES)


@given(st.floats(0.1, 60), st.integers(1, 80))
@settings(max_examples=50)
def test_the_chance_of_so_many(mean, count):
    assert _at_least(count, mean) == pytest.approx(float(poisson.sf(count - 1, mean)), abs=1e-9)
