"""The scenario: what a TOML file says, as immutable tables.

A `Scenario` is complete: defaults that depend on other keys are filled in, and names are the catalogs' own.
Durations are seconds; the TOML key `duration` is the attribute `duration_s`, and so with every duration.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from sim.errors import ScenarioError
from sim.scenario.adapters import adapter_faults
from sim.scenario.client import Link
from sim.scenario.clientcheck import client_faults, region_faults
from sim.scenario.crosscheck import Outline, cross_faults
from sim.scenario.fields import Count, Name, Positive, Refusal, Seconds, Table, Whole, read_duration
from sim.scenario.fleet import Event
from sim.scenario.fleetcheck import fleet_faults
from sim.scenario.governor import Governor, governor_faults
from sim.scenario.job import job_faults
from sim.scenario.mitigation import completed
from sim.scenario.money import Cost
from sim.scenario.pool import Pool
from sim.scenario.rate import begun_at
from sim.scenario.revenue import Revenue
from sim.scenario.roles import role_faults
from sim.scenario.site import Site
from sim.scenario.technique import Technique
from sim.scenario.training import Training
from sim.scenario.workload import Workload

AUTO = "auto"

Router = Literal[
    "least-outstanding",
    "round-robin",
    "random",
    "power-of-two",
    "least-kv",
    "session",
    "efficient-first",
    "prefix-aware",
]


def _window(value: object) -> float | str:
    """ "auto", or a duration of at least a second."""
    if value == AUTO:
        return AUTO
    seconds = read_duration(value)
    if seconds < 1:
        raise Refusal(f'must be "auto" or at least 1 s; given {value}')
    return seconds


class Output(Table):
    """What is kept of a run."""

    window_s: Annotated[
        float | Literal["auto"],
        BeforeValidator(_window),
        WithJsonSchema({"anyOf": [{"type": "number", "minimum": 1}, {"type": "string"}]}),
    ] = Field(
        default=AUTO,
        alias="window",
        description='Width of a window of the time series [s], at least 1 s; "auto" suits it to the '
        "duration.",
        examples=["1 min"],
    )


class Scenario(Table):
    """A fleet, the demand on it, and the prices of both.

    Raises, besides pydantic's ValidationError, ScenarioError where tables contradict each other.
    """

    name: Name = Field(description="Name of the scenario, for reports.", examples=["chat-70b"])
    seed: Whole = Field(
        default=0, ge=0, lt=2**63, description="Seed of every random draw; the same seed gives the same run."
    )
    duration_s: Seconds = Field(
        alias="duration",
        gt=0,
        le=3650 * 86_400,
        description="Time in which requests arrive [s]; all that arrive in it are simulated to completion.",
        examples=["1 h"],
    )
    warmup_s: Seconds = Field(
        default=0.0,
        alias="warmup",
        ge=0,
        description="Time at the start whose requests are simulated but not counted [s]; less than the "
        "duration.",
        examples=["5 min"],
    )
    router: Router = Field(
        default="least-outstanding",
        description="How an arriving request's replica is chosen among those that serve its model: fewest "
        "requests in it; in turn; at random; the emptier of two at random; least KV cache in use; session: for every "
        "pass that asks for the workload's own model the replica that the first of them got, other passes by fewest "
        "requests; efficient-first: fewest requests, but pools that need less energy a token are filled first; "
        "prefix-aware: fewest tokens, of those in the KV cache, those queued, and (times overlap_weight) those of the "
        "request's own that the replica's prefix cache does not hold.",
    )
    overlap_weight: Positive = Field(
        default=1.0,
        le=1e6,
        description="Of the router prefix-aware: tokens in the KV cache that weigh as much as one to compute [1]. "
        "The larger, the more a request stays where its beginning is, and the less loads are evened out.",
        examples=[1.0],
    )
    cells: Count = Field(
        default=1,
        description="Independent groups that replicas and demand are divided into, each behind its own "
        "router; divides the replicas of each pool and the clients of each closed workload.",
    )
    techniques: tuple[Technique, ...] = Field(
        default=(),
        alias="technique",
        description="Techniques of one's own, which workloads name under `mitigation`.",
    )
    workloads: tuple[Workload, ...] = Field(
        alias="workload",
        json_schema_extra={"minItems": 1},
        description="The demand: one [[workload]] or more.",
    )
    pools: tuple[Pool, ...] = Field(
        alias="pool", json_schema_extra={"minItems": 1}, description="The fleet: one [[pool]] or more."
    )
    training: tuple[Training, ...] = Field(
        default=(), description="Training runs that share the site: any number of [[training]]."
    )
    links: tuple[Link, ...] = Field(
        default=(), alias="link", description="Ways between regions: any number of [[link]]."
    )
    events: tuple[Event, ...] | None = Field(
        default=None, alias="event", description="Outages at given times: any number of [[event]]."
    )
    governor: Governor | None = Field(
        default=None,
        description="What keeps the site under site.power_limit while it runs; without it the limit is only reported.",
    )
    site: Site = Field(default_factory=Site, description="The building.")
    cost: Cost = Field(default_factory=Cost, description="What the fleet costs.")
    revenue: Revenue | None = Field(default=None, description="What tokens sell for; without it, no revenue.")
    output: Output = Field(default_factory=Output, description="What is kept of a run.")

    @field_validator("warmup_s")
    @classmethod
    def _within_duration(cls, value: float, info: ValidationInfo) -> float:
        total = info.data.get("duration_s", float("inf"))
        if value >= total:
            raise Refusal(f"must be less than the duration, {total:g} s; it is {value:g} s")
        return value

    @field_validator("workloads", "pools")
    @classmethod
    def _at_least_one(cls, value: tuple[Table, ...], info: ValidationInfo) -> tuple[Table, ...]:
        if not value:
            key = "workload" if info.field_name == "workloads" else "pool"
            raise Refusal(f"needs at least one [[{key}]] table")
        return value

    @field_validator("workloads")
    @classmethod
    def _name_workloads(cls, value: tuple[Workload, ...]) -> tuple[Workload, ...]:
        return tuple(
            w if w.name else w.model_copy(update={"name": f"workload-{i}"}) for i, w in enumerate(value)
        )

    @field_validator("workloads")
    @classmethod
    def _complete_mitigations(cls, value: tuple[Workload, ...], info: ValidationInfo) -> tuple[Workload, ...]:
        own = info.data.get("techniques", ())
        return tuple(w.model_copy(update={"mitigation": completed(w.mitigation, own)}) for w in value)

    @field_validator("pools")
    @classmethod
    def _name_pools(cls, value: tuple[Pool, ...]) -> tuple[Pool, ...]:
        names = (p.name or f"{p.accelerator}-{i}" for i, p in enumerate(value))
        return tuple(p.model_copy(update={"name": name}) for p, name in zip(value, names, strict=True))

    @field_validator("training")
    @classmethod
    def _name_training(cls, value: tuple[Training, ...], info: ValidationInfo) -> tuple[Training, ...]:
        named = tuple(
            t if t.name else t.model_copy(update={"name": f"training-{i}"}) for i, t in enumerate(value)
        )
        taken = {pool.name for pool in info.data.get("pools", ())}
        for i, block in enumerate(named):
            if block.name in taken:
                raise Refusal(
                    f'"{block.name}" names two of the pools and training runs', f"see training[{i}].name"
                )
            taken.add(block.name)
        return named

    @model_validator(mode="after")
    def _begin_with_the_site(self) -> Scenario:
        """Shapes begin at the hour at which the run does."""
        begun = [begun_at(w.arrivals, self.site.start) for w in self.workloads]
        if all(a is w.arrivals for a, w in zip(begun, self.workloads, strict=True)):
            return self
        pairs = zip(self.workloads, begun, strict=True)
        workloads = tuple(w.model_copy(update={"arrivals": a}) for w, a in pairs)
        return self.model_copy(update={"workloads": workloads})

    @model_validator(mode="after")
    def _tables_agree(self) -> Scenario:
        faults = [*cross_faults(Outline.of_scenario(self)), *governor_faults(self)]
        faults += role_faults(self.pools, self.events or ())
        faults += adapter_faults(self.pools)
        faults += job_faults(self.workloads, self.pools)
        faults += fleet_faults(self.pools, self.events or (), self.cells)
        faults += [*client_faults(self), *region_faults(self)]
        if faults:
            raise ScenarioError(faults)
        return self
