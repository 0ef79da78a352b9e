"""`simulate sweep` and `simulate run --uncertainty`: streams, exit codes, files."""

from __future__ import annotations

import json

import pytest

from tests.samples import SMALL
from tests.study.sweeps import written
from tests.study.test_sweep import POISON
from tests.test_cli import simulate

FEW = (
    POISON.replace("normal", "uniform").replace("mean = 1.1, sd = 0.1", "low = 1, high = 1.4")
    + "[sensitivity]\n"
)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda text, *words: simulate("sweep", written(tmp_path, text), "--processes", 1, *words)


def test_a_sweep_prints_bands_and_keeps_everything(sweep, tmp_path):
    pytest.importorskip("matplotlib")
    few = FEW.replace("points = 40", "points = 4")
    done = sweep(few)
    assert done.exit_code == 0, done.stderr
    assert "probability that it meets its SLO" in done.stdout
    assert "Sobol indices of cost.usd_per_request" in done.stdout
    kept = {p.name for p in (tmp_path / "runs" / "poison").iterdir() if not p.name.startswith("shard-")}
    assert kept == {"manifest.json", "results.parquet", "summary.json", "tornado.png"}
    assert "already holds a sweep" in sweep(few).stderr
    again = sweep(few, "--resume", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == json.loads((tmp_path / "runs" / "poison" / "summary.json").read_text())


def test_failures_are_listed_and_end_with_one(sweep):
    done = sweep(POISON, "--out", "there")
    assert done.exit_code == 1
    assert "runs failed:" in done.stdout
    assert "site.pue" in done.stdout


def test_where_to_run_is_said_once(sweep):
    done = sweep(POISON, "--workers", 2)
    assert done.exit_code == 2
    assert "--workers" in done.stderr


def test_a_wrong_file_is_the_users(sweep):
    done = sweep(POISON.replace("[sampling]", "[samplng]"))
    assert done.exit_code == 2
    assert 'did you mean "sampling"?' in done.stderr


def test_a_run_carries_its_bands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    done = simulate("run", "small.toml", "--uncertainty", 4, "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert "Uncertainty over 4 draws" in done.stdout
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    assert stored["uncertainty"]["figures"]["cost.usd_per_request"]["runs"] == 4
    plain = simulate("run", "small.toml", "--json")
    assert "uncertainty" not in json.loads(plain.stdout)
