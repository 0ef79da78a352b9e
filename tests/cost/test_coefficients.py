from __future__ import annotations

import itertools
import math
import tomllib
from dataclasses import fields
from importlib import resources

import pytest

from sim.cost.calibration import packaged_calibrations, prior_catalog
from sim.cost.coefficients import NAMES, Coefficients, coefficients, stacks
from sim.cost.precision import FORMATS
from sim.errors import CatalogError

DATA = tomllib.loads(resources.files("sim.cost").joinpath("data/coefficients.toml").read_text())
PRIOR = prior_catalog()
GENERATIONS = [*DATA["generation"], "never-heard-of"]


@pytest.mark.parametrize("stack", stacks())
def test_every_combination_is_complete_within_bounds_and_sourced(stack):
    for generation, precision in itertools.product(GENERATIONS, FORMATS):
        found = coefficients(generation, stack, precision)
        for field in fields(Coefficients):
            value = getattr(found.coefficients, field.name)
            assert field.metadata["low"] <= value <= field.metadata["high"]
            assert found.sigma[field.name] >= 0
            assert found.sources[field.name]
        assert found.memory_rule in ("card", "rest")
        assert found.knowledge.tpot_error > 0


def test_values_multiply_by_hand():
    # vllm-2025 on Hopper in 16 bits: 0.55; Blackwell x 0.78; fp8 x 1.1
    assert coefficients("hopper", "vllm-2025", "bf16", PRIOR).coefficients.dense_flops == pytest.approx(0.55)
    both = coefficients("blackwell", "vllm-2025", "fp8", PRIOR)
    assert both.coefficients.dense_flops == pytest.approx(0.55 * 0.78 * 1.1)
    # bands add in squares: 0.15, 0.20, 0.10
    assert both.sigma["dense_flops"] == pytest.approx(math.sqrt(0.15**2 + 0.2**2 + 0.1**2))


def test_fp16_and_bf16_are_one_precision():
    assert coefficients("ampere", "vllm-2024", "fp16") == coefficients("ampere", "vllm-2024", "bf16")


def test_stacks_inherit_what_they_do_not_state():
    old, new = (coefficients("hopper", s, "bf16", PRIOR).coefficients for s in ("vllm-2023", "vllm-2025"))
    assert old.weight_bandwidth == new.weight_bandwidth
    assert old.layer_s > new.layer_s
    assert coefficients("hopper", "trtllm-2023", "fp8").memory_rule == "rest"


def test_generations_inherit_what_they_do_not_state():
    ada, other = (coefficients(g, "vllm-2025", "bf16") for g in ("ada", "never-heard-of"))
    assert ada.coefficients.dense_flops == other.coefficients.dense_flops
    assert ada.coefficients.resident_power > other.coefficients.resident_power
    assert coefficients("turing", "vllm-2024", "fp16", PRIOR).coefficients.base_power == 0.17


@pytest.mark.parametrize("catalog", [PRIOR, None])
def test_knowledge_says_how_it_is_known(catalog):
    measured = coefficients("hopper", "vllm-2025", "fp8", catalog)
    assert (measured.knowledge.basis, measured.warnings) == ("measured", ())
    family = coefficients("volta", "vllm-2025", "fp16", catalog)
    assert family.knowledge.basis == "same family"
    assert "vllm-2025 was not measured on volta" in family.warnings[0]
    precision = coefficients("ampere", "vllm-2023", "fp8", catalog)
    assert precision.knowledge.basis == "same family"
    assert "fp8 was not measured on" in " ".join(precision.warnings) or catalog is None
    unseen = coefficients("tpu-v5p", "vllm-2025", "bf16", catalog)
    assert unseen.knowledge.basis == "datasheet only"
    assert "no serving measurement on tpu-v5p" in unseen.warnings[0]
    errors = [f.knowledge.tpot_error for f in (measured, family, unseen)]
    assert errors[0] < min(errors[1:])


def test_the_calibration_speaks_of_known_stacks_only():
    for name in packaged_calibrations():
        tables = tomllib.loads(resources.files("sim.cost").joinpath(f"data/{name}").read_text())
        assert set(tables["stack"]) <= set(DATA["stack"])
        assert tables["calibration"]["rows"] >= tables["calibration"]["answered"] > 0
        for entries in tables["stack"].values():
            assert all(0 <= e["sigma"] < 3 for e in entries.values())


def test_bands_widen_away_from_measurement():
    near, far = (coefficients(g, "vllm-2025", "bf16").sigma for g in ("hopper", "tpu-v5p"))
    for name in ("weight_bandwidth", "kv_bandwidth", "dense_flops", "flop_power", "byte_power"):
        assert far[name] > near[name]


def test_an_unknown_stack_is_answered_with_near_names():
    with pytest.raises(CatalogError, match='did you mean "vllm-2025"'):
        coefficients("hopper", "vlm-2025", "bf16")


def test_the_file_holds_only_names_that_are_read():
    allowed = {*NAMES, "like", "memory_rule", "expands_kv"}
    for name, table in DATA["stack"].items():
        assert set(table) <= allowed, name
    for name, table in {**DATA["generation"], **DATA["precision"]}.items():
        assert set(table) <= {"like", "reference", "set", "factor"}, name
        assert {*table.get("set", {}), *table.get("factor", {})} <= set(NAMES), name
    for entry in DATA["measured"]:
        assert entry["stack"] in DATA["stack"] and entry["generation"] in DATA["generation"]
        assert set(entry["precisions"]) <= set(FORMATS)
