"""[[technique]]: what a request makes its models compute, as stages of passes. The catalog's have this form too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sim.scenario.expression import PARAMETERS
from sim.scenario.fields import Name, Number, Refusal, Table
from sim.scenario.stage import MOST_TOKENS, Draw, Stage, check_loop, check_reads, place

Family = Literal["baseline", "layer", "prompting", "sampling", "verification", "reasoning", "agent"]
Confidence = Literal["datasheet", "measured", "press", "estimate", "unverified"]

MOST_PASSES = 16_000
"""Passes of one request, at most."""


class Parameter(Table):
    """A number that a workload may change."""

    name: Name = Field(description="Name, as workloads and expressions write it.", examples=["questions"])
    default: Number = Field(description="Value where a workload gives none.", examples=[6])
    about: Name = Field(description="What it means, with its unit.", examples=["Questions about a draft"])
    least: Number = Field(default=0.0, description="Smallest value allowed.", examples=[1])
    most: Number = Field(default=MOST_TOKENS, description="Largest value allowed.", examples=[100])
    whole: bool = Field(default=False, description="Whether it must be a whole number.", examples=[True])

    @field_validator("name")
    @classmethod
    def _usable(cls, value: str) -> str:
        if not value.isidentifier() or value in ("technique", "models"):
            raise Refusal(
                f'"{value}" cannot name a parameter', "use letters, digits and _, such as max_steps"
            )
        return value

    @model_validator(mode="after")
    def _default_allowed(self) -> Parameter:
        if message := self.refuses(self.default):
            raise Refusal(f'the default of "{self.name}" {message}')
        return self

    def refuses(self, value: float) -> str:
        """Why `value` is not allowed, or the empty text."""
        if self.whole and not float(value).is_integer():
            return f"must be a whole number; given {value:g}"
        if value < self.least:
            return f"must be at least {self.least:g}; given {value:g}"
        return f"must be at most {self.most:g}; given {value:g}" if value > self.most else ""


class Effect(Table):
    """What a technique was reported to do to the quality of answers, on one benchmark and one model."""

    metric: Name = Field(description="What was measured.", examples=["accuracy"])
    benchmark: Name = Field(description="On what.", examples=["GSM8K"])
    model: Name = Field(description="With which model.", examples=["PaLM-540B"])
    measures: Literal["success", "error", "score"] = Field(
        description="success: share of right answers or facts [%]. error: share of wrong ones [%]. score: neither "
        "(a ratio, an area under a curve)."
    )
    before: Number | None = Field(
        default=None, description="Without the technique, where reported.", examples=[56.5]
    )
    after: Number = Field(description="With it.", examples=[74.4])
    with_parameters: str = Field(
        default="", alias="with", description="Under which parameters.", examples=["samples = 40"]
    )
    source: Name = Field(description="Where it was published.", examples=["arXiv 2203.11171"])
    confidence: Confidence = Field(default="unverified", description="How well the figures are known.")

    @property
    def errors_avoided(self) -> float | None:
        """Errors fewer per answer (or fact) judged, from 0 to 1; None where the figures do not say."""
        if self.before is None or self.measures == "score":
            return None
        gain = self.after - self.before
        return (gain if self.measures == "success" else -gain) / 100


class Technique(Table):
    """A program of passes with parameters."""

    name: Name = Field(description="Name that workloads use.", examples=["check-twice"])
    family: Family = Field(
        default="verification",
        description="What it is akin to, for summaries by family.",
        examples=["verification"],
    )
    about: str = Field(default="", description="What it does, in a sentence.")
    streamed: bool = Field(
        default=True,
        description="Whether the user sees the last stage's tokens as they come; else the answer shows when the "
        "last stage has ended, as after a vote or a check.",
    )
    assumptions: str = Field(default="", description="What its token sizes rest on.")
    source: str = Field(default="", description="Where it was published.", examples=["arXiv 2309.11495"])
    confidence: Confidence = Field(default="estimate", description="How well its token sizes are known.")
    parameters: tuple[Parameter, ...] = Field(
        default=(), alias="parameter", description="Numbers that a workload may change."
    )
    stages: tuple[Stage, ...] = Field(
        alias="stage", json_schema_extra={"minItems": 1}, description="Stages, in order."
    )
    effects: tuple[Effect, ...] = Field(
        default=(), alias="effect", description="Published effects; benchmarks and models differ."
    )

    @field_validator("parameters", "stages")
    @classmethod
    def _told_apart(cls, value: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        what = "parameter" if info.field_name == "parameters" else "stage"
        if what == "stage" and not value:
            raise Refusal("needs at least one [[technique.stage]] table")
        for name, count in Counter(v.name for v in value).items():
            if count > 1:
                raise Refusal(f'{count} of them have the name "{name}"')
        return value

    @field_validator("stages")
    @classmethod
    def _well_ordered(cls, value: tuple[Stage, ...]) -> tuple[Stage, ...]:
        for index in range(len(value)):
            check_loop(value, index)
        for index in range(len(value)):
            check_reads(value, index)
        if not any(stage.first and stage.probability != 0 for stage in value):
            # a request of no passes takes no time: a client that does not think would ask for ever at one instant
            raise Refusal(
                "no stage would ever run", "give one of them first = true and a probability above 0"
            )
        return value

    @property
    def defaults(self) -> dict[str, float]:
        """Every parameter's default by name."""
        return {p.name: p.default for p in self.parameters}

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the models besides the workload's own."""
        return tuple(dict.fromkeys(s.model for s in self.stages if s.model))

    def with_numbers(self, parameters: Mapping[str, float]) -> Technique:
        """The technique with every expression replaced by its value.

        Raises pydantic's ValidationError, each error a Refusal at its place: an unknown name, a value that is out
        of range, too many passes.
        """
        data = self.model_dump(by_alias=True, exclude_none=True)
        return Technique.model_validate(data, context={PARAMETERS: parameters})

    @model_validator(mode="after")
    def _bounded(self, info: ValidationInfo) -> Technique:
        if info.context and PARAMETERS in info.context and (passes := self.most_passes()) > MOST_PASSES:
            raise Refusal(
                f"up to {passes:,.0f} passes for one request; at most {MOST_PASSES:,} are simulated",
                "lower the number of calls or of repetitions, or their `most`",
            )
        return self

    def most_passes(self) -> float:
        """The most passes that a request can make, once numbers are known; raises Refusal where any number may be
        drawn."""
        loops = {i: s.repeat for i, s in enumerate(self.stages) if s.repeat}
        total = 0.0
        for i, stage in enumerate(self.stages):
            around = [(at, loop) for at, loop in loops.items() if place(self.stages, loop.stage) <= i <= at]
            times = 1.0
            for at, loop in around:
                times *= _bound(loop.times, f"repetitions of {self.stages[at].name}")
            total += times * _bound(stage.calls, f"calls of {stage.name}")
        return total


def _bound(draw: Draw, what: str) -> float:
    if draw.bound is None:
        raise Refusal(
            f"the number of {what} has no upper limit", "give its table a `most`: it varies between requests"
        )
    return max(1.0, draw.bound)
