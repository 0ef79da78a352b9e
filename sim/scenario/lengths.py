"""How many tokens a request brings and gets back: what `lengths` can be, besides a catalog name."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sim.scenario.fields import NotNegative, Positive, Refusal, Table, Whole, is_number, name_or_kind
from sim.scenario.names import length_table_name
from sim.scenario.show import show
from sim.scenario.trace_file import FORMAT_HELP, TraceFormat, TracePath

INPUT_FLOOR = 1
OUTPUT_FLOOR = 0
MOST_TOKENS = 100_000_000
"""Far beyond any context window, and within 32 bits."""

InputTokens = Annotated[
    Whole, Field(ge=INPUT_FLOOR, le=MOST_TOKENS, description="Prompt tokens of every request.")
]
OutputTokens = Annotated[
    Whole, Field(ge=OUTPUT_FLOOR, le=MOST_TOKENS, description="Generated tokens of every request.")
]


def _is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(is_number(v) for v in value)


def _span(value: Any, floor: int) -> tuple[int, int]:
    """Two whole numbers, the least and the most."""
    if not _is_pair(value) or not all(float(v).is_integer() for v in value):
        raise Refusal(
            f"must be two whole numbers, the least and the most tokens; given {show(value)}",
            "for example [100, 2000]",
        )
    low, high = (int(v) for v in value)
    if low < floor:
        raise Refusal(f"must start at {floor} or more; given {low}")
    if low > high:
        raise Refusal(f"must go from the least to the most; given [{low}, {high}]")
    if high > MOST_TOKENS:
        raise Refusal(f"must be at most {MOST_TOKENS}; given {high}")
    return low, high


def _points(value: object, floor: int) -> tuple[tuple[float, float], ...]:
    """(probability, tokens) from probability 0 to 1, probabilities rising, tokens not falling."""
    rows = list(value) if isinstance(value, list | tuple) else []
    if len(rows) < 2 or not all(_is_pair(r) for r in rows):
        raise Refusal(
            f"must be at least two pairs [probability, tokens]; given {show(value)}",
            "for example [[0, 1], [0.5, 200], [1, 4000]]",
        )
    points = tuple((float(p), float(tokens)) for p, tokens in rows)
    if points[0][0] != 0 or points[-1][0] != 1:
        raise Refusal(
            f"must go from probability 0 to 1; given {points[0][0]:g} to {points[-1][0]:g}",
            "tokens at 0 are the least there are, at 1 the most",
        )
    for a, b in itertools.pairwise(points):
        if b[0] <= a[0]:
            raise Refusal(f"probabilities must rise; given {a[0]:g}, then {b[0]:g}")
        if b[1] < a[1]:
            raise Refusal(f"tokens must not fall; given {a[1]:g} at {a[0]:g}, then {b[1]:g} at {b[0]:g}")
    if points[0][1] < floor or points[-1][1] > MOST_TOKENS:
        raise Refusal(
            f"tokens must be from {floor} to {MOST_TOKENS}; given {points[0][1]:g} to {points[-1][1]:g}"
        )
    return points


def _array(items: dict[str, object]) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "items": items, "minItems": 2})


_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_SPAN_HELP = "The least and the most tokens, both included; every count between is as likely."
_POINT_HELP = "Pairs [probability, tokens] from probability 0 to 1; between them the quantile is linear."


class FixedLengths(Table):
    """The same lengths for every request."""

    kind: Literal["fixed"]
    input: InputTokens
    output: OutputTokens


class UniformLengths(Table):
    """Whole numbers, equally likely between two bounds."""

    kind: Literal["uniform"]
    input: Annotated[
        tuple[int, int], BeforeValidator(lambda v: _span(v, INPUT_FLOOR)), _array({"type": "integer"})
    ] = Field(description=f"Prompt tokens. {_SPAN_HELP}", examples=[[100, 2000]])
    output: Annotated[
        tuple[int, int], BeforeValidator(lambda v: _span(v, OUTPUT_FLOOR)), _array({"type": "integer"})
    ] = Field(description=f"Generated tokens. {_SPAN_HELP}", examples=[[50, 400]])


class MeanCv(Table):
    """A lognormal distribution by its mean and coefficient of variation."""

    mean: Positive = Field(le=MOST_TOKENS, description="Mean [tokens].", examples=[1155])
    cv: NotNegative = Field(le=100, description="Standard deviation over mean [1].", examples=[0.96])

    def mu_sigma(self) -> tuple[float, float]:
        """Mean and sd of the logarithm: sigma^2 = ln(1 + cv^2), mu = ln(mean) - sigma^2 / 2."""
        variance = math.log1p(self.cv**2)
        return math.log(self.mean) - variance / 2, math.sqrt(variance)


class MedianSigma(Table):
    """A lognormal distribution by its median and the standard deviation of its logarithm."""

    median: Positive = Field(le=MOST_TOKENS, description="Median [tokens].", examples=[1020])
    sigma: NotNegative = Field(
        le=10, description="Standard deviation of the natural logarithm [1].", examples=[0.8]
    )

    def mu_sigma(self) -> tuple[float, float]:
        """Mean and sd of the logarithm: mu = ln(median)."""
        return math.log(self.median), self.sigma


def lognormal_form(value: object) -> str:
    """Which of the two ways of stating a lognormal distribution a table (or an instance) uses."""
    keys = value.keys() if isinstance(value, dict) else ()
    by_median = isinstance(value, MedianSigma) or (
        "mean" not in keys and ("median" in keys or "sigma" in keys)
    )
    return "median-sigma" if by_median else "mean-cv"


Lognormal = Annotated[
    Annotated[MeanCv, Tag("mean-cv")] | Annotated[MedianSigma, Tag("median-sigma")],
    Discriminator(lognormal_form),
]


class LognormalLengths(Table):
    """Lognormal lengths, rounded to whole tokens; input and output are independent."""

    kind: Literal["lognormal"]
    input: Lognormal = Field(description="Prompt tokens: { mean, cv } or { median, sigma }.")
    output: Lognormal = Field(description="Generated tokens: { mean, cv } or { median, sigma }.")


class QuantileLengths(Table):
    """Lengths by their quantiles, linear in between; input and output are independent."""

    kind: Literal["quantiles"]
    input: Annotated[
        tuple[tuple[float, float], ...], BeforeValidator(lambda v: _points(v, INPUT_FLOOR)), _array(_PAIR)
    ] = Field(description=f"Prompt tokens. {_POINT_HELP}", examples=[[[0, 1], [0.5, 1020], [1, 8000]]])
    output: Annotated[
        tuple[tuple[float, float], ...], BeforeValidator(lambda v: _points(v, OUTPUT_FLOOR)), _array(_PAIR)
    ] = Field(description=f"Generated tokens. {_POINT_HELP}", examples=[[[0, 1], [0.5, 129], [1, 1000]]])


class TraceLengths(Table):
    """Pairs of lengths drawn from those recorded in a file, each as likely."""

    kind: Literal["trace"]
    path: TracePath = Field(
        description="Trace file, plain or gzipped; relative paths start at the scenario's folder."
    )
    format: TraceFormat = Field(default="auto", description=FORMAT_HELP)


PartLengths = Annotated[
    Annotated[str, AfterValidator(length_table_name), Tag("name")]
    | Annotated[FixedLengths, Tag("fixed")]
    | Annotated[UniformLengths, Tag("uniform")]
    | Annotated[LognormalLengths, Tag("lognormal")]
    | Annotated[QuantileLengths, Tag("quantiles")],
    Discriminator(name_or_kind),
]


class MixPart(Table):
    """One class of clients: how large it is, and its lengths."""

    share: Positive | None = Field(
        default=None,
        description="Its part of the requests [1], of which only the proportions count; not with `zipf`.",
        examples=[0.6],
    )
    lengths: PartLengths = Field(
        description="Its lengths: a name of the workload catalog, or a table with a `kind`.",
        examples=["azure-2023-code"],
    )


class MixLengths(Table):
    """Requests of several classes of clients: a request's class is drawn, then both its lengths from that class."""

    kind: Literal["mix"]
    parts: tuple[MixPart, ...] = Field(
        description="The classes, largest first where `zipf` gives their shares.",
        examples=[
            [{"share": 3, "lengths": "azure-2023-conversation"}, {"share": 1, "lengths": "azure-2023-code"}]
        ],
    )
    zipf: NotNegative | None = Field(
        default=None,
        description="Exponent s of Zipf's law [1]: the k-th class has a share in proportion to k^-s; without shares.",
        examples=[1.0],
    )

    @model_validator(mode="after")
    def _one_way_of_sharing(self) -> MixLengths:
        if not self.parts:
            raise Refusal("needs at least one part")
        given = [part.share is not None for part in self.parts]
        if self.zipf is not None and any(given):
            raise Refusal("gives both zipf and shares", "leave out one of them")
        if self.zipf is None and not all(given):
            raise Refusal("needs the share of every part", "or zipf, such as zipf = 1.0")
        return self

    def shares(self) -> tuple[float, ...]:
        """Of the parts, in their order; they sum to 1."""
        raw = [
            (k + 1.0) ** -self.zipf if self.zipf is not None else float(part.share or 0.0)
            for k, part in enumerate(self.parts)
        ]
        return tuple(x / math.fsum(raw) for x in raw)


LengthTables = FixedLengths | UniformLengths | LognormalLengths | QuantileLengths | TraceLengths | MixLengths
