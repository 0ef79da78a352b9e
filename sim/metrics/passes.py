"""The calls that models were asked for: a plain request is one; a request that runs a program, those of its stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.engine import state as S
from sim.metrics.moments import Moments
from sim.metrics.run import RunMetrics
from sim.workload.expected import Expected, expected
from sim.workload.program import Program


@dataclass(frozen=True)
class Calls:
    """Calls of one stage of one workload, of the requests that arrived after the warm-up.

    workload: its number.  count: calls that ended (of a plain workload: requests that arrived).
    service_s: time that they took in all, from admission to the last token [s].
    lengths: their means; of a program, as observed, all calls of a stage taken to be alike.
    """

    workload: int
    stage: str
    model: str
    count: int
    service_s: float
    lengths: Moments


def calls_of(
    programs: Sequence[Program], metrics: RunMetrics, lengths: Sequence[Moments], found_share: float
) -> tuple[Calls, ...]:
    """The calls of every workload. lengths: of each workload's requests.

    found_share: part of plain requests' prompts that prefix caches held.
    """
    found: list[Calls] = []
    row = 0
    for w, program in enumerate(programs):
        if program.is_plain:
            counters, sums = metrics.counters[w], metrics.sums[w]
            whole = replace(lengths[w], cached=found_share * lengths[w].input)
            service_s = float(sums[S.E2E] - sums[S.QUEUE])
            found.append(
                Calls(
                    w,
                    program.stages[0].name,
                    program.stages[0].model,
                    int(counters[S.ARRIVED]),
                    service_s,
                    whole,
                )
            )
            continue
        means = expected(program, lengths[w].input, lengths[w].output)
        for s, stage in enumerate(program.stages):
            counters, times = metrics.stage_counters[row + s], metrics.stage_times[row + s]
            service_s = float(times[S.STAGE_E2E_S] - times[S.STAGE_QUEUE_S])
            of_stage = _observed_lengths(counters, means, s)
            found.append(Calls(w, stage.name, stage.model, int(counters[S.STAGE_CALLS]), service_s, of_stage))
        row += len(program.stages)
    return tuple(found)


def _observed_lengths(counters: np.ndarray, means: Expected, s: int) -> Moments:
    """Means of a stage's calls; what is expected of them where none ended."""
    count = int(counters[S.STAGE_CALLS])
    if count == 0:
        passes = max(means.stages[s].passes, 1e-12)
        read, emitted = means.stages[s].input_tokens / passes, means.stages[s].output_tokens / passes
        return Moments.alike(read, emitted)
    read, emitted, cached = (counters[c] / count for c in (S.STAGE_INPUT, S.STAGE_OUTPUT, S.STAGE_CACHED))
    return Moments.alike(float(read), float(emitted), float(cached))


def expected_calls(program: Program, lengths: Moments, model: str) -> list[tuple[float, Moments]]:
    """Calls that a request of `program` is expected to make of each stage that asks for `model`, and their moments: of
    a plain program `lengths`, else as if all of a stage were as long as in the mean."""
    stages = expected(program, lengths.input, lengths.output).stages
    return [
        (
            s.passes,
            lengths
            if program.is_plain
            else Moments.alike(s.input_tokens / s.passes, s.output_tokens / s.passes),
        )
        for s in stages
        if s.model == model and s.passes > 0
    ]


def stage_sections(program: Program, metrics: RunMetrics, first: int) -> list[dict[str, Any]]:
    """Figures of each stage of a program whose rows begin at `first`; means are over its passes [s].

    prefilled: prompt tokens computed;  cached: found in a prefix cache;  good: share of passes that met the workload's
    TTFT and TPOT targets by themselves.
    """
    sections = []
    for s, stage in enumerate(program.stages):
        counters, times = metrics.stage_counters[first + s], metrics.stage_times[first + s]
        count = int(counters[S.STAGE_CALLS])
        read, cached = int(counters[S.STAGE_INPUT]), int(counters[S.STAGE_CACHED])
        sections.append(
            {
                "name": stage.name,
                "model": stage.model,
                "passes": count,
                "rejected": int(counters[S.STAGE_REJECTED]),
                "input": read,
                "output": int(counters[S.STAGE_OUTPUT]),
                "cached": cached,
                "prefilled": read - cached,
                "good": int(counters[S.STAGE_GOOD]) / count if count else None,
                "queue_s": _mean(times[S.STAGE_QUEUE_S], count),
                "ttft_s": _mean(times[S.STAGE_TTFT_S], count),
                "e2e_s": _mean(times[S.STAGE_E2E_S], count),
            }
        )
    return sections


def _mean(total: float, count: int) -> float | None:
    return float(total) / count if count else None
