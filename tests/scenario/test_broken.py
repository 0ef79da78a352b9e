"""Broken files and the words they are answered with.

`UPDATE_GOLDEN=1 pytest tests/scenario/test_broken.py` rewrites the expected text; read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario import load

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.toml"))
JARGON = (
    "pydantic",
    "union",
    " tag",  # not "stage"
    "discriminator",
    "validation error",
    "type=",
    "input_value",
    "BaseModel",
)


def answer(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert caught.value.source == str(path)
    return "".join(f"{fault}\n" for fault in caught.value.faults).replace(str(path.parent), "FOLDER")


def test_there_are_broken_files_and_no_answer_is_left_over():
    assert len(FILES) >= 10
    assert {p.stem for p in FILES} == {p.stem for p in FOLDER.glob("*.txt")}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_broken_file_is_answered_as_recorded(path):
    expected = path.with_suffix(".txt")
    text = answer(path)
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_jargon_reaches_the_user(path):
    text = answer(path)
    assert [word for word in JARGON if word in text] == []
