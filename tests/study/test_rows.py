from __future__ import annotations

import pytest

from sim.errors import UserError
from sim.study.rows import cases, first_number, parse_notes, read_rows
from tests.study.measured import CLOSED, write_rows


def test_rows_of_one_configuration_are_one_case(tmp_path):
    path = write_rows(tmp_path / "m.csv", [CLOSED, {**CLOSED, "metric": "ttft_ms"}, {**CLOSED, "tp": "8"}])
    rows = read_rows([path])
    assert [r.line for r in rows] == [2, 3, 4]
    assert [len(c.rows) for c in cases(rows)] == [2, 1]


def test_sizes_in_the_notes_tell_configurations_apart(tmp_path):
    noted = [{**CLOSED, "notes": f"attention_dp_size={n}"} for n in (1, 8)]
    assert len(cases(read_rows([write_rows(tmp_path / "m.csv", noted)]))) == 2


def test_a_missing_file_column_or_number_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_rows([tmp_path / "absent.csv"])
    (tmp_path / "bare.csv").write_text("source,model\na,b\n")
    with pytest.raises(UserError, match="accelerator: column is missing"):
        read_rows([tmp_path / "bare.csv"])
    with pytest.raises(UserError, match='line 2, value: "fast" is not a number'):
        read_rows([write_rows(tmp_path / "m.csv", [{**CLOSED, "value": "fast"}])])


@pytest.mark.parametrize(
    ("text", "number"), [("qps=25", 25.0), ("1.5e3 W", 1500.0), ("", None), ("inf", None)]
)
def test_first_number(text, number):
    assert first_number(text) == number


def test_notes_are_parsed_into_parts():
    notes = parse_notes("task=chat; avg batch=31.7; parallelism: TP = 2; free words")
    assert notes["task"] == "chat"
    assert notes["avg batch"] == "31.7"
    assert notes["parallelism"] == "TP = 2"
    assert notes[""].endswith("free words")
