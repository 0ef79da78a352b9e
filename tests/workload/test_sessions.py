"""The program of a session, and what it comes to in the mean, by hand."""

from __future__ import annotations

import pytest

from sim.scenario.session import Session
from sim.workload.expected import expected
from sim.workload.sessions import session_program

PROMPT, ANSWER, QUESTION = 100, 20, 30


def reckoned(turns: dict, **rest):
    session = Session.model_validate(
        {"turns": turns, "think": 1.0, "question": {"mean": QUESTION, "cv": 0}, **rest}
    )
    return expected(session_program(session, "Llama-3.1-8B"), PROMPT, ANSWER)


def test_four_turns():
    found = reckoned({"kind": "fixed", "turns": 4})
    assert (found.passes, found.output_tokens) == (4, 4 * ANSWER)
    assert found.input_tokens == 100 + 150 + 200 + 250


def test_a_limit_holds_for_every_turn():
    assert reckoned({"kind": "fixed", "turns": 4}, context_limit=160).input_tokens == 100 + 150 + 160 + 160


@pytest.mark.parametrize("mean", [1.0, 2.0, 5.0])
def test_geometric_turns(mean):
    """Turn k comes with probability q^(k-1), q = 1 - 1 / mean, and reads 50 (k - 1) tokens more than the first."""
    found = reckoned({"kind": "geometric", "mean": mean})
    q = 1 - 1 / mean
    assert found.passes == pytest.approx(mean)
    assert found.input_tokens == pytest.approx(PROMPT * mean + 50 * q * mean**2)
    assert found.output_tokens == pytest.approx(ANSWER * mean)


def test_at_most_so_many_turns():
    found = reckoned({"kind": "geometric", "mean": 4.0, "most": 3})
    assert found.passes == pytest.approx(1 + 0.75 + 0.75**2)


def test_turns_count_as_requests():
    session = Session.model_validate(
        {"turns": {"kind": "fixed", "turns": 1}, "think": 0.0, "question": {"mean": 1, "cv": 0}}
    )
    program = session_program(session, "Llama-3.1-8B")
    assert program.passes_are_requests and program.session and not program.is_plain
