"""workload.session: an arrival is a user's conversation of several turns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from sim.scenario.fields import Count, NotNegative, Number, Seconds, Table, name_or_kind
from sim.scenario.lengths import MOST_TOKENS, MeanCv

MOST_TURNS = 10_000
"""Within what a program of passes may have."""

Most = Annotated[Count, Field(le=MOST_TURNS, description="Turns that a session has at most.", examples=[200])]


class GeometricTurns(Table):
    """After each turn a session ends with the same probability, 1 / mean: without memory."""

    kind: Literal["geometric"]
    mean: Number = Field(
        ge=1,
        le=MOST_TURNS,
        description="Mean turns of a session (of those that `most` does not end).",
        examples=[3.5],
    )
    most: Most = 1000


class FixedTurns(Table):
    """Every session has as many turns."""

    kind: Literal["fixed"]
    turns: Count = Field(le=MOST_TURNS, description="Turns of every session.", examples=[4])


class LognormalTurns(Table):
    """Lognormal, rounded to whole turns, at least one."""

    kind: Literal["lognormal"]
    mean: Number = Field(ge=1, le=MOST_TURNS, description="Mean turns, before rounding.", examples=[4])
    cv: NotNegative = Field(le=100, description="Standard deviation over mean [1].", examples=[1])
    most: Most = 1000


Turns = Annotated[
    Annotated[GeometricTurns, Tag("geometric")]
    | Annotated[FixedTurns, Tag("fixed")]
    | Annotated[LognormalTurns, Tag("lognormal")],
    Discriminator(name_or_kind),
]


class Think(Table):
    """A lognormal pause."""

    mean_s: Seconds = Field(alias="mean", ge=0, description="Mean [s].", examples=["1 min"])
    cv: NotNegative = Field(
        default=0.0, le=100, description="Standard deviation over mean [1].", examples=[1.5]
    )


def _pause(value: object) -> object:
    """A duration stands for a pause that is always the same."""
    return value if isinstance(value, dict | Think) else {"mean": value}


class Session(Table):
    """A conversation: the workload's lengths give its first prompt and the answer of every turn, and each turn reads
    the first prompt, all questions and all answers so far. Each turn is a request."""

    turns: Turns = Field(
        description="Turns of a session: a table with a `kind`.",
        examples=[{"kind": "geometric", "mean": 3.5}, {"kind": "fixed", "turns": 4}],
    )
    think: Annotated[Think, BeforeValidator(_pause, json_schema_input_type=Think | float | str)] = Field(
        description="Time from the end of an answer to the next question: a duration, or { mean, cv } of a lognormal "
        "distribution [s].",
        examples=["1 min", {"mean": "1 min", "cv": 1.5}],
    )
    question: MeanCv = Field(
        description="Tokens of each question after the first prompt: { mean, cv } of a lognormal distribution.",
        examples=[{"mean": 70, "cv": 1}],
    )
    context_limit: Count | None = Field(
        default=None,
        le=MOST_TOKENS,
        description="Tokens that a turn reads at most; of a longer history the beginning is left out, and with it what "
        "a prefix cache held of it. Default: as many as a replica has room for; a longer turn is rejected.",
        examples=[32_000],
    )
