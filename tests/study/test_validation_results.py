from __future__ import annotations

import csv

import pytest

from sim.study import validation_results as R
from sim.study.validate import answers, read_files
from sim.study.validation_readme import readme
from tests.study.measured import STATIC, write_rows


@pytest.fixture
def found(tmp_path):
    rows = [
        {**STATIC, "accelerator": chip, "value": value}
        for chip, value in (("H100", "500"), ("A100-80GB", "1000"))
    ]
    return answers(read_files([write_rows(tmp_path / "m.csv", [*rows, {**STATIC, "model": "acme/secret"}])]))


def test_tables_hold_errors_and_the_unanswered(found, tmp_path):
    R.write_tables(found, tmp_path / "out")
    with (tmp_path / "out" / "by_generation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["generation"], r["rows"]) for r in rows] == [("ampere", "1"), ("hopper", "1")]
    with (tmp_path / "out" / "unanswered.csv").open() as file:
        assert "acme/secret" in next(csv.DictReader(file))["why"]


def test_generations_are_compared_on_the_same_work(found):
    (row,) = R.generation_ratios(found)
    assert (row["newer"], row["older"], row["pairs"]) == ("H100", "A100", 1)
    assert row["measured_ratio"] == pytest.approx(0.5)
    assert 0.2 < row["predicted_ratio"] < 1


def test_the_worst_come_first(found):
    worst = R.worst_rows(found)
    apes = [abs(w["predicted"] / w["measured"] - 1) for w in worst]
    assert apes == sorted(apes, reverse=True)


def test_the_page_states_every_aim(found):
    left_out = [
        {
            "left_out": "stack",
            "by": "all",
            "group": "",
            "metric": "tpot",
            "rows": 3,
            "median_ape": 0.125,
            "p90_ape": 0.4,
        }
    ]
    page = readme(found, left_out, "2031-01-02", "m.csv")
    assert "| stack | tpot | 3 | 12.5 % | 40.0 % | 14.0 % |" in page
    assert "2031-01-02" in page


def test_plots_are_drawn(found, tmp_path):
    pytest.importorskip("matplotlib")
    R.plot(found, tmp_path / "a.png")
    R.plot_held_out([], R.in_sample_medians(found), tmp_path / "b.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
