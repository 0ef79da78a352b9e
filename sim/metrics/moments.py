"""Mean token lengths of a workload, and the moments that the context of running sequences depends on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from sim.scenario.arrivals import TraceArrivals
from sim.scenario.lengths import (
    FixedLengths,
    LognormalLengths,
    MixLengths,
    QuantileLengths,
    TraceLengths,
    UniformLengths,
)
from sim.scenario.workload import FROM_TRACE, Workload

if TYPE_CHECKING:
    from sim.workload.trace import Trace


@dataclass(frozen=True)
class Moments:
    """Means over calls: input [tokens], output [tokens], output^2 and input x output [tokens^2].

    cached: part of the input that a prefix cache holds already [tokens].
    """

    input: float
    output: float
    output_squared: float
    input_output: float
    cached: float = 0.0

    @classmethod
    def alike(cls, input: float, output: float, cached: float = 0.0) -> Moments:
        """Of calls that all have the same lengths [tokens]."""
        return cls(input, output, output**2, input * output, cached)

    @property
    def computed(self) -> float:
        """Prompt tokens to compute."""
        return self.input - self.cached

    def part(self, role: str | None) -> Moments:
        """What of these calls pools of a role serve: their prompts ("prefill"), their answers ("decode"), or both."""
        if role == "prefill":
            return replace(self, output=0.0, output_squared=0.0, input_output=0.0)
        return replace(self, cached=self.input) if role == "decode" else self

    @property
    def context(self) -> float:
        """Mean context of a decoding sequence at a random moment [tokens].

        A request of input i and output o decodes o steps at a mean context of i + o/2, so long outputs
        weigh more: E[o (i + o/2)] / E[o].
        """
        return (self.input_output + self.output_squared / 2) / self.output if self.output else self.input


def length_moments(workload: Workload, traces: Mapping[str, Trace]) -> Moments | None:
    """Moments of the token lengths of `workload`; None where they stand in a trace that is not in `traces`."""
    given = workload.lengths
    path = workload.arrivals.path if isinstance(workload.arrivals, TraceArrivals) else ""
    if isinstance(given, TraceLengths):
        path = given.path
    if isinstance(given, TraceLengths) or given == FROM_TRACE:
        return _of_trace(traces[path]) if path in traces else None
    return _of_lengths(given)


def _of_lengths(given: object) -> Moments:
    """Of lengths by name or table; input and output are independent within a class of clients."""
    if isinstance(given, MixLengths):
        return mixture([_of_lengths(part.lengths) for part in given.parts], given.shares())
    if isinstance(given, str):
        from sim.catalog.workloads import length_table

        if clients := length_table(given).clients:
            sides = [(_table(c.p, c.input_tokens), _table(c.p, c.output_tokens)) for c in clients]
            return mixture([_independent(*pair) for pair in sides], [c.share for c in clients])
    return _independent(*_sides(given))


def _independent(of_input: tuple[float, float], of_output: tuple[float, float]) -> Moments:
    """From mean and mean square of input and of output."""
    return Moments(of_input[0], of_output[0], of_output[1], of_input[0] * of_output[0])


def mixture(parts: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Moments of requests drawn from `parts` with the given weights, of which one at least is above 0."""
    total = sum(weights)

    def mean(name: str) -> float:
        return sum(w * getattr(p, name) for p, w in zip(parts, weights, strict=True)) / total

    return Moments(
        mean("input"), mean("output"), mean("output_squared"), mean("input_output"), mean("cached")
    )


def _sides(given: object) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean and mean square of input and of output."""
    if isinstance(given, str):
        from sim.catalog.workloads import length_table

        table = length_table(given)
        return _table(table.input_p, table.input_tokens), _table(table.output_p, table.output_tokens)
    if isinstance(given, FixedLengths):
        return (given.input, given.input**2), (given.output, given.output**2)
    if isinstance(given, UniformLengths):
        return _uniform(*given.input), _uniform(*given.output)
    if isinstance(given, LognormalLengths):
        return _lognormal(*given.input.mu_sigma()), _lognormal(*given.output.mu_sigma())
    assert isinstance(given, QuantileLengths)
    return _points(given.input), _points(given.output)


def _uniform(low: int, high: int) -> tuple[float, float]:
    mean, count = (low + high) / 2, high - low + 1
    return mean, mean**2 + (count**2 - 1) / 12


def _lognormal(mu: float, sigma: float) -> tuple[float, float]:
    return math.exp(mu + sigma**2 / 2), math.exp(2 * mu + 2 * sigma**2)


def _points(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return _table([p for p, _ in points], [tokens for _, tokens in points])


def _table(p: Sequence[float], tokens: Sequence[float]) -> tuple[float, float]:
    """Of a quantile function that is linear between its points."""
    cells = [(b - a, x, y) for (a, b), (x, y) in zip(pairwise(p), pairwise(tokens), strict=True)]
    return (
        sum(d * (x + y) / 2 for d, x, y in cells),
        sum(d * (x * x + x * y + y * y) / 3 for d, x, y in cells),
    )


def _of_trace(trace: Trace) -> Moments:
    inputs, outputs = trace.input_tokens.astype(float), trace.output_tokens.astype(float)
    return Moments(
        float(inputs.mean()),
        float(outputs.mean()),
        float((outputs**2).mean()),
        float((inputs * outputs).mean()),
    )
