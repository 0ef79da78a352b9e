from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sim.scenario.expression import PARAMETERS, evaluate, value_type
from sim.scenario.fields import Refusal

GIVEN = {"samples": 40.0, "questions": 6.0}
ADAPTER = TypeAdapter(value_type(0, 100))
DELAY = TypeAdapter(value_type(0, 100, duration=True))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("samples", 40),
        ("20 * questions", 120),
        ("1 + samples", 41),
        ("(20 + 50) * questions / 211", 420 / 211),
        ("samples - 1 - 2", 37),
        ("3", 3),
    ],
)
def test_arithmetic(text, value):
    assert evaluate(text, GIVEN) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "samples **2",
        "samples(3)",
        "__import__('os')",
        "a if b else c",
        "'x'",
        "True",
        "1 +",
        "samples.real",
        "-3",
        "[1]",
        "1e400",
        "(" * 500 + "1" + ")" * 500,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(Refusal, match="cannot be read"):
        evaluate(text, GIVEN)


def test_unknown_names_and_divisions_by_zero_are_refused():
    with pytest.raises(Refusal) as caught:
        evaluate("2 * sample", GIVEN)
    assert "did you mean" in caught.value.hint
    assert "samples" in caught.value.hint
    with pytest.raises(Refusal, match="divides by zero"):
        evaluate("1 / (samples - 40)", GIVEN)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 1000))
def test_precedence_is_that_of_python(a, b, c):
    names = {"a": float(a), "b": float(b), "c": float(c)}
    assert evaluate("a + b * c - a / c", names) == a + b * c - a / c


def test_a_value_waits_for_its_parameters():
    assert ADAPTER.validate_python(3) == 3.0
    assert ADAPTER.validate_python("samples") == "samples"
    assert ADAPTER.validate_python("samples", context={PARAMETERS: GIVEN}) == 40.0
    for wrong in (101, -1, True, None):
        with pytest.raises(ValidationError):
            ADAPTER.validate_python(wrong)
    with pytest.raises(ValidationError, match="at most 100; given 400"):
        ADAPTER.validate_python("10 * samples", context={PARAMETERS: GIVEN})


def test_a_delay_is_a_duration_or_arithmetic_in_seconds():
    assert DELAY.validate_python("300 ms") == 0.3
    assert DELAY.validate_python("questions", context={PARAMETERS: GIVEN}) == 6.0
