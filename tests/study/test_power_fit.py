"""Power fitted to made-up boards is found again, whatever errors the times have."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from sim.cost.calibration import prior_catalog
from sim.cost.coefficients import coefficients
from sim.study.observe import with_values
from sim.study.power_errors import TARGETS, generation_pairs, power_errors
from sim.study.power_fit import cross_validate_power, fit_power, power_tables, powered
from sim.study.protocols import predict
from sim.study.rows import COLUMNS
from sim.study.validate import read_files
from tests.study.measured import write_rows

HOT = {"base_power": 1.25, "flop_power": 0.8, "byte_power": 1.2}
SLOWER = 1.3
BASE = dict.fromkeys(COLUMNS, "") | {
    "source": "somebody",
    "pp": "1",
    "precision": "bf16",
    "framework": "vLLM 0.10",
    "scenario": "saturated",
    "input_len": "400",
    "output_len": "350",
    "value": "1",
}
MODELS = (("Llama-3.1-8B", "1"), ("Qwen3-14B", "1"), ("Llama-3.1-70B", "4"), ("Qwen3-30B-A3B", "1"))


def hot_rows(tmp_path, chips=("H100", "A100-SXM-80GB")):
    """Rows of boards that draw otherwise than the prior has it, and of steps a third longer."""
    blank = [
        {
            **BASE,
            "accelerator": chip,
            "model": m,
            "tp": tp,
            "num_gpus": tp,
            "batch_or_concurrency": b,
            "metric": metric,
        }
        for chip, (m, tp), b in itertools.product(chips, MODELS, ("8", "32", "128"))
        for metric in ("tokens_per_s_output", "power_w", "joules_per_output_token")
    ]
    rows = []
    for r in read_files([write_rows(tmp_path / "blank.csv", blank)]).answered:
        d = r.setup.deployment
        fitted = coefficients(r.chip.generation, d.stack, d.precision, prior_catalog())
        values = {n: getattr(fitted.coefficients, n) * by for n, by in HOT.items()}
        try:
            seen = predict(r.setup, r.model, r.chip, with_values(fitted, values), stretch=SLOWER).metrics
        except Exception as error:  # a model that does not fit has no rows
            assert "fit" in str(error)
            continue
        rows += [{**row.text, "metric": row.metric, "value": repr(seen[row.metric])} for row in r.case.rows]
    return write_rows(tmp_path / "hot.csv", rows)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    path = hot_rows(tmp_path_factory.mktemp("power"))
    readings = read_files([path]).answered
    return readings, fit_power(readings, prior_catalog(), workers=1)


def test_measured_times_are_put_in_place(fitted):
    seen = powered(fitted[0], prior_catalog())
    assert {o.metrics for o in seen} == {("power_w",)}
    np.testing.assert_allclose([o.stretch for o in seen], SLOWER, rtol=1e-9)


def test_the_boards_are_found_again_though_times_are_off(fitted):
    found = power_tables(fitted[1])["generation"]
    for generation in ("hopper", "ampere"):
        base = coefficients(generation, "vllm-2025", "bf16", prior_catalog()).coefficients
        for name, by in HOT.items():
            entry = found[generation]["set"][name]
            assert abs(math.log(entry["v"] / (getattr(base, name) * by))) < 0.06 + 2 * entry["sigma"], name
            assert 0 < entry["sigma"] < 0.4
    rows = power_errors(cross_validate_power(fitted[1], workers=1))
    inside = next(r for r in rows if (r["of"], r["left_out"], r["generation"]) == ("W", "nothing", "all"))
    assert inside["median_ape"] < 0.03
    assert (inside["aim_median"], inside["aim_p90"]) == TARGETS["W", "nothing"]


def test_an_unmeasured_generation_is_the_mean_of_the_others_brought_to_the_reference(fitted):
    found = power_tables(fitted[1])["generation"]
    a, h, mean = (found[g]["set"] for g in ("ampere", "hopper", "unmeasured"))
    assert mean["base_power"]["v"] == pytest.approx(
        math.sqrt(a["base_power"]["v"] * h["base_power"]["v"]), rel=1e-3
    )
    # from 3.888 to 4.786 GB/s per watt, by the square root
    brought = a["byte_power"]["v"] * math.sqrt(4.786 / 3.888)
    assert mean["byte_power"]["v"] == pytest.approx(math.sqrt(brought * h["byte_power"]["v"]), rel=1e-3)
    assert mean["byte_power"]["sigma"] >= 0.15


def test_leaving_out_counts_every_row_in_every_way(fitted):
    held = cross_validate_power(fitted[1], workers=1)
    count = len(fitted[1].problem.seen)
    for of, way in itertools.product(("W", "J/token"), ("nothing", "model family", "generation")):
        assert sum((x.of, x.way) == (of, way) for x in held) == count
    # with predicted times, a third too short, joules per token are too small and watts with measured ones are not
    ratios = {
        of: np.median([x.predicted / x.measured for x in held if (x.of, x.way) == (of, "nothing")])
        for of in ("W", "J/token")
    }
    assert ratios["W"] == pytest.approx(1.0, abs=0.03)
    assert ratios["J/token"] < 0.95
    pairs = generation_pairs(held)
    assert [(p["newer"], p["older"]) for p in pairs] == [("H100", "A100")]
    assert pairs[0]["predicted_ratio"] == pytest.approx(pairs[0]["measured_ratio"], rel=0.15)


def test_no_row_of_power_is_no_fit(tmp_path):
    path = write_rows(
        tmp_path / "times.csv",
        [
            {
                **BASE,
                "accelerator": "H100",
                "model": "Llama-3.1-8B",
                "tp": "1",
                "num_gpus": "1",
                "batch_or_concurrency": "8",
                "metric": "tokens_per_s_output",
                "value": "1000",
            }
        ],
    )
    assert fit_power(read_files([path]).answered, prior_catalog(), workers=1) is None
