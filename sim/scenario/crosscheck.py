"""Faults between tables: models without a pool, pools without work, names given twice, uneven cells.

They are found on an `Outline`, which can be drawn from a finished scenario or from the bare data of a file in
which other things are wrong, so that a user hears of every fault at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sim.errors import Fault
from sim.scenario.fields import Refusal, read_duration
from sim.scenario.mitigation import (
    Mitigation,
    mitigation_faults,
    own_name_faults,
    technique_faults,
)
from sim.scenario.names import accelerator_name, model_name
from sim.scenario.technique import Technique

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario
    from sim.scenario.workload import Workload

AT_START = "all-at-once"


@dataclass(frozen=True)
class Member:
    """One workload or pool: its key path, its name, its model, and what cells would have to divide.

    model is None where it is missing or unknown. divided is a count under the key `divided_key`, or None.
    """

    path: str
    name: str
    model: str | None
    divided_key: str
    divided: int | None
    at_start: bool = False
    """Whether all its requests arrive at time 0."""
    mitigation: Mitigation | None = None
    """How its requests are answered; None where that is wrong by itself, and for a pool."""

    @property
    def models(self) -> dict[str, str]:
        """Models that its passes ask for besides its own, by role."""
        return self.mitigation.models if self.mitigation else {}


@dataclass(frozen=True)
class Outline:
    """What the tables of a scenario must agree on."""

    cells: int
    warmup_s: float
    workloads: tuple[Member, ...]
    pools: tuple[Member, ...]
    techniques: tuple[tuple[str, Technique], ...] = ()
    """The scenario's own, each after its key path; those that are wrong by themselves are left out."""

    @property
    def own_techniques(self) -> list[Technique]:
        return [t for _, t in self.techniques]

    @classmethod
    def of_scenario(cls, scenario: Scenario) -> Outline:
        """The outline of validated tables."""
        return cls(
            scenario.cells,
            scenario.warmup_s,
            tuple(_workload(i, w) for i, w in enumerate(scenario.workloads)),
            tuple(
                Member(f"pool[{i}]", p.name, p.model, "replicas", p.replicas)
                for i, p in enumerate(scenario.pools)
            ),
            tuple((f"technique[{i}]", t) for i, t in enumerate(scenario.techniques)),
        )

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Outline:
        """The outline of a file's bare data, of which any part may be wrong."""
        cells = _whole(data.get("cells"))
        return cls(
            cells if cells is not None and cells >= 1 else 1,
            _seconds(data.get("warmup")),
            tuple(_bare_workload(i, t) for i, t in _tables(data.get("workload"))),
            tuple(_bare_pool(i, t) for i, t in _tables(data.get("pool"))),
            tuple(_bare_techniques(data.get("technique"))),
        )


def cross_faults(outline: Outline) -> list[Fault]:
    """Everything that the tables contradict each other in; nothing is said where a model is unknown."""
    return [
        *_techniques(outline),
        *_duplicates(outline.workloads),
        *_duplicates(outline.pools),
        *_unserved(outline),
        *_unused(outline),
        *_undivided(outline),
        *_uncounted(outline),
    ]


def _techniques(outline: Outline) -> Iterable[Fault]:
    yield from own_name_faults(outline.techniques)
    for path, technique in outline.techniques:
        yield from technique_faults(path, technique)
    for workload in outline.workloads:
        if workload.mitigation is not None:
            path = f"{workload.path}.mitigation"
            yield from mitigation_faults(path, workload.mitigation, outline.own_techniques)


def _duplicates(members: Sequence[Member]) -> Iterable[Fault]:
    count = Counter(m.name for m in members)
    first = {m.name: m.path for m in reversed(members)}
    for member in members:
        if count[member.name] > 1 and first[member.name] != member.path:
            yield Fault(f"{member.path}.name", f'"{member.name}" is also the name of {first[member.name]}')


