"""Result files become rows that say what was measured; what they leave open is asked for by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.errors import UserError
from sim.study.imported import ResultFile, parse_facts, rows
from sim.study.rows import COLUMNS, cases, read_rows
from sim.study.setup import Reading, Unanswered, read
from sim.study.validate import validate
from tests.study.imported.files import FACTS, guidellm, inference_perf, vllm


@pytest.fixture
def saved(tmp_path):
    def save(*entries: Any, name: str = "result.json") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(json.dumps(e) for e in entries))
        return path

    return save


def metrics(found: list[dict[str, str]]) -> dict[str, float]:
    return {row["metric"]: float(row["value"]) for row in found}


def test_vllm_bench(saved):
    found = rows(saved(vllm(failed=3, output_lens=[100, 300])), parse_facts([FACTS]))
    assert all(set(row) <= set(COLUMNS) for row in found)
    row = found[0]
    assert row["source"] == "vllm bench serve" and row["model"] == "meta-llama/Llama-3.1-70B-Instruct"
    assert (row["scenario"], row["batch_or_concurrency"]) == ("closed-loop", "32")
    assert (row["input_len"], row["output_len"]) == ("1000", "200")
    assert (row["tp"], row["num_gpus"], row["framework"]) == ("4", "4", "vllm 0.11")
    assert row["notes"] == "measured=20260301; requests=320; failed=3; length_cv=0.5"
    assert metrics(found) == {
        "requests_per_s": 3.2,
        "tokens_per_s_output": 640.0,
        "tokens_per_s_total": 3840.0,
        "ttft_ms_mean": 400.0,
        "ttft_ms_p50": 350.0,
        "ttft_ms_p99": 1500.0,
        "tpot_ms_mean": 30.0,
        "tpot_ms_p50": 29.0,
        "tpot_ms_p99": 45.0,
    }


@pytest.mark.parametrize(
    ("keys", "scenario", "size"),
    [
        ({}, "closed-loop", "32"),
        ({"max_concurrency": 1}, "serial", "1"),
        ({"max_concurrency": None}, "burst", "320"),
        ({"max_concurrency": None, "request_rate": 2.5}, "open-loop poisson", "2.5"),
        ({"max_concurrency": None, "request_rate": 2.5, "burstiness": 0.5}, "gamma gaps", "2.5"),
        ({"request_rate": 2.5}, "a rate with a cap on clients", "2.5"),
    ],
)
def test_loads_of_vllm_bench(saved, keys, scenario, size):
    path = saved(vllm(**keys))
    row = rows(path, parse_facts([FACTS]))[0]
    assert (row["scenario"], row["batch_or_concurrency"]) == (scenario, size)
    found = read(cases(read_rows([ResultFile(str(path), parse_facts([FACTS]))]))[0])
    assert isinstance(found, Unanswered) == (scenario in ("gamma gaps", "a rate with a cap on clients"))


def test_metadata_of_vllm_bench_are_facts_and_appended_results_are_all_read(saved):
    own = {"accelerator": "H100-SXM-80GB", "tp": "4", "precision": "fp8"}
    path = saved(vllm(**own), vllm(**own, max_concurrency=64))
    assert {row["batch_or_concurrency"] for row in rows(path)} == {"32", "64"}
    assert {row["accelerator"] for row in rows(path)} == {"H100-SXM-80GB"}


@pytest.mark.parametrize("older", [False, True])
def test_guidellm(saved, older):
    strategies = (
        {"type_": "synchronous"},
        {"type_": "concurrent", "streams": 16},
        {"type_": "throughput", "max_concurrency": 64},
        {"type_": "constant", "rate": 3.0},
        {"type_": "poisson", "rate": 4.0},
    )
    found = rows(saved(guidellm(*strategies, older=older)), parse_facts([FACTS]))
    loads = list(dict.fromkeys((r["scenario"], r["batch_or_concurrency"]) for r in found))
    assert loads == [
        ("serial", ""),
        ("closed-loop", "16"),
        ("closed-loop", "64"),
        ("constant gaps", "3"),
        ("open-loop poisson", "4"),
    ]
    assert {r["source"] for r in found} == {"guidellm 0.5.0"}
    assert {r["model"] for r in found} == {"meta-llama/Llama-3.1-8B-Instruct"}
    assert found[0]["notes"] == "requests=500; failed=2; length_cv=0.25; tpot=weighted by tokens"
    first = metrics(found[:14])
    assert first["latency_ms"] == 6500 and first["tpot_ms_mean"] == 25 and first["ttft_ms_p99"] == 240
    assert first["tokens_per_s_output"] == 512 and first["tpot_ms_p50"] == 22.5


@pytest.mark.parametrize("older", [False, True])
def test_inference_perf(saved, older):
    path = saved(inference_perf({"requested_rate": 10.0, "achieved_rate": 9.9}, older))
    found = rows(path, parse_facts([FACTS, "model=Llama-3.1-8B,load=poisson"]))
    assert (found[0]["scenario"], found[0]["batch_or_concurrency"]) == ("open-loop poisson", "10")
    assert (found[0]["input_len"], found[0]["output_len"]) == ("500", "200")
    seen = metrics(found)
    assert seen["ttft_ms_mean"] == pytest.approx(90) and seen["tpot_ms_p99"] == pytest.approx(24)
    assert seen["latency_ms"] == pytest.approx(2500) and seen["requests_per_s"] == 10
    closed = saved(inference_perf({"concurrency": 8}, older))
    row = rows(closed, parse_facts([FACTS, "model=Llama-3.1-8B"]))[0]
    assert (row["scenario"], row["batch_or_concurrency"]) == ("closed-loop", "8")


def test_what_is_missing_is_named(saved):
    path = saved(inference_perf({"requested_rate": 10.0}))
    with pytest.raises(UserError) as caught:
        rows(path, parse_facts(["accelerator=H100,tp=4"]))
    assert str(caught.value) == (
        "this result of inference-perf does not say precision, model, framework, load\n"
        '    say it with --describe precision=fp8,model=Llama-3.1-70B,framework="vllm 0.11",load=poisson, or in '
        "result.toml beside the file"
    )


def test_a_toml_file_beside_the_result_describes_it(saved, tmp_path):
    path = saved(vllm())
    (tmp_path / "result.toml").write_text('accelerator = "B200"\ntp = 2\nprecision = "fp4"\n')
    row = rows(path)[0]
    assert (row["accelerator"], row["tp"], row["precision"], row["framework"]) == ("B200", "2", "fp4", "vllm")
    assert rows(path, {"tp": "8"})[0]["tp"] == "8"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["acelerator=H100"], 'is not a fact of a measurement\n    did you mean "accelerator"'),
        (["accelerator"], "write key=value"),
        (["none.toml"], "cannot be read"),
    ],
)
def test_descriptions_that_are_none(given, says):
    with pytest.raises(UserError, match=says):
        parse_facts(given)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"a": 1, "b": 2}, "is not a result of a known tool; its keys are a, b"),
        ([1], "it is no table"),
        (vllm(completed=0), "no request was completed"),
        (inference_perf({}), "a summary over stages of different load"),
        ({"benchmarks": []}, "holds no finished measurement"),
        (vllm(load="often"), '"often" is not known; allowed: poisson'),
        (vllm(tp="four"), "must be whole numbers"),
    ],
)
def test_files_that_are_no_results(saved, entry, says):
    with pytest.raises(UserError, match=says):
        rows(
            saved(entry),
            parse_facts(["accelerator=H100,precision=fp8", *([] if "tp" in entry else ["tp=4"])]),
        )


def test_text_that_is_no_json(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": 1')
    with pytest.raises(UserError, match="is not JSON"):
        rows(path)


def test_the_measured_count_and_spread_of_lengths_are_replayed(saved):
    path = saved(vllm(output_lens=[100, 300]))
    found = read(cases(read_rows([ResultFile(str(path), parse_facts([FACTS]))]))[0])
    assert isinstance(found, Reading)
    protocol = found.setup.protocol
    assert (protocol.kind, protocol.size, protocol.requests, protocol.spread) == ("closed", 32, 320, 0.5)


def test_validate_predicts_a_result_file(saved):
    path = saved(vllm())
    report = validate([ResultFile(str(path), parse_facts([FACTS]))])
    assert report["unanswered"] == []
    assert report["overall"]["tpot_ms_mean"]["answered"] == 1
    assert report["overall"]["tpot_ms_mean"]["median_ratio"] > 0


def test_import_writes_rows_that_validate_takes(saved, tmp_path):
    path, out = saved(vllm()), tmp_path / "rows.csv"
    done = CliRunner().invoke(main, ["import", str(path), "--describe", FACTS, "--out", str(out)])
    assert done.exit_code == 0 and "9 rows in" in done.output
    found = read_rows([out])
    assert [r.text["metric"] for r in found][:2] == ["requests_per_s", "tokens_per_s_output"]
    said = CliRunner().invoke(main, ["validate", str(path)])
    assert said.exit_code == 2
    assert "does not say accelerator, tp, precision" in said.output
