"""`simulate price`: other prices for a result that is there."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sim import cli, results
from tests import golden
from tests.engine.setups import cost
from tests.samples import SMALL


@pytest.fixture
def result(tmp_path, monkeypatch):
    """A result on made-up step costs, so that figures stay when the models of hardware get better."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sim.cost.step.step_cost", lambda *_, max_batch, **__: cost(max_batch=max_batch))
    (tmp_path / "small.toml").write_text(SMALL)
    assert simulate("small.toml", "--out", "out").exit_code == 0
    return "out"


def simulate(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def test_json_without_changes_is_what_the_run_printed(result):
    found = json.loads(simulate("price", result, "--json").stdout)
    stored = results.read(result).summary
    assert (found.pop("name"), found.pop("changes")) == ("small", [])
    assert found == {key: stored[key] for key in found}
    assert {"cost", "revenue", "margin", "scenario_sha256"} <= set(found)


def test_output(result):
    changes = ("--set", "cost.depreciation_years=3", "--set", "site.electricity_usd_per_kwh=0.2")
    golden.check("price.txt", simulate("price", result, *changes).stdout)


def test_mistakes_are_explained(result):
    for change, said in (("pool.0.replicas=2", "is not a price"), ("cost.basis=lease", "allowed: own, rent")):
        done = simulate("price", result, "--set", change)
        assert done.exit_code == 2
        assert said in done.stderr
        assert done.stdout == ""
    assert simulate("price", "nowhere").exit_code == 2
