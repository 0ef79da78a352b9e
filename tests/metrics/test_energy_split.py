"""Energy by phase and workload: the parts sum to what was booked, and lie where tokens are."""

from __future__ import annotations

import pytest

from sim.metrics.energy_split import active_split, step_j, token_energy
from sim.scenario.pool import Scheduler
from tests.engine.setups import cost, scenario
from tests.samples import observe

CHUNKED, ALONE = Scheduler(max_batch=64), Scheduler(kind="prefill-first", max_batch=64)


def run(*lengths, **pool):
    workloads = [
        {"name": f"w{i}", "lengths": {"kind": "fixed", "input": a, "output": b}}
        for i, (a, b) in enumerate(lengths)
    ]
    return observe(scenario(workloads, [pool], duration=30.0), [cost(max_batch=256)])


def test_a_step_worked_by_hand():
    step = cost()
    time_s = 5e-3 + 1e-5 * 30 + 1e-8 * 10 * 50 + 1e-10 * 20 * 100 / 2
    joules = (1 + 0.1 * 30) + 0.01 * 10 + 1e-4 * 10 * 50 + 1e-6 * 20 * 100 / 2 + 100 * time_s
    assert step_j(step, 10, 20.0, 100.0, 50.0) == pytest.approx(joules)


def test_riding_along_costs_only_what_it_adds():
    step, terms = cost(), {"batch": 8.0, "mean_input": 100.0, "context": 50.0}
    riding, alone = (token_energy(step, s, **terms) for s in (CHUNKED, ALONE))
    assert riding.decode_j == alone.decode_j == pytest.approx(step_j(step, 8, 0.0, 100.0, 50.0) / 8)
    assert alone.prefill_j == pytest.approx(step_j(step, 0, 100.0, 100.0, 50.0) / 100)
    assert riding.prefill_j < alone.prefill_j


def test_the_split_sums_to_the_energy_booked():
    found = run((100, 20), (400, 5))
    split = active_split(found)
    assert sum(split.values()) == pytest.approx(float(found.energies[0].accelerators_active.sum()), rel=1e-12)
    assert all(joules > 0 for joules in split.values())


def test_equal_workloads_bear_equal_shares():
    split = active_split(run((100, 20), (100, 20)))
    assert split["w0", "decode"] == pytest.approx(split["w1", "decode"], rel=0.2)
    assert split["w0", "prefill"] == pytest.approx(split["w1", "prefill"], rel=0.2)


def test_prompts_alone_are_all_prefill():
    split = active_split(run((300, 1)))
    assert split["w0", "decode"] == 0
    assert split["w0", "prefill"] > 0


def test_energy_without_counted_tokens_goes_to_nobody():
    """All requests arrive within the warm-up; what is still decoded after it is nobody's."""
    made = scenario(
        [
            {
                "arrivals": {"process": "poisson", "rate_per_s": 2.0},
                "lengths": {"kind": "fixed", "input": 9, "output": 9},
            }
        ],
        duration=20.0,
        warmup=19.999,
    )
    found = observe(made, [cost(max_batch=256)])
    split = active_split(found)
    assert sum(split.values()) == pytest.approx(float(found.energies[0].accelerators_active.sum()), abs=1e-9)
