"""The power limit in the tables: never above it at the typical context, and little changed far below it."""

from __future__ import annotations

import numpy as np
import pytest

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.cost.deployment import Deployment
from sim.cost.limit import power_limited, typical_steps
from sim.cost.power import soft_limit_w
from sim.cost.step import step_cost

CONTEXT, BATCH = 600.0, 512


def costs(chip="H100-SXM-80GB"):
    plain = step_cost(
        model("Llama-3.1-70B"),
        accelerator(chip),
        Deployment(tensor_parallel=4),
        max_batch=BATCH,
        max_step_tokens=4096,
    )
    return plain, power_limited(plain, accelerator(chip).tdp_w, CONTEXT)


def power_w(cost, n):
    """Watts per accelerator of a decode step of n sequences at the typical context."""
    step_s = cost.token_s[n] + cost.sequence_s[n] + cost.kv_s[n] * n * CONTEXT
    step_s = max(step_s, cost.host_s[n])
    work_j = cost.token_j[n] + cost.sequence_j * n + cost.kv_j * n * CONTEXT
    return (cost.static_w + work_j / step_s) / cost.accelerators


@pytest.mark.parametrize("chip", ["H100-SXM-80GB", "A100-SXM-80GB", "B200-SXM"])
def test_a_decode_step_draws_what_the_limit_leaves(chip):
    plain, limited = costs(chip)
    tdp_w = accelerator(chip).tdp_w
    for n in (1, 8, 64, 256, 512):
        assert power_w(limited, n) == pytest.approx(soft_limit_w(power_w(plain, n), tdp_w), rel=1e-9)
        assert power_w(limited, n) < tdp_w


def test_tables_stay_energies_and_nothing_else_changes():
    plain, limited = costs()
    assert (limited.token_j >= 0).all() and (limited.token_j <= plain.token_j).all()
    assert 0 <= limited.token_j_beyond <= plain.token_j_beyond
    np.testing.assert_array_equal(limited.token_s, plain.token_s)
    assert limited.kv_j == plain.kv_j


def test_mixed_steps_go_on_where_decoding_ends():
    """Beyond the largest batch a chunk of a prompt rides along: no jump in power from one token more."""
    _, limited = costs()
    steps = typical_steps(limited, CONTEXT)
    watts = limited.static_w + steps.work_j(limited) / steps.step_s(limited)
    assert watts[BATCH + 1] == pytest.approx(watts[BATCH], rel=0.01)
    assert (watts <= 700.0 * limited.accelerators).all()


def test_power_per_gpu_against_batch_as_measured():
    """ML.ENERGY v3, Llama-3.1-70B bf16 on 4 x H100: W per GPU at batch 8, 64, 255."""
    _, limited = costs()
    for n, measured_w in ((8, 441), (64, 500), (255, 589)):
        assert power_w(limited, n) == pytest.approx(measured_w, rel=0.15)
