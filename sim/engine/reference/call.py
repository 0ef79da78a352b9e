"""What the reference engine's modules pass to one another: calls, steps, ticks."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import simpy

from sim.engine.kernel import clock
from sim.engine.kernel.ident import pass_of, workload_of

if TYPE_CHECKING:
    from sim.engine.reference.program import Request
    from sim.engine.reference.replica import Replica

Steps = Generator[simpy.Event, Any, None]
"""What a SimPy process is."""


def tick_of(time_s: float) -> int:
    """The tick nearest to `time_s` [s]."""
    return round(time_s * clock.TICKS_PER_S)


def seconds_of(tick: float) -> float:
    """`tick` as seconds."""
    return tick / clock.TICKS_PER_S


@dataclass(eq=False)
class Call:
    """One pass of a model over one request."""

    id: int
    input: int
    output: int
    arrive_s: float
    since_s: float
    measured: bool
    request: Request | None = None
    admit_s: float | None = None
    first_s: float | None = None
    done: float = 0  # tokens emitted; whole but while a speculating replica decodes
    prefilled: int = 0
    decoding: bool = False
    left: int = 0  # steps to decode
    cached: int = 0
    replica: Replica | None = None
    source: Replica | None = None  # that prefilled it and holds its KV

    @property
    def workload(self) -> int:
        return workload_of(self.id)

    @property
    def attempt(self) -> int:
        """Times that its client had asked before."""
        return pass_of(self.id)

    @property
    def need(self) -> float:
        """Tokens to prefill, or that decoding attends to: the prompt, and after a preemption what had been emitted."""
        return self.input + self.done


@dataclass
class Step:
    """What one step of a replica does."""

    decoding: list[Call]
    prefill: int = 0
    attention: float = 0.0
    admitted: int = 0
    loads: int = 0
