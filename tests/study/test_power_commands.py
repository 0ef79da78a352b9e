"""`simulate calibrate --power` and `simulate validate --power` on a file of made-up boards."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.cost.calibration import packaged_calibration, packaged_calibrations, read_calibration
from sim.study.tree import POWER, TIMING
from tests.study.test_power_fit import hot_rows


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return str(hot_rows(tmp_path_factory.mktemp("measured")))


def simulate(*arguments):
    return CliRunner().invoke(main, arguments)


def test_power_is_calibrated_and_times_stay_as_they_are(measured, tmp_path):
    out = tmp_path / "power.toml"
    done = simulate("calibrate", measured, "--power", "--date", "2031-01-02", "--out", str(out))
    assert done.exit_code == 0, done.output
    before, after = packaged_calibration(packaged_calibrations()[-1]), read_calibration(out)
    assert after["calibration"]["date"] == "2031-01-02"
    assert after["stack"] == before["stack"] and after["precision"] == before["precision"]
    for generation, table in before["generation"].items():
        assert after["generation"][generation].get("factor") == table.get("factor")
    assert not set(TIMING) & set(after["generation"]["hopper"]["set"])
    assert set(after["generation"]["hopper"]["set"]) == set(POWER)
    assert after["generation"]["hopper"]["set"] != before["generation"]["hopper"]["set"]
    assert "measured powers of somebody" in after["sources"]["fit-power"]
    # a generation without rows gets no entry: what was calibrated before holds for it
    assert "set" not in after["generation"]["volta"]


def test_power_is_reported_to_a_folder(measured, tmp_path):
    pytest.importorskip("matplotlib")
    done = simulate("validate", measured, "--power", str(tmp_path / "power"), "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["power"]
    assert {r["generation"] for r in rows} == {"all", "ampere", "hopper"}
    assert (tmp_path / "power" / "errors.csv").exists()


def test_power_alone_goes_with_nothing_else(measured):
    done = simulate("calibrate", measured, "--power", "--cross-validate")
    assert done.exit_code == 2
    assert "--power" in done.output
