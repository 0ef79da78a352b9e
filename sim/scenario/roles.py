"""Prefill and decoding on pools of their own: which roles go together, and how KV gets from one to the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from sim.errors import Fault
from sim.scenario.fields import Fraction, Positive, Seconds, Table
from sim.scenario.job import makes_jobs

if TYPE_CHECKING:
    from sim.scenario.fleet import Event
    from sim.scenario.pool import Pool

BOTH = "both"
Role = Annotated[
    Literal["prefill", "decode"] | None, BeforeValidator(lambda value: None if value == BOTH else value)
]
"""None: both, what a pool does by itself."""
PAIRED = ("prefill", "decode")
FIXED = "pools that prefill and decode apart do not change over a run"
OVERFLOW = "requests overflow to other pools only where these prefill and decode"


class Transfer(Table):
    """How the KV of a prefilled prompt gets to the replica that decodes it."""

    link: Literal["scale-out", "scale-up"] = Field(
        default="scale-out",
        description="What joins the two: the network beyond a server (scale-out), or the accelerators' own link "
        "where both stand in one domain (scale-up). Its bandwidth is the accelerator catalog's, times the share that "
        "the stack attains of it.",
    )
    bandwidth_gb_per_s: Positive | None = Field(
        default=None,
        description="One-way bandwidth of each accelerator, in place of the catalog's [GB/s].",
        examples=[50],
    )
    latency_s: Seconds = Field(
        default=0.005,
        alias="latency",
        description="Time of a hand-over besides that of its bytes [s]: messages, routing, and what is left after the "
        "last layer. Default 5 ms, an estimate.",
        examples=["5 ms"],
    )
    overlap: Fraction = Field(
        default=0.0,
        description="Share of the bytes that are sent while the prompt is still computed, layer by layer (Splitwise, "
        "arXiv 2311.18677) [1].",
    )


def role_faults(pools: Sequence[Pool], events: Sequence[Event]) -> list[Fault]:
    """What pools of one model contradict each other in, and what a role does not allow; nothing of images and videos,
    whose pools have none (`sim.scenario.job`)."""
    apart = {p.name for p in pools if p.role is not None}
    hit = [(f"event[{i}].pool", e.pool) for i, e in enumerate(events) if e.pool in apart]
    return [
        *_unpaired(pools),
        *_unlike(pools),
        *(Fault(path, f'"{name}" does a part of each request: {FIXED}') for path, name in hit),
        *(f for i, p in enumerate(pools) if not makes_jobs(p.model) for f in _own(f"pool[{i}]", p)),
    ]


def _unpaired(pools: Sequence[Pool]) -> Iterable[Fault]:
    for model in dict.fromkeys(p.model for p in pools if not makes_jobs(p.model)):
        numbers = [i for i, p in enumerate(pools) if p.model == model]
        roles = {pools[i].role for i in numbers}
        apart = roles - {None}
        if apart and None in roles:
            i = next(i for i in numbers if pools[i].role is None)
            text = f'the pools of "{model}" prefill and decode apart, and this one does both'
            yield Fault(
                f"pool[{i}].role", text, 'give it role = "prefill" or "decode", or give no pool a role'
            )
        elif len(apart) == 1:
            (there,) = apart
            other = next(r for r in PAIRED if r != there)
            i = next(i for i in numbers if pools[i].role == there)
            text = f'no pool of "{model}" has role = "{other}", which this one needs beside it'
            yield Fault(f"pool[{i}].role", text, f'add a [[pool]] with role = "{other}"')


def _unlike(pools: Sequence[Pool]) -> Iterable[Fault]:
    """KV is sent as it is stored."""
    for i, pool in enumerate(pools):
        if pool.role != "decode":
            continue
        senders = (p for p in pools if p.role == "prefill" and p.model == pool.model)
        other = next((p for p in senders if p.kv_precision != pool.kv_precision), None)
        if other is not None:
            text = f'{pool.kv_precision} cannot take over the {other.kv_precision} cache of "{other.name}"'
            yield Fault(f"pool[{i}].kv_precision", text, f'use kv_precision = "{other.kv_precision}" in both')


def _own(path: str, pool: Pool) -> Iterable[Fault]:
    if pool.role != "prefill" and pool.transfer is not None:
        text = "only a pool that prefills for others sends KV on"
        yield Fault(f"{path}.transfer", text, 'set it in the pool with role = "prefill"')
    if pool.role is None:
        return
    if pool.scheduler.kind == "static":
        text = f'static batches are served whole; the role is "{pool.role}"'
        yield Fault(f"{path}.scheduler.kind", text, 'use "chunked-prefill" or "prefill-first"')
    not_for_a_part = {
        **dict.fromkeys(("region", "overflow_above", "tier"), OVERFLOW),
        **dict.fromkeys(("scaler", "failures", "maintenance", "spot"), FIXED),
    }
    for name, text in not_for_a_part.items():
        if getattr(pool, name):
            yield Fault(f"{path}.{name}", text, "leave it out, or give no pool a role")
    if pool.adapters is not None:
        yield Fault(
            f"{path}.adapters", "adapters are served by pools that prefill and decode", "leave it out"
        )
    if pool.role == "prefill" and pool.scheduler.kv_reserve == "full":
        text = "outputs take no room where prompts are prefilled"
        yield Fault(f"{path}.scheduler.kv_reserve", text, "set it in the pool that decodes")
    if pool.role == "decode" and pool.scheduler.queue_limit is not None:
        text = "requests are turned away where they arrive, at the pool that prefills"
        yield Fault(f"{path}.scheduler.queue_limit", text, "set it there")
    if pool.role == "decode" and pool.prefix_cache.enabled:
        text = "prompts are found in the cache of the pool that prefills"
        yield Fault(f"{path}.prefix_cache", text, "set it there")
