"""[[technique.stage]]: calls in parallel, what they read and emit, and what follows them.

The tables mirror `sim.workload.program`; here, numbers may still be expressions over the technique's parameters.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from sim.errors import did_you_mean
from sim.scenario.expression import value_type
from sim.scenario.fields import Name, Refusal, Table

MOST_TOKENS = 1e8
OUTPUTS = ("all", "own", "others")
"""Kinds of texts that are outputs of a stage."""

Tokens = value_type(0, MOST_TOKENS)
Factor = value_type(0, 1e6)
Share = value_type(0, 1)
Spread = value_type(0, 100)
Delay = value_type(0, 30 * 86_400, duration=True)


class Text(Table):
    """One text that a call reads."""

    kind: Literal["template", "prompt", "all", "own", "others", "transcript"] = Field(
        description="template: instructions, the same for every request. prompt: what the user sent. all, own, "
        "others: outputs of the latest execution of `stage`: of all its calls, of the call with the same place, "
        "of the rest. transcript: what this stage's call of the same place has emitted and been told so far.",
        examples=["all"],
    )
    stage: str = Field(
        default="", description="Stage whose outputs are read: all, own, others.", examples=["draft"]
    )
    tokens: Tokens = Field(default=0.0, description="Length of a template [tokens].", examples=[100])  # pyright: ignore[reportInvalidTypeForm]
    share: Share = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=1.0,
        description="Part of each output that is read (less what a model thought before it answered) [1].",
        examples=[0.5],
    )
    name: str = Field(
        default="",
        description="Name of a template: those of one name and length are one text, that passes share.",
        examples=["instructions"],
    )

    @model_validator(mode="after")
    def _fits_kind(self) -> Text:
        if self.kind in OUTPUTS and not self.stage:
            raise Refusal(
                f'"{self.kind}" needs the stage whose outputs are read',
                f'for example {{ kind = "{self.kind}", stage = "draft" }}',
            )
        if self.kind not in OUTPUTS and (self.stage or self.share != 1.0):
            raise Refusal(f'"{self.kind}" takes neither stage nor share', "all, own and others do")
        if self.kind != "template" and (self.tokens != 0.0 or self.name):
            raise Refusal(f'"{self.kind}" takes neither tokens nor name: its length follows from the run')
        return self


class Draw(Table):
    """A random whole number: constant + per_prompt x the prompt's tokens + per_answer x the answer's tokens +
    per_previous x the mean output of the preceding stage, in the mean; fixed, or lognormal where cv is above 0."""

    constant: Factor = Field(default=0.0, description="Part that is always the same.", examples=[20])  # pyright: ignore[reportInvalidTypeForm]
    per_prompt: Factor = Field(default=0.0, description="For each token of the prompt.", examples=[0.1])  # pyright: ignore[reportInvalidTypeForm]
    per_answer: Factor = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=0.0,
        description="For each token of the answer that the workload's lengths give the request.",
        examples=[1],
    )
    per_previous: Factor = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=0.0,
        description="For each token of the preceding stage's mean output (stages in the order of the file).",
        examples=[0.5],
    )
    cv: Spread = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=0.0, description="Coefficient of variation: standard deviation over mean [1].", examples=[1]
    )
    least: Tokens = Field(default=0.0, description="Draws below are raised to it.", examples=[1])  # pyright: ignore[reportInvalidTypeForm]
    most: Tokens = Field(default=MOST_TOKENS, description="Draws above are cut to it.", examples=[4096])  # pyright: ignore[reportInvalidTypeForm]

    @property
    def bound(self) -> float | None:
        """The largest draw there can be; None where only `most` would tell, and it was not given."""
        numbers = (self.constant, self.cv, self.per_prompt, self.per_answer, self.per_previous)
        constant, *rest = (float(n) for n in numbers)
        if float(self.most) < MOST_TOKENS:
            return round(float(self.most))
        return None if any(rest) else max(float(self.least), constant)


def _number_as_draw(value: object) -> object:
    """`3` and `"samples"` stand for a constant."""
    return value if isinstance(value, dict | Draw) else {"constant": value}


AnyDraw = Annotated[Draw, BeforeValidator(_number_as_draw, json_schema_input_type=Draw | float | str)]


def _word_as_text(value: object) -> object:
    """`"prompt"` stands for { kind = "prompt" }."""
    return {"kind": value} if isinstance(value, str) else value


AnyText = Annotated[Text, BeforeValidator(_word_as_text, json_schema_input_type=Text | str)]


class ToolUse(Table):
    """A search, an execution or a lookup before a stage's calls: it takes time, and its result is read."""

    delay_s: Delay = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=0.0, alias="delay", description="Mean time that it takes [s].", examples=["300 ms"]
    )
    delay_cv: Spread = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=0.0, description="Coefficient of variation of that time, lognormal [1].", examples=[0.5]
    )
    tokens: AnyDraw = Field(
        default_factory=Draw,
        description="What each call reads of the result, after its other texts [tokens].",
        examples=[3000],
    )
    first: bool = Field(
        default=True,
        description="Whether it also runs before the stage's first execution, as a retrieval does; the result "
        "of an action only comes from the second on.",
        examples=[False],
    )


