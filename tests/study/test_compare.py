"""Accelerators under one demand: equal requests, ratios of paired runs, and a reason where a model does not fit."""

from __future__ import annotations

import pytest

from sim.errors import ScenarioError, UserError
from sim.report.compare_measured import measured_ratios
from sim.study.compare import compare_accelerators, racks
from sim.study.compare_files import compare_scenarios
from sim.study.plan_deployments import known_accelerators, precision_on, screen
from tests.study.planning import chat


@pytest.fixture(scope="module")
def report():
    chips = known_accelerators(["A100", "H100", "L4"])
    return compare_accelerators(chat("workload.0.slo.ttft=0.2", "workload.0.slo.tpot=0.006"), chips)


def test_rows_are_in_the_order_asked(report):
    assert [r["accelerator"][:4] for r in report["rows"]] == ["A100", "H100", "L4-P"]
    assert report["base"] == "A100-SXM-80GB"


def test_each_fleet_meets_the_targets(report):
    for row in report["rows"][:2]:
        e = row["equal_slo"]
        assert e["probability"] >= 0.9 and min(e["attainment"]) > 0.98
        assert e["accelerators"] == e["replicas"] * row["deployment"][0]["accelerators_per_replica"]
        assert e["usd_per_mtok_output"] > 0 and e["racks"] >= 1


def test_ratios_are_to_the_base_of_paired_runs(report):
    base, newer = (r["ratio_to_base"] for r in report["rows"][:2])
    assert all(v["mean"] == 1 and v["low"] == pytest.approx(1) for v in base.values())
    rows = [r["equal_slo"] for r in report["rows"][:2]]
    ratio = newer["usd_per_mtok_output"]
    assert ratio["low"] <= ratio["mean"] <= ratio["high"]
    assert ratio["mean"] == pytest.approx(
        rows[1]["usd_per_mtok_output"] / rows[0]["usd_per_mtok_output"], rel=0.01
    )
    assert newer["accelerators"]["mean"] == rows[1]["accelerators"] / rows[0]["accelerators"]


def test_a_chip_that_cannot_says_why(report):
    row = report["rows"][2]
    assert not row["fits"] and row["equal_slo"] is None
    assert "alone" in row["why_not"] or "steps within" in row["why_not"]
    assert row["equal_count"]["rps_at_slo"] is None


def test_equal_count_is_the_bases_count(report):
    base, newer = (r["equal_count"] for r in report["rows"][:2])
    assert base["accelerators"] == newer["accelerators"] == report["count"]
    assert base["rps_at_slo"] >= 0.97 * 20  # the fleet that was sized for 20 requests/s holds them
    assert newer["ratio_rps"] > 1


def test_what_does_not_fit_memory_is_refused_with_the_shortage():
    made = chat("workload.0.model=DeepSeek-V3", "pool.0.model=DeepSeek-V3", "pool.0.tensor_parallel=8")
    found = screen(made, made.pools[0], "Groq-LPU-v1")
    assert not found.deployments and "does not fit" in found.why_not


def test_no_chip_at_all_is_an_error():
    with pytest.raises(UserError):
        compare_accelerators(chat("workload.0.slo.tpot=0.0001"), ["A100-SXM-80GB"])


def test_a_chip_without_a_price_says_so():
    rows = compare_accelerators(chat("cost.basis=rent"), ["Ascend-910B", "H100-SXM-80GB"])["rows"]
    assert not rows[0]["fits"] and "rent" in rows[0]["why_not"]
    assert rows[1]["fits"] and rows[1]["equal_slo"]["capex_usd"] is None


def test_unknown_chips_are_named_with_the_nearest():
    with pytest.raises(ScenarioError) as raised:
        known_accelerators(["H100", "H1000", "B20"])
    assert str(raised.value).count("--accelerators") == 2 and "H100" in str(raised.value)


def test_precisions_fall_to_what_a_chip_has():
    assert precision_on("H100-SXM-80GB", "fp8") == "fp8"
    assert precision_on("V100-SXM-32GB", "fp8") == "fp16"
    assert precision_on("TPU-v5p", "fp8") == "int8"
    assert precision_on("TPU-v5p", "bf16") == "bf16"


def test_racks_hold_whole_servers():
    assert racks("H100-SXM-80GB", 1) == 1
    assert racks("H100-SXM-80GB", 4.1) == 3  # five servers of 10.2 kW, two in a rack of 30 kW
    assert racks("GB200-NVL72-186GB", 0.2) == 1
    assert racks("GB200-NVL72-186GB", 2) == 2


def test_a_scenario_beside_itself_is_equal_in_everything():
    made = chat("duration=1 min", "warmup=10 s")
    cheaper = chat("duration=1 min", "warmup=10 s", "site.electricity_usd_per_kwh=0.01")
    found = compare_scenarios([made, made, cheaper], ["a", "b", "c"], replications=3)
    same, less = found["rows"][1]["ratio_to_base"], found["rows"][2]["ratio_to_base"]
    assert all(v["mean"] == pytest.approx(1) for v in same.values())
    assert less["usd_per_hour"]["mean"] < 1 and less["ttft_p99_s"]["mean"] == pytest.approx(1)


def test_measured_ratios_stand_beside_the_fleets(report, tmp_path):
    table = tmp_path / "generations.csv"
    table.write_text(
        "newer,older,source,model,metric,pairs,measured_ratio,predicted_ratio\n"
        "H100,A100,somewhere,Llama-3.1-8B,tokens_per_s_output,9,1.9,2.02\n"
        "H100,A100,somewhere,Mistral-7B,tokens_per_s_output,9,1.9,2.02\n"
        "B200,H100,somewhere,Llama-3.1-8B,tpot_ms_p50,9,0.8,0.7\n"
    )
    (row,) = measured_ratios(report, table)
    each = [r["equal_slo"]["tokens_per_s_per_accelerator"] for r in report["rows"][:2]]
    assert row["measured_ratio"] == 1.9 and row["fleet_ratio"] == pytest.approx(each[1] / each[0])
    table.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="needs the columns"):
        measured_ratios(report, table)
