"""Time to send a prompt's KV cache from the replica that prefilled it to the one that decodes.

    time = latency + (1 - overlap) x (tokens x bytes per token + constant state) / bandwidth

Every accelerator sends, and receives, its own share of the cache at once, so bytes per token are those of one
accelerator: the larger of the two sides' shares, where they are cut differently, over the slower of their links.
Prompts that one replica sends at the same time are taken to have a link each: at the 20 to 40 GB/s and the prefill
rates of today's accelerators a link is busy for a few percent of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.catalog.types import Accelerator, Model
from sim.cost.deployment import Deployment
from sim.cost.precision import kv_element_bytes
from sim.cost.work import cache


@dataclass(frozen=True)
class Side:
    """One end of a transfer. bytes_per_s: one-way bandwidth of each accelerator [B/s]."""

    deployment: Deployment
    bytes_per_s: float


def link_bytes_per_s(accelerator: Accelerator, link: str, share: float) -> float:
    """One-way bandwidth of an accelerator [B/s] over `link`, "scale-out" or "scale-up": `share` of the datasheet's."""
    datasheet = accelerator.link_bytes_per_s if link == "scale-up" else accelerator.scale_out_bytes_per_s
    return share * datasheet


def handover(
    model: Model,
    sender: Side,
    receiver: Side,
    *,
    latency_s: float,
    overlap: float,
    typical_context: float,
) -> tuple[float, float]:
    """Time of a hand-over [s]: for each prompt, and for each of its tokens.

    overlap: share of the bytes that are on their way before the prompt's last step ends.
    typical_context: see `sim.cost.deployment.Limits`.
    """
    caches = [
        cache(
            model,
            side.deployment.tensor_parallel,
            kv_element_bytes(side.deployment.kv_precision),
            typical_context,
        )
        for side in (sender, receiver)
    ]
    left_s_per_byte = (1.0 - overlap) / min(sender.bytes_per_s, receiver.bytes_per_s)
    fixed = max(c.sequence_bytes for c in caches)
    # a pipeline's stages send their layers side by side
    stages = min(side.deployment.pipeline_parallel for side in (sender, receiver))
    each = max(c.token_bytes for c in caches) / stages
    return latency_s + fixed / stages * left_s_per_byte, each * left_s_per_byte