class Loop(Table):
    """After a stage, go back to `stage` until what lies between has run `times` in all, or a chance ends it."""

    stage: Name = Field(description="Stage to go back to: an earlier one, or the stage itself.")
    times: AnyDraw = Field(
        description="Executions in all, at least 1, drawn once for each request.", examples=[3]
    )
    stop: Share = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=0.0,
        description="Probability, after each execution, that the loop ends early: a success [1].",
        examples=[0.3],
    )


class Stage(Table):
    """Calls in parallel; the next stage begins when the last of them has ended."""

    name: Name = Field(description="Unique name.", examples=["draft"])
    model: str = Field(
        default="",
        description="Role of the model that computes them, such as judge, which a workload gives a model "
        "(`models`); default: the workload's own model.",
        examples=["judge"],
    )
    reads: tuple[AnyText, ...] = Field(
        default=(Text(kind="prompt"),),
        description='What each call reads, from the front: tables with a `kind`, or the words "prompt" and '
        '"transcript".',
        examples=[[{"kind": "template", "tokens": 40}, "prompt", {"kind": "all", "stage": "draft"}]],
    )
    calls: AnyDraw = Field(default=Draw(constant=1), description="Number of calls.", examples=["samples"])
    output: AnyDraw = Field(
        default=Draw(per_answer=1),
        description="What each call generates [tokens]: as long as the workload's answer unless given.",
        examples=[{"per_answer": 1}, "20 * questions"],
    )
    tool: ToolUse = Field(default_factory=ToolUse, description="What happens before the calls.")
    probability: Share = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=1.0,
        description="Probability that the stage is run at all, drawn each time [1].",
        examples=[0.5],
    )
    first: bool = Field(
        default=True,
        description="Whether it is run in the first execution of the loop that it is in: a critique has nothing "
        "to read before the first draft.",
        examples=[False],
    )
    repeat: Loop | None = Field(default=None, description="Where to go back to.")
    longest_input: Tokens = Field(  # pyright: ignore[reportInvalidTypeForm]
        default=MOST_TOKENS,
        description="Tokens that a call reads at most; beyond it the beginning of its last growing text is left "
        "out.",
        examples=[32_000],
    )


def place(stages: tuple[Stage, ...], name: str) -> int:
    """Index of the stage called `name`; raises Refusal with the nearest names where there is none."""
    names = [s.name for s in stages]
    if name not in names:
        raise Refusal(
            f'there is no stage "{name}"', did_you_mean(name, names) or f"stages: {', '.join(names)}"
        )
    return names.index(name)


def check_loop(stages: tuple[Stage, ...], index: int) -> None:
    """Raises Refusal where the stage goes back to a later one, or its loop reaches into another."""
    loop, name = stages[index].repeat, stages[index].name
    if loop is None:
        return
    start = place(stages, loop.stage)
    if start > index:
        raise Refusal(f'stage "{name}" cannot go back to "{loop.stage}", which comes after it')
    for other in stages[start:index]:
        if other.repeat is not None:
            raise Refusal(
                f'the loops that end at "{other.name}" and "{name}" overlap', "a stage is in one loop only"
            )


def check_reads(stages: tuple[Stage, ...], index: int) -> None:
    """Raises Refusal where the stage reads what has not run before it."""
    last = max(
        (i for i, s in enumerate(stages) if s.repeat and place(stages, s.repeat.stage) <= index <= i),
        default=index,
    )
    for text in stages[index].reads:
        if text.kind in OUTPUTS and place(stages, text.stage) > last:
            raise Refusal(f'stage "{stages[index].name}" reads "{text.stage}", which comes after it')
    if not stages[index].first and not any(
        s.repeat and place(stages, s.repeat.stage) <= index <= i for i, s in enumerate(stages)
    ):
        raise Refusal(f'stage "{stages[index].name}" would never run: first = false, and no loop around it')
