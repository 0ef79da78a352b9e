"""[governor]: what keeps the site under its power limit while it runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from sim.errors import Fault, did_you_mean
from sim.scenario.fields import Positive, Refusal, Seconds, Table, is_number
from sim.scenario.show import show

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario


def _shares(value: object) -> tuple[float, ...]:
    given: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(is_number(s) and 0 < s < 1 for s in given):
        raise Refusal(
            f"must be shares of TDP between 0 and 1; given {show(value)}", "for example [0.9, 0.75, 0.6]"
        )
    if any(a <= b for a, b in itertools.pairwise(given)):
        raise Refusal(f"must fall; given {show(value)}", "for example [0.9, 0.75, 0.6]")
    return tuple(float(s) for s in given)


class Governor(Table):
    """Reads the site's draw at every interval; above `brake` it goes a rung up, below `release` a rung down. Rungs, in
    order: hold workloads that can wait, cap accelerators step by step, shed workloads that can be turned away."""

    interval_s: Seconds = Field(
        default=1.0, alias="interval", gt=0, description="Time between two readings [s].", examples=["1 s"]
    )
    caps: Annotated[tuple[float, ...], BeforeValidator(_shares)] = Field(
        default=(0.9, 0.8, 0.7, 0.6, 0.5),
        description="Power caps of accelerators, one rung each, as shares of their TDP, falling; [] for none.",
        examples=[[0.9, 0.75, 0.6]],
    )
    brake: Positive = Field(
        default=0.98, le=1, description="Share of site.power_limit above which it goes a rung up [1]."
    )
    release: Positive = Field(
        default=0.9, le=1, description="Share of site.power_limit below which it goes a rung down [1]."
    )
    hold: tuple[str, ...] = Field(
        default=(),
        description="Workloads whose requests wait at the door while power is short; not closed loops.",
        examples=[["batch"]],
    )
    shed: tuple[str, ...] = Field(
        default=(),
        description="Workloads whose requests are turned away on the last rung.",
        examples=[["free-tier"]],
    )

    @field_validator("release")
    @classmethod
    def _below_brake(cls, value: float, info: ValidationInfo) -> float:
        brake = info.data.get("brake", 1.0)
        if value >= brake:
            raise Refusal(f"must be below brake, {brake:g}; given {value:g}")
        return value


def governor_faults(scenario: Scenario) -> Iterator[Fault]:
    """A governor without a limit to keep, and workloads that it cannot hold or shed."""
    governor = scenario.governor
    if governor is None:
        return
    if scenario.site.power_limit_w is None:
        yield Fault("governor", "needs a limit to keep", 'give site.power_limit, such as "5 MW"')
    processes = {w.name: w.arrivals.process for w in scenario.workloads}
    for key, name in (*(("hold", n) for n in governor.hold), *(("shed", n) for n in governor.shed)):
        if name not in processes:
            hint = did_you_mean(name, processes) or f"the workloads are {', '.join(processes)}"
            yield Fault(f"governor.{key}", f'"{name}" is not a workload', hint)
        elif key == "hold" and processes[name] == "closed":
            yield Fault(f"governor.{key}", f'"{name}" is a closed loop, whose clients wait anyway', "shed it")
