"""Moments of token lengths against what the demand draws."""

from __future__ import annotations

import numpy as np
import pytest

from sim.engine.kernel import draw
from sim.metrics.moments import Moments, length_moments, mixture
from sim.workload.trace import Trace
from tests.engine.setups import plans, scenario

LAWS = {
    "fixed": {"kind": "fixed", "input": 100, "output": 20},
    "uniform": {"kind": "uniform", "input": [10, 3000], "output": [1, 9]},
    "lognormal": {
        "kind": "lognormal",
        "input": {"mean": 900, "cv": 0.7},
        "output": {"median": 200, "sigma": 0.5},
    },
    "quantiles": {"kind": "quantiles", "input": [[0, 9], [0.3, 90], [1, 900]], "output": [[0, 50], [1, 60]]},
    "catalog": "azure-2023-conversation",
}


@pytest.mark.parametrize("lengths", LAWS.values(), ids=LAWS)
def test_moments_are_those_of_the_draws(lengths):
    made = scenario([{"lengths": lengths}])
    (plan,) = plans(made)
    drawn = np.array([[draw.tokens(plan, 0, side, n) for side in (0, 1)] for n in range(4000)], float)
    found = length_moments(made.workloads[0], {})
    assert found.input == pytest.approx(drawn[:, 0].mean(), rel=0.05)
    assert found.output == pytest.approx(drawn[:, 1].mean(), rel=0.05)
    assert found.output_squared == pytest.approx((drawn[:, 1] ** 2).mean(), rel=0.1)
    assert found.input_output == pytest.approx(drawn.prod(axis=1).mean(), rel=0.1)


def test_a_trace_has_its_own_moments(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,10,1\n1,30,3\n")
    arrivals = {"process": "trace", "path": str(path)}
    workload = scenario([{"arrivals": arrivals, "lengths": "trace"}]).workloads[0]
    trace = Trace(
        np.array([0.0, 1.0]),
        np.array([10, 30]),
        np.array([1, 3]),
        np.zeros(3, np.int64),
        np.zeros(0, np.uint64),
    )
    assert length_moments(workload, {str(path): trace}) == Moments(20, 2, 5, 50)
    assert length_moments(workload, {}) is None


def test_the_context_of_running_sequences_favours_long_outputs():
    half_and_half = mixture([Moments(100, 10, 100, 1000), Moments(100, 990, 990**2, 99_000)], [1, 1])
    assert half_and_half.output == 500
    assert half_and_half.context == pytest.approx(100 + (10**2 + 990**2) / (2 * (10 + 990)))
    assert Moments(70, 0, 0, 0).context == 70
