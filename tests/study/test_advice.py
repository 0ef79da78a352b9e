"""Advice: changes that stand, tried by simulation; the first one does raise the load that is held."""

from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerator
from sim.run import run
from sim.scenario import loads
from sim.study.advice import advise
from sim.study.binding import binding, measured_headroom
from sim.study.sizing_load import largest_load
from sim.study.what_ifs import changed, next_generation, what_ifs
from tests.study.planning import CHAT, chat

SMALL_BATCH = ("pool.0.scheduler.max_batch=4", "workload.0.arrivals.rate_per_s=3")
LITTLE_MEMORY = ("pool.0.memory_fraction=0.25", "workload.0.slo.tpot=0.2", "workload.0.arrivals.rate_per_s=8")
LONG_PROMPTS = (
    'workload.0.lengths={ kind = "fixed", input = 6000, output = 20 }',
    "workload.0.slo.ttft=2",
    "workload.0.slo.tpot=0.2",
    "workload.0.arrivals.rate_per_s=1",
)


@pytest.mark.parametrize(
    ("changes", "resource", "kinds"),
    [
        (SMALL_BATCH, "batch limit", ("batches of 8",)),
        (LITTLE_MEMORY, "KV memory", ("memory fraction 0.95",)),
        (LONG_PROMPTS, "prefill compute", ("H100",)),
        ((), "decode bandwidth", ("fp8 KV cache",)),
    ],
)
def test_the_first_advice_raises_what_is_held(changes, resource, kinds):
    """With the words that it prints, on the scenario as a user has it."""
    made = chat(*changes)
    report = advise(made, tried=5)
    assert report["binds"] == resource
    first = report["changes"][0]
    assert first["change"].startswith(kinds), report["changes"]
    before = largest_load(made).factor
    after = largest_load(chat(*changes, *first["set"])).factor
    assert after > 1.01 * before
    rate = made.workloads[0].arrivals.rate_per_s
    assert after * rate == pytest.approx(first["held_rps"], rel=0.03)


def test_the_ranking_is_by_what_a_gain_costs():
    rows = advise(chat(), tried=4)["changes"]
    costs = [r["usd_per_million_more"] for r in rows]
    assert costs == sorted(costs) and len(costs) > 1
    for r in rows:
        assert r["gain_rps"] > 0
        assert r["usd_per_million"] == pytest.approx(r["usd_per_hour"] / r["held_rps"] / 3600 * 1e6)


def test_more_replicas_cost_more_and_hold_more():
    report = advise(chat("pool.0.replicas=2", "workload.0.arrivals.rate_per_s=30"), tried=1)
    (row,) = report["changes"]
    assert row["change"] == "one more replica" and row["set"] == ["pool.0.replicas=3"]
    assert row["more_usd_per_hour"] == pytest.approx(report["usd_per_hour"] / 2, rel=0.05)
    assert row["gain_share"] > 0.4


def test_every_change_is_what_its_words_set():
    made = chat("pool.0.replicas=4", "router=random")
    for what in what_ifs(made, 0, "batch limit"):
        by_words = loads(CHAT, ("pool.0.replicas=4", "router=random", *what.set))
        tried = changed(made, 0, what)
        pools = [p.model_copy(update={"name": made.pools[0].name}) for p in by_words.pools]
        assert (list(tried.pools), tried.router) == (pools, by_words.router), what.change


def test_the_next_generation():
    assert next_generation(accelerator("A100-SXM-80GB")).name == "H100-SXM-80GB"
    assert next_generation(accelerator("H100-SXM-80GB")).generation == "blackwell"
    assert next_generation(accelerator("GB300-NVL72-288GB")) is None


def test_headroom_is_measured_in_place_of_the_tables():
    made = chat("workload.0.arrivals.rate_per_s=3")
    found = binding(made)
    section = run(made, threads=1).summary["binding"]
    measured = measured_headroom(section, found)
    assert measured["known_by"] == "bisection"
    assert measured["rps"] == pytest.approx(3 * (found.held_factor - 1))
    assert set(section["headroom"]) <= set(measured)
