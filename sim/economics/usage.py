"""What a run used and delivered, as far as money is concerned; read from a result's summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sim.economics.electricity import Meter, meter_of

WHOLE = "request"
"""Name of the one pass of a request that is no program of passes."""


@dataclass(frozen=True)
class PoolUsage:
    """Hardware of one pool, held for the whole span. servers: as many as its accelerators fill, in part too.

    provisioned_it_w: nameplate power of those servers [W].
    busy: share of the span in which replicas had calls to run [1].
    it_j: IT energy;  idle_j: the part of it drawn while replicas had none [J].
    prefill_s, decode_s: time of one token of a phase, run alone as the pool ran it [s]; their ratio divides what a
        busy pool costs among its phases.
    """

    name: str
    model: str
    accelerators: float
    servers: float
    provisioned_it_w: float
    busy: float
    it_j: float
    idle_j: float
    prefill_s: float
    decode_s: float
    powered_h: float | None = None
    """Accelerator-hours in which they were on; None: the whole span."""


@dataclass(frozen=True)
class Work:
    """Tokens that the completed requests of a workload had computed in one stage, on replicas of `model`."""

    workload: str
    stage: str
    model: str
    prefilled: float
    output: float


@dataclass(frozen=True)
class Spilled:
    """Tokens of a workload that another service computed, at its list prices [$/Mtok]."""

    workload: str
    input_tokens: int
    output_tokens: int
    usd_per_mtok_input: float
    usd_per_mtok_output: float


@dataclass(frozen=True)
class Usage:
    """Hardware and site energy [J] over the span [s], and the requests, tokens and work that completed.

    site_j: at the meter, without what training draws.  meter: the whole site's draw by hour, training included; without
    it electricity costs the same at all hours.
    """

    span_s: float
    pools: tuple[PoolUsage, ...]
    work: tuple[Work, ...]
    site_j: float
    requests: int
    input_tokens: int
    output_tokens: int
    meter: Meter | None = None
    user_input_tokens: int | None = None
    user_output_tokens: int | None = None
    """What users sent and of the answers that they got, whatever passes it took; None where it is all that was
    computed."""
    cached_tokens: int = 0
    """Of what users sent, what a prefix cache held."""
    spilled: tuple[Spilled, ...] = ()

    @property
    def sold_input_tokens(self) -> int:
        """Prompt tokens that users pay for: their own, not what passes read to one another."""
        own = self.input_tokens if self.user_input_tokens is None else self.user_input_tokens
        return own + sum(s.input_tokens for s in self.spilled)

    @property
    def sold_output_tokens(self) -> int:
        """Output tokens that users pay for: of the answers."""
        own = self.output_tokens if self.user_output_tokens is None else self.user_output_tokens
        return own + sum(s.output_tokens for s in self.spilled)


def usage_of(summary: Mapping[str, Any]) -> Usage:
    """The usage that a result's summary tells of."""
    powered = {p["name"]: p["accelerator_hours_powered"] for p in summary.get("fleet", {}).get("pools", ())}
    return Usage(
        span_s=summary["span"]["end_s"] - summary["span"]["start_s"],
        pools=tuple(_pool(pool, powered.get(pool["name"])) for pool in summary["pools"]),
        work=tuple(work for w in summary["workloads"] for work in _work(w)),
        site_j=summary["energy"].get("serving_j", summary["energy"]["site_j"]),
        requests=summary["requests"]["completed"],
        input_tokens=summary["tokens"]["input"],
        output_tokens=summary["tokens"]["output"],
        meter=meter_of(summary) if "site" in summary else None,
        user_input_tokens=summary["tokens"].get("user_input"),
        user_output_tokens=summary["tokens"].get("user_output"),
        cached_tokens=_cached_tokens(summary),
        spilled=tuple(_spilled(w) for w in summary["workloads"] if "spill" in w),
    )


def _spilled(workload: Mapping[str, Any]) -> Spilled:
    spill = workload["spill"]
    prices = spill["usd_per_mtok_input"], spill["usd_per_mtok_output"]
    return Spilled(workload["name"], spill["input"], spill["output"], *prices)


def _cached_tokens(summary: Mapping[str, Any]) -> int:
    """Prompt tokens of plain requests that caches held: what pools found less what passes of programs did.

    What a program's passes share among themselves is no text that a user sent twice, and earns no discount.
    """
    if all(w.get("stages") for w in summary["workloads"]):
        return 0
    found = sum(pool.get("tokens", {}).get("cached", 0.0) for pool in summary["pools"])
    of_programs = sum(stage.get("cached", 0) for w in summary["workloads"] for stage in w.get("stages") or ())
    return max(0, round(found - of_programs))


def _pool(pool: Mapping[str, Any], powered_h: float | None) -> PoolUsage:
    """Hosts draw the same busy or idle: theirs is idle energy for the idle part of the time."""
    energy, busy = pool["energy"], min(pool["utilization"], 1.0)
    around_j = energy["it_j"] - energy["accelerator_j"]
    return PoolUsage(
        name=pool["name"],
        model=pool["model"],
        accelerators=pool["accelerators"],
        servers=pool["servers"],
        provisioned_it_w=pool["power"]["provisioned_it_w"],
        busy=busy,
        it_j=energy["it_j"],
        idle_j=energy["accelerators_idle_j"] + (1 - busy) * around_j,
        prefill_s=pool["token_time_s"]["prefill"],
        decode_s=pool["token_time_s"]["decode"],
        powered_h=powered_h,
    )


def _work(workload: Mapping[str, Any]) -> Iterator[Work]:
    name, model = workload["name"], workload["model"]
    if not workload.get("stages"):
        tokens = workload["tokens"]
        yield Work(name, WHOLE, model, tokens["input"], workload.get("denoising_steps", tokens["output"]))
        return
    for number, stage in enumerate(workload["stages"]):
        called, own = stage.get("name", str(number)), stage.get("model", model)
        yield Work(name, called, own, stage["prefilled"], stage["output"])
