from __future__ import annotations

import pytest

from sim.study.validate import answers, read_files, report, validate
from tests.study.measured import CLOSED, STATIC, write_rows


def test_every_row_is_counted_and_the_unanswered_say_why(tmp_path):
    rows = [
        CLOSED,
        {**CLOSED, "metric": "ttft_ms", "value": "200"},
        {**CLOSED, "metric": "smell", "value": "3"},
        {**STATIC, "model": "acme/secret"},
        {**STATIC, "model": "Llama-3.1-405B"},
        {**STATIC, "value": "0"},
    ]
    found = validate([write_rows(tmp_path / "m.csv", rows)])
    overall = found["overall"]
    assert overall["tpot_ms"]["rows"] == overall["tpot_ms"]["answered"] == 1
    assert (overall["latency_ms"]["rows"], overall["latency_ms"]["answered"]) == (3, 0)
    assert overall["latency_ms"]["median_ape"] is None
    whys = " ".join(u["why"] for u in found["unanswered"])
    for part in ("acme/secret", "does not fit", '"smell"', "zero"):
        assert part in whys
    assert sum(u["rows"] for u in found["unanswered"]) == 4
    assert sum(g["rows"] for g in found["groups"]) == len(rows)
    assert {"source", "accelerator", "model", "stack", "metric", "median_ape"} <= set(found["groups"][0])


def test_a_row_that_says_what_is_predicted_has_no_error(tmp_path):
    (first,) = answers(read_files([write_rows(tmp_path / "a.csv", [STATIC])]))
    rows = [{**STATIC, "value": repr(first.predicted * k)} for k in (1.0, 0.5, 2.0)]
    found = report(answers(read_files([write_rows(tmp_path / "b.csv", rows)])))
    e = found["overall"]["latency_ms"]
    assert e["median_ape"] == pytest.approx(0.5)  # of 0, 1 and 0.5
    assert [round(w["predicted"] / w["measured"], 6) for w in found["worst"]] == [2.0, 0.5, 1.0]


def test_other_names_of_a_metric_are_the_same_metric(tmp_path):
    rows = [{**CLOSED, "metric": m} for m in ("tpot_ms_p50", "itl_ms_median")]
    one, other = answers(read_files([write_rows(tmp_path / "m.csv", rows)]))
    assert one.predicted == other.predicted
