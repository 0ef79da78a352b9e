"""What a program comes to in the mean: passes and tokens of a request, stage by stage, without simulating any.

A loop's body is run once for every execution that it can have, weighted with the probability that it has it,
P(times >= j) x (1 - stop)^(j - 1); what follows reads the mean over the ways in which the loop can end. That is exact
where no number of calls or of repetitions, and no limit, depends on a drawn length; there it takes the mean length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from sim.workload.program import Amount, Program, Read, Repeat, Stage

NEGLIGIBLE = 1e-12
"""Executions of a loop that are less probable are left out."""
SUMMED = 256
"""Up to this many, whole numbers are summed one by one; beyond it the sum is an integral."""


@dataclass(frozen=True)
class ExpectedStage:
    """Means per request. input_tokens, output_tokens: of all passes of the stage together."""

    name: str
    model: str
    executions: float
    passes: float
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True)
class Expected:
    """Means per request of a program, by stage and in all."""

    stages: tuple[ExpectedStage, ...]

    @property
    def passes(self) -> float:
        """Calls of any model."""
        return sum(s.passes for s in self.stages)

    @property
    def input_tokens(self) -> float:
        """Tokens read, without prefix cache."""
        return sum(s.input_tokens for s in self.stages)

    @property
    def output_tokens(self) -> float:
        """Tokens generated."""
        return sum(s.output_tokens for s in self.stages)

    def by_model(self) -> dict[str, tuple[float, float, float]]:
        """Passes, input and output tokens of each model."""
        sums: dict[str, tuple[float, float, float]] = {}
        for s in self.stages:
            passes, read, emitted = sums.get(s.model, (0.0, 0.0, 0.0))
            sums[s.model] = (passes + s.passes, read + s.input_tokens, emitted + s.output_tokens)
        return sums


def expected(program: Program, prompt: float, answer: float) -> Expected:
    """Passes and tokens of a request whose prompt has `prompt` tokens, and whose workload gives it an answer of
    `answer` tokens."""
    return _Walk(program, prompt, answer).result()


def mean(amount: Amount, prompt: float, answer: float, previous: float = 0.0) -> float:
    """Mean of a draw of `amount`, rounding and limits included; `previous` is the preceding stage's mean output.

    With P(round(X) >= k) = P(X >= k - 1/2) and X lognormal, E = least + sum of that over least < k <= most.
    """
    centre = _centre(amount, prompt, answer, previous)
    if amount.cv == 0 or centre <= 0:
        fixed = centre if amount.per_previous else math.floor(centre + 0.5)
        return float(min(max(fixed, amount.least), amount.most))
    top = min(amount.most, max(amount.least, SUMMED))
    law = _Lognormal(centre, amount.cv)
    total = amount.least + math.fsum(law.exceeds(k - 0.5) for k in range(amount.least + 1, top + 1))
    return total + law.mean_up_to(amount.most) - law.mean_up_to(top)


def at_least(amount: Amount, k: int, prompt: float, answer: float, previous: float = 0.0) -> float:
    """Probability that a draw of `amount` is at least `k`."""
    if k <= amount.least:
        return 1.0
    if k > amount.most:
        return 0.0
    centre = _centre(amount, prompt, answer, previous)
    if amount.cv == 0 or centre <= 0:
        return float(math.floor(centre + 0.5) >= k)
    return _Lognormal(centre, amount.cv).exceeds(k - 0.5)


def _centre(amount: Amount, prompt: float, answer: float, previous: float) -> float:
    per_text = amount.per_prompt * prompt + amount.per_answer * answer + amount.per_previous * previous
    return amount.constant + per_text


@dataclass(frozen=True)
class _Lognormal:
    """sigma^2 = ln(1 + cv^2), mu = ln(mean) - sigma^2 / 2."""

    mean: float
    cv: float

    @cached_property
    def sigma(self) -> float:
        return math.sqrt(math.log1p(self.cv**2))

    @cached_property
    def mu(self) -> float:
        return math.log(self.mean) - self.sigma**2 / 2

    def exceeds(self, x: float) -> float:
        """P(X >= x)."""
        return _normal((self.mu - math.log(x)) / self.sigma)

    def mean_up_to(self, x: float) -> float:
        """E[min(X, x)] = mean x Phi((ln x - mu - sigma^2) / sigma) + x P(X >= x)."""
        if x <= 0:
            return 0.0
        return self.mean * _normal((math.log(x) - self.mu) / self.sigma - self.sigma) + x * self.exceeds(x)


def _normal(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


@dataclass
class _Known:
    """What is known of a stage at one point of the program, in the mean over all requests that are there."""

    ran: float = 0.0  # probability that it has been executed
    total: float = 0.0  # tokens of all outputs of its latest execution
    each: float = 0.0  # tokens of one of them
    transcript: float = 0.0

    def blend(self, other: _Known, weight: float) -> None:
        self.ran += weight * other.ran
        self.total += weight * other.total
        self.each += weight * other.each
        self.transcript += weight * other.transcript


class _Walk:
    def __init__(self, program: Program, prompt: float, answer: float):
        self.stages = program.stages
        self.index = {s.name: i for i, s in enumerate(program.stages)}
        self.prompt, self.answer = prompt, answer
        self.known = [_Known() for _ in program.stages]
        self.sums = [[0.0] * 4 for _ in program.stages]  # executions, passes, tokens read, tokens emitted

    def result(self) -> Expected:
        ends = {self.index[s.repeat.stage]: i for i, s in enumerate(self.stages) if s.repeat}
        at = 0
        while at < len(self.stages):
            end = ends.get(at, at)
            repeat = self.stages[end].repeat
            if repeat is None:
                self.execute(at, 1.0, again=False)
            else:
                self.loop(at, end, repeat)
            at = end + 1
        return Expected(
            tuple(
                ExpectedStage(s.name, s.model, *sums) for s, sums in zip(self.stages, self.sums, strict=True)
            )
        )

    def loop(self, start: int, end: int, repeat: Repeat) -> None:
        """Runs the body for j = 1, 2, ... with weight P(it is reached), and leaves the mean over where it ends."""
        left = [_Known() for _ in self.stages]
        weight, j = 1.0, 1
        while weight > NEGLIGIBLE:
            for i in range(start, end + 1):
                self.execute(i, weight, again=j > 1)
            on = self.reached(repeat, j + 1, start)
            for known, kept in zip(self.known, left, strict=True):
                kept.blend(known, weight - on)
            weight, j = on, j + 1
        self.known = left

    def reached(self, repeat: Repeat, j: int, start: int) -> float:
        drawn = at_least(repeat.times, j, self.prompt, self.answer, self.previous(start))
        return drawn * (1 - repeat.stop) ** (j - 1)

    def previous(self, i: int) -> float:
        return self.known[i - 1].each if i else 0.0

    def execute(self, i: int, weight: float, *, again: bool) -> None:
        """One execution of stage `i` among the `weight` of requests that get there."""
        stage, known = self.stages[i], self.known[i]
        if not (stage.first or again):
            return
        lengths = self.prompt, self.answer, self.previous(i)
        told = (1.0 if stage.tool.first else known.ran) * mean(stage.tool.tokens, *lengths)
        calls = mean(stage.calls, *lengths)
        emitted = self.answer if stage.drawn_output else mean(stage.output, *lengths)
        read = min(self.read(i, stage) + told, stage.longest_input)
        p = stage.probability
        for k, value in enumerate((1.0, calls, calls * read, calls * emitted)):
            self.sums[i][k] += weight * p * value
        known.total += p * (calls * emitted - known.total)
        known.each += p * (emitted - known.each)
        known.ran += p * (1 - known.ran)
        known.transcript += p * (told + emitted)

    def read(self, i: int, stage: Stage) -> float:
        return sum(self.length(i, r) for r in stage.reads)

    def length(self, i: int, read: Read) -> float:
        if read.kind == "template":
            return read.tokens
        if read.kind == "prompt":
            return self.prompt
        if read.kind == "transcript":
            return self.known[i].transcript
        of = self.known[self.index[read.stage]]
        return read.share * {"all": of.total, "own": of.each, "others": of.total - of.each}[read.kind]
