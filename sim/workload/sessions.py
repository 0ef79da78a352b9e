"""From a workload's `session` to its program: one stage, a turn, that is repeated after the user has thought.

A turn reads the first prompt and all that has been asked and answered since. The user's thinking is the stage's tool:
it takes time, and brings the next question.
"""

from __future__ import annotations

from sim.scenario.session import FixedTurns, GeometricTurns, LognormalTurns, Session
from sim.workload.program import UNBOUNDED, Amount, Program, Read, Repeat, Stage, Tool

NAME = "session"


def session_program(session: Session, model: str) -> Program:
    """The program of a conversation with `model`."""
    question = session.question
    think = Tool(
        delay_s=session.think.mean_s,
        delay_cv=session.think.cv,
        tokens=Amount(constant=question.mean, cv=question.cv, least=1),
        first=False,
    )
    turn = Stage(
        "turn",
        model,
        reads=(Read("prompt"), Read("transcript")),
        drawn_output=True,
        tool=think,
        repeat=_repeat(session.turns),
        longest_input=session.context_limit or UNBOUNDED,
    )
    return Program(NAME, (turn,), session=True)


def _repeat(turns: GeometricTurns | FixedTurns | LognormalTurns) -> Repeat:
    """Geometric: after each turn the session ends with probability 1 / mean; at `most` it ends anyway."""
    if isinstance(turns, GeometricTurns):
        most = Amount(constant=turns.most, least=1, most=turns.most)
        return Repeat("turn", most, stop=1 / turns.mean if turns.mean > 1 else 1.0)
    if isinstance(turns, FixedTurns):
        return Repeat("turn", Amount(constant=turns.turns, least=1, most=turns.turns))
    return Repeat("turn", Amount(constant=turns.mean, cv=turns.cv, least=1, most=turns.most))
