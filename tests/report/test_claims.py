"""The table of claims: text and comma-separated values."""

from __future__ import annotations

import csv
import io

from sim.report.claims import COLUMNS, csv_text, markdown, number, render

ROW = {
    "id": "a",
    "claim": "It is twice",
    "source": "Someone",
    "published": 2.0,
    "unit": "x",
    "simulated": 3.14159,
    "interval": [1.0, 12345.6],
    "interval_basis": "range of b",
    "verdict": "holds only if",
    "condition": "b is small",
    "flips": "b",
    "note": "",
}


def test_a_claim_in_lines():
    text = render([ROW])
    assert text.splitlines() == [
        "a: holds only if b is small",
        "  claim      It is twice",
        "  published  2 x; Someone",
        "  simulated  3.142 x, 1 to 12,346 by range of b",
        "  flips      b",
        "",
        "1 claims: 1 holds only if",
    ]


def test_a_claim_in_words_without_a_figure():
    text = render(
        [{**ROW, "published": "a lot", "simulated": None, "interval": None, "verdict": "not tested"}]
    )
    assert "published  a lot; Someone" in text
    assert "simulated  - x" in text


def test_the_table_has_a_line_for_each():
    rows = list(csv.DictReader(io.StringIO(csv_text([ROW, {**ROW, "interval": None}]))))
    assert list(rows[0]) == list(COLUMNS)
    assert (rows[0]["low"], rows[0]["high"], rows[1]["low"]) == ("1", "12345.6", "")
    assert rows[0]["simulated"] == "3.14159"


def test_numbers_are_short():
    assert [number(v) for v in (None, "", "words", 0.5, 87072, 2)] == [
        "-",
        "-",
        "words",
        "0.5",
        "87,072",
        "2",
    ]


def test_the_table_for_reading_has_a_row_for_each():
    lines = markdown([ROW, {**ROW, "simulated": None, "interval": None}]).splitlines()
    assert len(lines) == 4
    assert (
        lines[2]
        == "| **a**: It is twice | 2 | 3.142 x | 1 to 12,346; range of b | **holds only if** b is small |"
    )
    assert lines[3].count(" - |") == 2
