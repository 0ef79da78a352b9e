"""Time of the collectives of a step on real links: a latency, and seconds per byte, by group size and domain.

Bandwidth terms are those of rings (Thakur, Rabenseifner, Gropp, doi:10.1177/1094342005051521): an all-reduce
over g ranks moves 2 (g - 1) / g of the data through each rank's link. Groups larger than the scale-up domain
reduce inside each domain first, then across domains over the network, 1 / domain of the data on each rank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.catalog.types import Accelerator
from sim.cost.coefficients import Coefficients


@dataclass(frozen=True)
class Transfer:
    """Time of one collective: latency_s + byte_s x bytes (of the array a rank ends with, or sends)."""

    latency_s: float
    byte_s: float

    def time_s(self, size_bytes):
        """Seconds for `size_bytes` (a number or an array)."""
        return self.latency_s + self.byte_s * size_bytes


NOTHING = Transfer(0.0, 0.0)


def all_reduce(ranks: int, accelerator: Accelerator, c: Coefficients) -> Transfer:
    """All-reduce of an array that every one of `ranks` holds; bytes are those of the array."""
    if ranks <= 1:
        return NOTHING
    inner = min(ranks, max(accelerator.domain_size, 1))
    nodes = math.ceil(ranks / inner)
    latency_s, byte_s = 0.0, 0.0
    if inner > 1:
        latency_s = c.all_reduce_latency_s
        byte_s = 2 * (inner - 1) / inner / (accelerator.link_bytes_per_s * c.link_bandwidth)
    if nodes > 1:
        latency_s += 2 * math.ceil(math.log2(nodes)) * c.scale_out_latency_s
        byte_s += 2 * (nodes - 1) / nodes / inner / (accelerator.scale_out_bytes_per_s * c.link_bandwidth)
    return Transfer(latency_s, byte_s)


def all_to_all(ranks: int, accelerator: Accelerator, c: Coefficients) -> Transfer:
    """Every rank sends to every other; bytes are what one rank sends, a 1/ranks share of it to itself.

    Links inside and beyond the domain work at the same time, so the slower of the two sets the pace.
    """
    if ranks <= 1:
        return NOTHING
    inner = min(ranks, max(accelerator.domain_size, 1))
    byte_s = (inner - 1) / ranks / (accelerator.link_bytes_per_s * c.link_bandwidth)
    latency_s = c.all_reduce_latency_s
    if ranks > inner:
        outside_s = (ranks - inner) / ranks / (accelerator.scale_out_bytes_per_s * c.link_bandwidth)
        byte_s, latency_s = max(byte_s, outside_s), latency_s + c.scale_out_latency_s
    return Transfer(latency_s, byte_s)


def point_to_point(crosses_domain: bool, accelerator: Accelerator, c: Coefficients) -> Transfer:
    """One rank sends to one other, inside the domain or across the network; bytes are what it sends."""
    if crosses_domain:
        return Transfer(c.scale_out_latency_s, 1 / (accelerator.scale_out_bytes_per_s * c.link_bandwidth))
    return Transfer(c.all_reduce_latency_s, 1 / (accelerator.link_bytes_per_s * c.link_bandwidth))
