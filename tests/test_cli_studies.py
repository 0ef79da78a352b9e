"""`simulate validate` and `simulate calibrate` on a measured file of a few rows."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from sim.cli import main

HEADER = (
    "source,url_or_repo_path,commit_or_version,accelerator,num_gpus,tp,pp,model,precision,framework,scenario,"
    "batch_or_concurrency,input_len,output_len,metric,value,notes"
)
ROWS = [
    f"mine,here,1,NVIDIA H100-SXM-80GB,1,1,1,meta-llama/Llama-3.1-8B,bf16,vLLM 0.9 (2025),static,{batch},512,128,"
    f"latency_ms,{value},"
    for batch, value in ((1, 1100), (8, 1250), (32, 1600), (64, 2100))
] + [
    "mine,here,1,NVIDIA H100-SXM-80GB,1,1,1,no-such-model,bf16,vLLM 0.9 (2025),static,1,512,128,latency_ms,9,"
]


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    return str(path)


def simulate(*arguments):
    return CliRunner().invoke(main, arguments)


def test_validate_keeps_its_contract(measured):
    done = simulate("validate", measured, "--json")
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["overall"]["latency_ms"]["rows"] == 5
    assert report["overall"]["latency_ms"]["answered"] == 4
    assert (
        0 <= report["overall"]["latency_ms"]["median_ape"] <= report["overall"]["latency_ms"]["p90_ape"] < 1
    )
    assert sum(g["rows"] for g in report["groups"]) == 5
    assert "no-such-model" in json.dumps(report["unanswered"])


def test_validate_prints_errors_and_what_was_not_answered(measured):
    text = simulate("validate", measured).stdout
    assert "latency_ms" in text and "no-such-model" in text and "%" in text


def test_validate_refuses_what_is_not_of_the_schema(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    assert simulate("validate", str(path)).exit_code == 2
    assert simulate("validate", str(tmp_path / "missing.csv")).exit_code == 2


def test_a_stack_of_ones_own(measured, tmp_path):
    out = tmp_path / "mine.toml"
    done = simulate("calibrate", measured, "--stack", "my-stack", "--date", "2026-01-02", "--out", str(out))
    assert done.exit_code == 0, done.output
    text = out.read_text()
    assert "my-stack" in text and "2026-01-02" in text and "sigma" in text
    assert str(out) in done.stdout
    assert os.environ.get("DATACENTER_SIM_CALIBRATION") is None


def test_cross_validation_is_of_the_whole_catalog(measured):
    done = simulate("calibrate", measured, "--stack", "my-stack", "--cross-validate")
    assert done.exit_code == 2
    assert "--cross-validate" in done.stderr
