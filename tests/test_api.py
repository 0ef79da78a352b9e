"""The public names of the package: complete, documented, imported when asked for."""

from __future__ import annotations

import inspect
import json

import pytest

import sim
from sim.errors import UserError
from tests.study.sweeps import outputs, swept, written
from tests.test_imports import loaded_by

FEW = """
name = "few"
scenario = "small.toml"
set = { duration = "10 s", warmup = 0 }
[[uncertain]]
key = "site.pue"
distribution = { kind = "uniform", low = 1.1, high = 1.3 }
[sampling]
points = 3
"""


@pytest.mark.parametrize("name", sim.__all__)
def test_a_public_name_is_there_and_documented(name):
    found = getattr(sim, name)
    assert callable(found)
    assert inspect.getdoc(found)
    assert name in dir(sim)


def test_the_studies_are_those_of_the_commands():
    from sim.study import compare, plan, scale, sweep

    assert (sim.compare, sim.plan, sim.scale, sim.sweep) == (
        compare.compare_accelerators,
        plan.plan,
        scale.scale,
        sweep.sweep,
    )


def test_looking_at_the_package_imports_nothing():
    loaded = loaded_by("import sim; dir(sim); sim.__all__")
    assert not loaded & {"numpy", "pydantic", "numba", "scipy", "click", "rich"}
    with pytest.raises(AttributeError, match="nothing"):
        sim.nothing  # noqa: B018


def test_a_sweep_is_the_one_of_the_command(tmp_path):
    swept(tmp_path, FEW)
    summary = sim.sweep(written(tmp_path, FEW), tmp_path / "again", processes=1)
    assert summary == json.loads((tmp_path / "again" / "summary.json").read_text())
    assert outputs(tmp_path / "again") == outputs(tmp_path / "out")


def test_a_sweep_runs_in_one_place(tmp_path):
    with pytest.raises(UserError, match="--workers"):
        sim.sweep(written(tmp_path, FEW), tmp_path / "out", processes=1, workers=2)