def _unserved(outline: Outline) -> Iterable[Fault]:
    served = [p.model for p in outline.pools]
    if not served or None in served:
        return
    for workload in outline.workloads:
        if workload.model is not None and workload.model not in served:
            names = ", ".join(f'"{m}"' for m in dict.fromkeys(served))
            yield Fault(
                f"{workload.path}.model", f'no pool serves "{workload.model}"', f"the pools serve {names}"
            )
        for role, model in workload.models.items():
            if model not in served:
                names = ", ".join(f'"{m}"' for m in dict.fromkeys(served))
                yield Fault(
                    f"{workload.path}.mitigation.models.{role}",
                    f'no pool serves "{model}"',
                    f"the pools serve {names}; without a model, {role} is the workload's own",
                )


def _unused(outline: Outline) -> Iterable[Fault]:
    asked = [m for w in outline.workloads for m in (w.model, *w.models.values())]
    if not asked or None in asked or any(w.mitigation is None for w in outline.workloads):
        return
    for pool in outline.pools:
        if pool.model is not None and pool.model not in asked:
            names = ", ".join(f'"{m}"' for m in dict.fromkeys(asked))
            yield Fault(
                f"{pool.path}.model", f'no workload asks for "{pool.model}"', f"workloads ask for {names}"
            )


def _undivided(outline: Outline) -> Iterable[Fault]:
    for member in (*outline.workloads, *outline.pools):
        if member.divided is not None and member.divided >= 1 and member.divided % outline.cells:
            yield Fault(
                f"{member.path}.{member.divided_key}",
                f"{member.divided} cannot be divided evenly among cells = {outline.cells}",
            )


def _uncounted(outline: Outline) -> Iterable[Fault]:
    for workload in outline.workloads:
        if workload.at_start and outline.warmup_s > 0:
            yield Fault(
                f"{workload.path}.arrivals.process",
                f'"{AT_START}" requests arrive at 0, within warmup = {outline.warmup_s:g} s: none counts',
                "use warmup = 0",
            )


def _workload(index: int, workload: Workload) -> Member:
    arrivals = workload.arrivals
    clients = getattr(arrivals, "clients", None)
    at_start = arrivals.process == AT_START
    return Member(
        f"workload[{index}]",
        workload.name,
        workload.model,
        "arrivals.clients",
        clients,
        at_start,
        workload.mitigation,
    )


def _bare_workload(index: int, table: Mapping[str, Any]) -> Member:
    arrivals = table.get("arrivals")
    tabled = arrivals if isinstance(arrivals, Mapping) else {}
    clients = _whole(tabled.get("clients")) if tabled.get("process") == "closed" else None
    name = _text(table.get("name")) or f"workload-{index}"
    at_start = tabled.get("process") == AT_START
    return Member(
        f"workload[{index}]",
        name,
        _model(table),
        "arrivals.clients",
        clients,
        at_start,
        _mitigation(table.get("mitigation")),
    )


def _mitigation(value: object) -> Mitigation | None:
    """None where the value is wrong by itself, which is told elsewhere."""
    if value is None:
        return Mitigation()
    try:
        return Mitigation.model_validate({"technique": value} if isinstance(value, str) else value)
    except ValidationError:
        return None


def _bare_techniques(value: object) -> Iterable[tuple[str, Technique]]:
    for i, table in _tables(value):
        with suppress(ValidationError):
            yield f"technique[{i}]", Technique.model_validate(table)


def _bare_pool(index: int, table: Mapping[str, Any]) -> Member:
    name = _text(table.get("name")) or f"{_accelerator(table)}-{index}"
    return Member(f"pool[{index}]", name, _model(table), "replicas", _whole(table.get("replicas")))


def _tables(value: object) -> list[tuple[int, Mapping[str, Any]]]:
    rows = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return [(i, row if isinstance(row, Mapping) else {}) for i, row in enumerate(rows)]


def _model(table: Mapping[str, Any]) -> str | None:
    try:
        return model_name(_text(table.get("model")))
    except Refusal:
        return None


def _accelerator(table: Mapping[str, Any]) -> str:
    name = _text(table.get("accelerator"))
    try:
        return accelerator_name(name)
    except Refusal:
        return name


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: object) -> float:
    try:
        return read_duration(value)
    except Refusal:
        return 0.0


def _whole(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
