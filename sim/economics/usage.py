"""What a run used and delivered, as far as money is concerned; read from a result's summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PoolUsage:
    """Hardware of one pool, held for the whole span. servers: as many as its accelerators fill, in part too.

    provisioned_it_w: nameplate power of those servers [W].
    """

    name: str
    accelerators: float
    servers: float
    provisioned_it_w: float


@dataclass(frozen=True)
class Usage:
    """Hardware and site energy [J] over the span [s], and the requests and tokens that completed."""

    span_s: float
    pools: tuple[PoolUsage, ...]
    site_j: float
    requests: int
    input_tokens: int
    output_tokens: int


def usage_of(summary: Mapping[str, Any]) -> Usage:
    """The usage that a result's summary tells of."""
    return Usage(
        span_s=summary["span"]["end_s"] - summary["span"]["start_s"],
        pools=tuple(
            PoolUsage(p["name"], p["accelerators"], p["servers"], p["power"]["provisioned_it_w"])
            for p in summary["pools"]
        ),
        site_j=summary["energy"]["site_j"],
        requests=summary["requests"]["completed"],
        input_tokens=summary["tokens"]["input"],
        output_tokens=summary["tokens"]["output"],
    )
