"""From a workload's `mitigation` to its program: expressions become numbers, and roles become models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from sim.scenario.mitigation import NONE, find_technique, models_of, parameters_of
from sim.scenario.schema import Scenario
from sim.scenario.stage import MOST_TOKENS, Draw, Loop, Text, ToolUse
from sim.scenario.stage import Stage as StageTable
from sim.scenario.technique import Technique
from sim.scenario.workload import Workload
from sim.workload.program import UNBOUNDED, Amount, Program, Read, Repeat, Stage, Tool, job, plain
from sim.workload.sessions import session_program


def program_of(workload: Workload, scenario: Scenario) -> Program:
    """The program that each request of `workload` runs, all numbers resolved.

    Raises nothing for a workload of a validated scenario.
    """
    if workload.session is not None:
        return session_program(workload.session, workload.model)
    mitigation = workload.mitigation
    if workload.job is not None:
        return job(workload.model)
    if mitigation.technique == NONE:
        return plain(workload.model)
    technique = find_technique(mitigation.technique, scenario.techniques)
    models = models_of(mitigation, technique, workload.model)
    return program_from(technique, parameters_of(mitigation, technique), models)


def program_from(technique: Technique, parameters: Mapping[str, float], models: Mapping[str, str]) -> Program:
    """The program of `technique` under `parameters` (all of them) and `models` (by role; "" is the answering model).

    Raises pydantic's ValidationError where a parameter puts a number out of its range.
    """
    numbers = technique.with_numbers(parameters)
    stages = tuple(_stage(s, models[s.model]) for s in numbers.stages)
    return Program(technique.name, stages, streamed=technique.streamed)


def _stage(table: StageTable, model: str) -> Stage:
    return Stage(
        name=table.name,
        model=model,
        reads=tuple(_read(text, f"{table.name}[{i}]") for i, text in enumerate(table.reads)),
        calls=_count(table.calls),
        output=_amount(table.output),
        tool=_tool(table.tool),
        probability=float(table.probability),
        repeat=_repeat(table.repeat) if table.repeat else None,
        longest_input=_limit(table.longest_input),
        first=table.first,
    )


def _read(text: Text, place: str) -> Read:
    """A template without a name is that of its place alone."""
    name = (text.name or place) if text.kind == "template" else ""
    return Read(text.kind, text.stage, tokens=round(float(text.tokens)), share=float(text.share), name=name)


def _count(draw: Draw) -> Amount:
    """An amount that is 1 or more, and whose `most` is the largest there can be."""
    amount, bound = _amount(draw), draw.bound
    assert bound is not None, "validation asks for a limit"
    return replace(amount, least=max(1, amount.least), most=max(1, math.ceil(bound)))


def _amount(draw: Draw) -> Amount:
    return Amount(
        constant=float(draw.constant),
        per_prompt=float(draw.per_prompt),
        per_answer=float(draw.per_answer),
        per_previous=float(draw.per_previous),
        cv=float(draw.cv),
        least=round(float(draw.least)),
        most=_limit(draw.most),
    )


def _tool(use: ToolUse) -> Tool:
    return Tool(float(use.delay_s), float(use.delay_cv), _amount(use.tokens), use.first)


def _repeat(loop: Loop) -> Repeat:
    return Repeat(loop.stage, _count(loop.times), float(loop.stop))


def _limit(value: float | str) -> int:
    return UNBOUNDED if float(value) >= MOST_TOKENS else round(float(value))
