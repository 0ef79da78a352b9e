"""pool.adapters: low-rank adapters (LoRA) that share a model's weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sim.errors import Fault
from sim.scenario.fields import Count, NotNegative, Positive, Seconds, Table
from sim.scenario.job import makes_jobs

if TYPE_CHECKING:
    from sim.scenario.pool import Pool


class Adapters(Table):
    """Variants of the pool's model that differ by low-rank adapters (LoRA, arXiv 2106.09685); each request is for one.

    All adapters lie in the host's memory. A replica holds some of them; one that a request needs and that is not there
    is loaded with the step that admits the request, in the place of the one that has been unused longest.
    """

    count: Count = Field(le=1_000_000, description="Adapters in all.", examples=[1000])
    rank: Count = Field(default=16, le=1024, description="Rank of each adapter.", examples=[16])
    targets: Literal["attention", "all-linear"] = Field(
        default="attention",
        description="Matrices that have an adapter: those of the attention, or also those of dense feed-forward parts.",
    )
    zipf: NotNegative = Field(
        default=1.0,
        le=10,
        description="Exponent of Zipf's law: the i-th adapter is asked for in proportion to i^-zipf; 0: all alike [1].",
        examples=[1.0],
    )
    resident: Count = Field(
        default=8,
        le=65_536,
        description="Adapters that a replica holds at once, those of its running requests among them; requests whose "
        "adapter finds no place wait (default: SGLang's max_loras_per_batch). Their memory is taken off the KV cache.",
        examples=[32],
    )
    load_gb_per_s: Positive = Field(
        default=25.0,
        description="Rate at which an adapter comes from the host's memory to each accelerator [GB/s]. Default: an "
        "estimate for PCIe 4.0 x16, whose nominal rate is 32 GB/s in one direction.",
        examples=[50],
    )
    step_overhead_s: Seconds = Field(
        default=0.002,
        alias="step_overhead",
        ge=0,
        description="What adapters add to each step besides the time to read them [s]. Default: the latency per token "
        "that Punica reports in all (arXiv 2310.18547), so that the reading counts twice.",
        examples=["2 ms"],
    )

    @property
    def places(self) -> int:
        """Places for adapters on a replica: no more than there are adapters."""
        return min(self.resident, self.count)


def adapter_faults(pools: Sequence[Pool]) -> Iterator[Fault]:
    """Pools of one model whose adapters differ: a request must find its own on any of them."""
    first: dict[str, int] = {}
    for i, pool in enumerate(pools):
        if pool.adapters is not None and makes_jobs(pool.model):
            text = f"{pool.model} makes images or videos: what adapters cost there is not known"
            yield Fault(f"pool[{i}].adapters", text, "leave it out")
        j = first.setdefault(pool.model, i)
        both = [(a.count, a.zipf) if a else None for a in (pools[j].adapters, pool.adapters)]
        if both[0] != both[1]:
            text = f"must have the same count and zipf as pool[{j}].adapters: both serve {pool.model}"
            yield Fault(f"pool[{i}].adapters", text, "or no adapters in either")
