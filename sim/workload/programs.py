"""From a workload's `mitigation` to its program: expressions become numbers, and roles become models."""

from __future__ import annotations

from collections.abc import Mapping

from sim.scenario.mitigation import NONE, find_technique, models_of, parameters_of
from sim.scenario.schema import Scenario
from sim.scenario.technique import MOST_TOKENS, Draw, Loop, Technique, Text, ToolUse
from sim.scenario.technique import Stage as StageTable
from sim.scenario.workload import Workload
from sim.workload.program import Amount, Program, Read, Repeat, Stage, Tool, plain

UNBOUNDED = 2**30
"""Stands in a program for a limit that a technique does not set."""


def program_of(workload: Workload, scenario: Scenario) -> Program:
    """The program that each request of `workload` runs, all numbers resolved.

    Raises nothing for a workload of a validated scenario.
    """
    mitigation = workload.mitigation
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
        calls=_amount(table.calls, least=1),
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


def _amount(draw: Draw, least: int = 0) -> Amount:
    return Amount(
        constant=float(draw.constant),
        per_prompt=float(draw.per_prompt),
        per_answer=float(draw.per_answer),
        per_previous=float(draw.per_previous),
        cv=float(draw.cv),
        least=max(least, round(float(draw.least))),
        most=_limit(draw.most),
    )


def _tool(use: ToolUse) -> Tool:
    return Tool(float(use.delay_s), float(use.delay_cv), _amount(use.tokens), use.first)


def _repeat(loop: Loop) -> Repeat:
    return Repeat(loop.stage, _amount(loop.times, least=1), float(loop.stop))


def _limit(value: float | str) -> int:
    return UNBOUNDED if float(value) >= MOST_TOKENS else round(float(value))
