"""The smallest fleet: it meets its targets, one replica less does not, and the search finds any threshold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario import loads
from sim.study.sizing import _least, size_fleet
from sim.study.sizing_guess import guess_replicas
from sim.study.sizing_load import largest_load
from sim.study.sizing_verdict import Unreachable, judge, try_fleet
from tests.study.planning import CHAT, chat


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_search_finds_the_least_that_meets(threshold, guess):
    assert _least(lambda n: n >= threshold, guess) == threshold


@given(st.integers(1, 100_000), st.integers(1, 5000))
def test_the_search_asks_little(threshold, guess):
    asked = []
    _least(lambda n: asked.append(n) or n >= threshold, guess)
    assert len(set(asked)) <= 4 + 2 * math.log2(max(threshold, guess) + 1) + 2 * math.log2(13)


def test_the_fleet_meets_its_targets_and_one_replica_less_does_not():
    made = chat("workload.0.arrivals.rate_per_s=60")
    sized = size_fleet(made, verify=0)
    assert sized.replicas > 1
    assert try_fleet(sized.scenario, 0.99, lambda: None).met
    pool = sized.scenario.pools[0]
    fewer = sized.scenario.model_copy(
        update={"pools": (pool.model_copy(update={"replicas": pool.replicas - 1}),)}
    )
    assert not try_fleet(fewer, 0.99, lambda: None).met


def test_the_answer_is_verified_with_fresh_seeds():
    sized = size_fleet(chat(), verify=3)
    seeds = {r.summary["seed"] for r in sized.results}
    assert len(seeds) == 3 and sized.scenario.seed not in seeds
    assert sized.probability >= 0.9
    assert all(v.attainment >= 0.98 for v in sized.verdicts)
    assert sized.evaluations > 3


def test_the_same_scenario_gives_the_same_fleet():
    assert size_fleet(chat(), verify=0).scenario == size_fleet(chat(), verify=0).scenario


def test_more_demand_needs_no_fewer_replicas():
    sizes = [size_fleet(chat(f"workload.0.arrivals.rate_per_s={r}"), verify=0).replicas for r in (5, 30, 90)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_a_large_fleet_is_cells_of_which_one_is_run():
    made = chat("workload.0.arrivals.rate_per_s=150")
    whole = size_fleet(made, verify=0)
    parts = size_fleet(made, verify=0, cell_replicas=4)
    assert parts.cells > 1 and parts.scenario.cells == parts.cells
    assert parts.replicas == parts.cells * parts.cell.pools[0].replicas
    assert whole.replicas <= parts.replicas <= 1.5 * whole.replicas  # small cells pool less
    rate = parts.cell.workloads[0].arrivals.rate_per_s * parts.cells
    assert rate == pytest.approx(150)


def test_pools_of_different_models_are_sized_one_by_one():
    text = CHAT + CHAT.split("[[workload]]")[1].join(["[[workload]]", ""]).replace(
        "Llama-3.1-8B", "Qwen3-8B"
    ).replace("rate_per_s = 20", "rate_per_s = 80")
    sized = size_fleet(loads(text), verify=0)
    few, many = (p.replicas for p in sized.scenario.pools)
    assert few < many
    assert judge(sized.summary).met


def test_targets_that_a_request_alone_misses_are_unreachable():
    with pytest.raises(Unreachable) as raised:
        size_fleet(chat("workload.0.slo.tpot=0.0001"))
    assert "alone" in str(raised.value) and "workload[0].slo" in str(raised.value)


def test_without_targets_the_fleet_just_keeps_up():
    made = chat("workload.0.slo={}", "workload.0.arrivals.rate_per_s=100")
    sized = size_fleet(made, verify=0)
    needed = guess_replicas(made)["Llama-3.1-8B"] * 0.85
    assert sized.replicas == pytest.approx(needed, abs=1.5)


def test_the_largest_load_is_the_inverse_of_sizing():
    sized = size_fleet(chat("workload.0.arrivals.rate_per_s=60"), verify=0)
    held = largest_load(sized.scenario)
    assert held.factor * 1.02 >= 1.0 and held.factor < 60
    pool = sized.scenario.pools[0].model_copy(update={"replicas": sized.replicas - 1})
    fewer = sized.scenario.model_copy(update={"pools": (pool,)})
    assert largest_load(fewer).factor < 1.02


def test_a_verdict_is_of_the_worst_workload():
    def workload(attainment, rejected=0):
        return {"slo": {"attainment": attainment}, "requests": {"arrived": 100, "rejected": rejected}}

    def summary(*workloads, growing=False):
        return {
            "workloads": workloads,
            "overload": {"growing": growing},
            "requests": {"arrived": 100 * len(workloads)},
        }

    assert judge(summary(workload(1.0), workload(0.97))).attainment == 0.97
    assert not judge(summary(workload(1.0), workload(0.97))).met
    assert not judge(summary(workload(1.0), growing=True)).met
    assert judge(summary(workload(None))).met
    assert not judge(summary(workload(None, rejected=2))).met  # without targets, an answer is the target


def test_targets_at_the_edge_of_what_a_request_alone_attains_end_the_search():
    """A TTFT that about 1 % of prompts miss even alone: no fleet makes 99 % sure, and the search says so."""
    lengths = 'workload.0.lengths={ kind = "quantiles", input = [[0, 100], [0.9899, 101], [0.99, 20000], [1, 20001]], '
    lengths += "output = [[0, 20], [1, 40]] }"
    with pytest.raises(Unreachable):
        size_fleet(chat(lengths, "workload.0.arrivals.rate_per_s=2", "duration=5 min"), verify=2)
