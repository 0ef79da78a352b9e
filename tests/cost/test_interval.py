"""Coefficients elsewhere in their intervals."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.cost.coefficients import NAMES, Coefficients, coefficients
from sim.cost.interval import ENERGY, STEP_COST, at
from sim.run import run, step_costs
from tests.samples import small

HOPPER = coefficients("hopper", "vllm-2025", "fp8")


def test_nothing_moves_where_no_deviate_is_named():
    assert at(HOPPER, {}) == HOPPER


def test_a_deviate_moves_by_so_many_log_standard_deviations():
    moved = at(HOPPER, {"layer_s": 1.5}).coefficients
    assert moved.layer_s == pytest.approx(
        HOPPER.coefficients.layer_s * math.exp(1.5 * HOPPER.sigma["layer_s"])
    )
    rest = {k: v for k, v in asdict(moved).items() if k != "layer_s"}
    assert rest == {k: v for k, v in asdict(HOPPER.coefficients).items() if k != "layer_s"}


@given(st.fixed_dictionaries({name: st.floats(-8, 8) for name in NAMES}))
def test_bounds_hold_however_far(z):
    values = asdict(at(HOPPER, z).coefficients)
    for name, field in Coefficients.__dataclass_fields__.items():
        assert field.metadata["low"] <= values[name] <= field.metadata["high"]


def test_every_coefficient_is_of_time_or_of_energy():
    assert sorted((*STEP_COST, *ENERGY)) == sorted(NAMES)


def test_slower_coefficients_slow_a_run_and_energy_ones_do_not():
    base = step_costs(small(), {})
    slower = step_costs(small(), {}, {"weight_bandwidth": -2.0})
    hungrier = step_costs(small(), {}, {"byte_power": 2.0})
    assert all(
        (a.token_s <= b.token_s).all() and a.token_s[1] < b.token_s[1]
        for a, b in zip(base, slower, strict=True)
    )
    assert all((a.host_s == b.host_s).all() for a, b in zip(base, hungrier, strict=True))
    assert all(b.token_j[1] > a.token_j[1] for a, b in zip(base, hungrier, strict=True))


def test_a_run_takes_the_deviates():
    usual = run(small()).summary
    slow = run(small(), calibration_z=dict.fromkeys(("weight_bandwidth", "kv_bandwidth"), -2.0)).summary
    assert slow["latency"]["tpot_s"]["mean"] > usual["latency"]["tpot_s"]["mean"]
    assert slow["requests"]["arrived"] == usual["requests"]["arrived"]
