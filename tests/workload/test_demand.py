"""Demand is what the scenario says, and a request is the same request whatever serves it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sim.catalog.workloads import length_table
from sim.engine import state as S
from sim.engine.control import run_plans
from sim.engine.kernel import draw
from sim.workload.demand import weibull_shape
from tests.engine.setups import plans, scenario


def arrivals(plan, w=0, most=400_000):
    """(seconds, numbers, inputs, outputs) of all open arrivals of a workload."""
    streams = np.zeros(len(plan.workloads), S.STREAM)
    ticks, numbers = np.zeros(most, np.int64), np.zeros(most, np.int64)
    inputs, outputs = np.zeros(most, np.int32), np.zeros(most, np.int32)
    draw.next_chunk(plan, w, streams, ticks, numbers, inputs, outputs)
    assert streams[w]["finished"]
    n = int(streams[w]["count"])
    return ticks[:n] / 2.0**30, numbers[:n], inputs[:n], outputs[:n]


def of(workload, **rest):
    return arrivals(plans(scenario([workload], **{"duration": 1000.0, **rest}))[0])


def test_poisson_has_its_rate_and_exponential_gaps():
    seconds, *_ = of({"arrivals": {"process": "poisson", "rate_per_s": 50}})
    gaps = np.diff(seconds)
    assert len(seconds) == pytest.approx(50_000, abs=5 * 50_000**0.5)
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("cv", [0.3, 2.0, 5.0])
def test_gamma_has_its_rate_and_burstiness(cv):
    seconds, *_ = of({"arrivals": {"process": "gamma", "rate_per_s": 100, "cv": cv}})
    gaps = np.diff(seconds)
    assert gaps.mean() == pytest.approx(0.01, rel=5 * cv / 100_000**0.5)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.08)


@pytest.mark.parametrize("cv", [0.3, 1.0, 2.0, 4.0])
def test_weibull_has_its_rate_and_burstiness(cv):
    seconds, *_ = of({"arrivals": {"process": "weibull", "rate_per_s": 100, "cv": cv}})
    gaps = np.diff(seconds)
    assert gaps.mean() == pytest.approx(0.01, rel=5 * cv / 100_000**0.5)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.1)


@pytest.mark.parametrize("k", [0.3, 0.5, 1.0, 2.0, 5.0])
def test_the_weibull_shape_of_a_coefficient_of_variation(k):
    cv = stats.weibull_min(k).std() / stats.weibull_min(k).mean()
    assert weibull_shape(cv) == pytest.approx(k, rel=1e-9)


def test_weibull_gaps_are_weibull():
    seconds, *_ = of({"arrivals": {"process": "weibull", "rate_per_s": 20, "cv": 2.0}})
    k = weibull_shape(2.0)
    law = stats.weibull_min(k, scale=0.05 / math.gamma(1 + 1 / k))
    assert stats.kstest(np.diff(seconds), law.cdf).pvalue > 1e-3


def test_deterministic_arrivals():
    seconds, *_ = of({"arrivals": {"process": "deterministic", "rate_per_s": 4}}, duration=2.0)
    assert seconds.tolist() == [0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]


def test_users_without_a_shape_come_evenly():
    users = {"process": "users", "users": 86_400, "requests_per_user_per_day": 50}
    seconds, *_ = of({"arrivals": users})
    poisson, *_ = of({"arrivals": {"process": "poisson", "rate_per_s": 50}})
    assert np.array_equal(seconds, poisson)


def test_users_follow_the_shape_from_the_hour_at_which_the_run_starts():
    shape = [1.0] * 12 + [3.0] * 12
    users = {
        "process": "users",
        "users": 86_400,
        "requests_per_user_per_day": 2,
        "shape": shape,
        "start_hour": 6,
    }
    seconds, *_ = of({"arrivals": users}, duration=86_400.0)
    per_hour = np.histogram(seconds, bins=24, range=(0, 86_400))[0]
    assert len(seconds) == pytest.approx(172_800, rel=0.02)
    expected = np.array([1.0] * 6 + [3.0] * 12 + [1.0] * 6) * 3600
    np.testing.assert_allclose(per_hour, expected, rtol=0.08)


@pytest.mark.parametrize("name", ["azure-2023-conversation", "azure-2023-code"])
def test_catalog_lengths_have_the_tables_quantiles(name):
    _, _, inputs, outputs = of({"arrivals": {"process": "poisson", "rate_per_s": 200}, "lengths": name})
    table = length_table(name)
    for tokens, p, values in (
        (inputs, table.input_p, table.input_tokens),
        (outputs, table.output_p, table.output_tokens),
    ):
        for q in (0.1, 0.5, 0.9, 0.99):
            assert np.quantile(tokens, q) == pytest.approx(np.interp(q, p, values), rel=0.06, abs=1.5)
    assert abs(np.corrcoef(inputs, outputs)[0, 1]) < 0.02


def test_azure_conversation_has_the_published_means():
    _, _, inputs, outputs = of(
        {"arrivals": {"process": "poisson", "rate_per_s": 200}, "lengths": "azure-2023-conversation"}
    )
    assert inputs.mean() == pytest.approx(1155, rel=0.02)
    assert outputs.mean() == pytest.approx(211, rel=0.02)


def test_lognormal_and_uniform_lengths():
    lengths = {
        "kind": "lognormal",
        "input": {"mean": 1000, "cv": 1.5},
        "output": {"median": 100, "sigma": 0.5},
    }
    _, _, inputs, outputs = of({"arrivals": {"process": "poisson", "rate_per_s": 200}, "lengths": lengths})
    assert inputs.mean() == pytest.approx(1000, rel=0.03)
    assert inputs.std() / inputs.mean() == pytest.approx(1.5, rel=0.1)
    assert np.median(outputs) == pytest.approx(100, rel=0.02)
    lengths = {"kind": "uniform", "input": [3, 5], "output": [0, 1]}
    _, _, inputs, outputs = of({"arrivals": {"process": "poisson", "rate_per_s": 20}, "lengths": lengths})
    assert set(inputs) == {3, 4, 5} and set(outputs) == {0, 1}
    assert np.bincount(inputs)[3:] / len(inputs) == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "trace.csv"
    rows = "".join(f"{i * 0.5},{10 + i},{i}\n" for i in range(100))
    path.write_text("arrival_s,input_tokens,output_tokens\n" + rows)
    return str(path)


def test_trace_replay_at_another_rate_and_repeated(trace):
    replay = {"process": "trace", "path": trace, "rate_scale": 2.0, "repeat": 3}
    seconds, _, inputs, outputs = of({"arrivals": replay, "lengths": "trace"})
    assert seconds.tolist() == [i * 0.25 for i in range(300)]
    assert inputs.tolist() == [10 + i for i in range(100)] * 3
    assert outputs.tolist() == list(range(100)) * 3


def test_lengths_drawn_from_a_trace_stay_in_pairs(trace):
    workload = {
        "arrivals": {"process": "poisson", "rate_per_s": 5},
        "lengths": {"kind": "trace", "path": trace},
    }
    _, _, inputs, outputs = of(workload)
    assert (inputs - outputs == 10).all()
    assert len(set(inputs)) == 100


@pytest.mark.parametrize("process", ["deterministic", "gamma", "weibull", "trace"])
def test_cells_share_the_requests_out(process, trace):
    given = {
        "deterministic": {"process": "deterministic", "rate_per_s": 10},
        "gamma": {"process": "gamma", "rate_per_s": 10, "cv": 2},
        "weibull": {"process": "weibull", "rate_per_s": 10, "cv": 2},
        "trace": {"process": "trace", "path": trace},
    }[process]
    whole = arrivals(plans(scenario([{"arrivals": given}], duration=40.0))[0])
    split = [
        arrivals(p) for p in plans(scenario([{"arrivals": given}], [{"replicas": 4}], duration=40.0, cells=4))
    ]
    rows = sorted(zip(*(np.concatenate(column).tolist() for column in zip(*split, strict=True)), strict=True))
    assert rows == sorted(zip(*(column.tolist() for column in whole), strict=True))


def test_a_poisson_process_in_cells_keeps_its_rate_and_shares_no_request():
    made = scenario(
        [{"arrivals": {"process": "poisson", "rate_per_s": 100}}], [{"replicas": 4}], duration=500.0, cells=4
    )
    parts = [arrivals(p) for p in plans(made)]
    assert [len(p[0]) for p in parts] == pytest.approx([12_500] * 4, rel=0.05)
    numbers = np.concatenate([p[1] for p in parts])
    assert len(set(numbers.tolist())) == len(numbers)


def requests_of(made):
    run = run_plans(plans(made), log_requests=10**6)
    return sorted((c["id"], c["arrive_s"], c["input"], c["output"]) for c in run.calls)


def test_the_same_requests_come_whatever_serves_them():
    lengths = {"kind": "lognormal", "input": {"mean": 200, "cv": 1}, "output": {"mean": 40, "cv": 1}}
    workload = {"arrivals": {"process": "poisson", "rate_per_s": 20}, "lengths": lengths}
    small = scenario([workload], [{"replicas": 1}], seed=3)
    large = scenario([workload], [{"replicas": 7, "scheduler": {"kind": "static", "max_batch": 3}}], seed=3)
    assert requests_of(small) == requests_of(large)


def test_closed_clients_take_the_same_numbered_requests_at_any_speed():
    lengths = {"kind": "uniform", "input": [1, 500], "output": [1, 50]}
    workload = {"arrivals": {"process": "closed", "clients": 8, "requests": 80}, "lengths": lengths}

    def tokens(**pool):
        run = run_plans(plans(scenario([workload], [pool], duration=1000.0)), log_requests=100)
        return sorted((c["id"], c["input"], c["output"]) for c in run.calls)

    assert len(tokens()) == 80
    assert tokens() == tokens(replicas=3)


def test_seeds_differ():
    workload = {"arrivals": {"process": "poisson", "rate_per_s": 20}}
    assert requests_of(scenario([workload], seed=1)) != requests_of(scenario([workload], seed=2))
