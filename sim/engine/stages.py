"""Programs of passes as the plan's arrays."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sim.engine import plan as P
from sim.engine.kernel.ident import PASSES
from sim.workload.program import Amount, Program, Read, Stage

_KIND = {
    "template": P.TEMPLATE,
    "prompt": P.PROMPT,
    "all": P.ALL,
    "own": P.OWN,
    "others": P.OTHERS,
    "transcript": P.TRANSCRIPT,
}
NONE = -1
MOST_INPUT = 2**30


class Stages(NamedTuple):
    """Arrays of the plan that say what requests do; see `sim.engine.plan.Plan`."""

    stages: np.ndarray
    reads: np.ndarray
    amounts: np.ndarray
    most_calls: int


def build_programs(
    programs: Sequence[Program],
    workloads: np.ndarray,
    regions: Sequence[str | None],
    chain_of: Mapping[tuple[str, str | None], int],
) -> Stages:
    """The programs of all workloads, end to end. regions: of each workload.  chain_of: see `Routes`.

    Sets the columns `first_stage`, `stages`, `streamed` and `sessions` of `workloads`: no stages for a plain request.
    """
    builder = _Builder(chain_of)
    for row, program, region in zip(workloads, programs, regions, strict=True):
        row["first_stage"] = len(builder.stages)
        if not program.is_plain:
            row["stages"] = len(program.stages)
            row["streamed"] = program.streamed
            row["sessions"] = program.session
            builder.program(program, region)
    return builder.arrays()


class _Builder:
    def __init__(self, chain_of: Mapping[tuple[str, str | None], int]):
        self.chain_of = chain_of
        self.stages: list[np.void] = []
        self.reads: list[np.void] = []
        self.amounts: list[np.void] = []
        self.most_calls = 1

    def arrays(self) -> Stages:
        return Stages(
            np.array(self.stages, P.STAGE),
            np.array(self.reads, P.READ),
            np.array(self.amounts, P.AMOUNT),
            self.most_calls,
        )

    def program(self, program: Program, region: str | None) -> None:
        numbers = {stage.name: s for s, stage in enumerate(program.stages)}
        for s, stage in enumerate(program.stages):
            self.stages.append(self.stage(stage, s, program, numbers))
            self.stages[-1]["chain"] = self.chain_of[stage.model, region]
            self.most_calls = max(self.most_calls, min(stage.calls.most, PASSES - 1))

    def stage(self, stage: Stage, s: int, program: Program, numbers: Mapping[str, int]) -> np.void:
        row = np.zeros((), P.STAGE)
        row["first_read"], row["reads"] = len(self.reads), len(stage.reads)
        row["grows"] = bool(stage.reads) and stage.reads[-1].kind == "transcript"
        self.reads += [_read(read, s, numbers, program.name) for read in stage.reads]
        row["calls"] = self.amount(stage.calls)
        row["output"] = P.DRAWN if stage.drawn_output else self.amount(stage.output)
        row["tool_tokens"] = self.amount(stage.tool.tokens)
        row["tool_first"] = stage.tool.first
        row["tool_s"], row["tool_sigma"] = stage.tool.delay_s, _sigma(stage.tool.delay_cv)
        row["repeat"] = row["late_in"] = NONE
        if stage.repeat is not None:
            row["repeat"] = numbers[stage.repeat.stage]
            row["times"] = self.amount(stage.repeat.times)
            row["stop"] = stage.repeat.stop
        if not stage.first:
            row["late_in"] = _loop_of(s, program, numbers)
        row["longest_input"] = min(stage.longest_input, MOST_INPUT)
        row["probability"] = stage.probability
        return row[()]  # pyright: ignore[reportReturnType]

    def amount(self, amount: Amount) -> int:
        row = np.zeros((), P.AMOUNT)
        for name in ("constant", "per_prompt", "per_answer", "per_previous", "least", "most"):
            row[name] = getattr(amount, name)
        row["sigma"] = _sigma(amount.cv)
        self.amounts.append(row[()])  # pyright: ignore[reportArgumentType]
        return len(self.amounts) - 1


def _read(read: Read, s: int, numbers: Mapping[str, int], program: str) -> np.void:
    row = np.zeros((), P.READ)
    row["kind"] = _KIND[read.kind]
    row["stage"] = numbers.get(read.stage, s)
    row["tokens"], row["share"] = read.tokens, read.share
    words = f"{program}/{read.name or s}/{read.tokens}".encode()
    row["text"] = zlib.crc32(words) << 32 | zlib.adler32(words)
    return row[()]  # pyright: ignore[reportReturnType]


def _loop_of(s: int, program: Program, numbers: Mapping[str, int]) -> int:
    """The stage whose loop stage `s` is in; -1 where it is in none."""
    for end, stage in enumerate(program.stages[s:], start=s):
        if stage.repeat is not None and numbers[stage.repeat.stage] <= s:
            return end
    return NONE


def _sigma(cv: float) -> float:
    """Standard deviation of the logarithm of a lognormal: sigma^2 = ln(1 + cv^2)."""
    return math.sqrt(math.log1p(cv * cv))
