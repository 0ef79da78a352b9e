"""A program run in plain Python, one draw after another: what `sim.workload.expected` must agree with in the mean."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from sim.workload.program import Amount, Program, Read, Stage


@dataclass(frozen=True)
class Pass:
    """One call of a model."""

    stage: str
    model: str
    read: float
    emitted: int


def draw(amount: Amount, prompt: int, answer: int, previous: float, rng: random.Random) -> int:
    """One draw of an amount."""
    value = amount.constant + amount.per_prompt * prompt + amount.per_answer * answer
    value += amount.per_previous * previous
    if amount.cv > 0 and value > 0:
        sigma = math.sqrt(math.log(1 + amount.cv**2))
        value = math.exp(rng.gauss(math.log(value) - sigma**2 / 2, sigma))
    return min(max(math.floor(value + 0.5), amount.least), amount.most)


class Run:
    """One request."""

    def __init__(self, program: Program, prompt: int, answer: int, rng: random.Random):
        self.program, self.prompt, self.answer, self.rng = program, prompt, answer, rng
        self.outputs: dict[str, list[int]] = {}
        self.transcripts: dict[str, float] = {}
        self.passes: list[Pass] = []

    def previous(self, i: int) -> float:
        outputs = self.outputs.get(self.program.stages[i - 1].name, []) if i else []
        return sum(outputs) / len(outputs) if outputs else 0.0

    def drawn(self, amount: Amount, i: int) -> int:
        return draw(amount, self.prompt, self.answer, self.previous(i), self.rng)

    def walk(self) -> list[Pass]:
        stages = self.program.stages
        names = [s.name for s in stages]
        i, done, limit, start = 0, 0, None, None
        while i < len(stages):
            begins = [k for k, s in enumerate(stages) if s.repeat and names.index(s.repeat.stage) == i]
            if begins and start is None:
                repeat = stages[begins[0]].repeat
                start, done, limit = i, 0, self.drawn(repeat.times, i)
            stage = stages[i]
            if (stage.first or done > 0) and self.rng.random() < stage.probability:
                self.execute(i, stage)
            if stage.repeat is not None:
                done += 1
                if done < limit and self.rng.random() >= stage.repeat.stop:
                    i = start
                    continue
                start, done = None, 0
            i += 1
        return self.passes

    def execute(self, i: int, stage: Stage) -> None:
        told = 0
        if stage.tool.first or stage.name in self.outputs:
            told = self.drawn(stage.tool.tokens, i)
        read = sum(self.length(stage, r) for r in stage.reads) + told
        emitted = [self.drawn(stage.output, i) for _ in range(self.drawn(stage.calls, i))]
        for tokens in emitted:
            self.passes.append(Pass(stage.name, stage.model, min(read, stage.longest_input), tokens))
        self.outputs[stage.name] = emitted
        grown = told + sum(emitted) / len(emitted)
        self.transcripts[stage.name] = self.transcripts.get(stage.name, 0.0) + grown

    def length(self, stage: Stage, read: Read) -> float:
        if read.kind == "template":
            return read.tokens
        if read.kind == "prompt":
            return self.prompt
        if read.kind == "transcript":
            return self.transcripts.get(stage.name, 0.0)
        outputs = self.outputs.get(read.stage, [])
        own = sum(outputs) / len(outputs) if outputs else 0.0
        return read.share * {"all": sum(outputs), "own": own, "others": sum(outputs) - own}[read.kind]


def walks(program: Program, prompt: int, answer: int, count: int, seed: int = 0) -> list[list[Pass]]:
    """The passes of `count` requests."""
    rng = random.Random(seed)
    return [Run(program, prompt, answer, rng).walk() for _ in range(count)]
