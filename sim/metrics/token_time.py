"""What one token of each phase takes when the phase runs alone: the weights by which a busy pool's cost is divided.

A step computes prefill and decode together, and its time is not a sum of theirs (weights are read once for both), so
any division is a convention. This one weighs each token by the step time that its phase alone would need per token:
decoding at the pool's mean batch and context, prefill in steps as full as the token budget.
"""

from __future__ import annotations

from sim.cost.types import StepCost
from sim.metrics.capacity import step_s
from sim.metrics.moments import Moments
from sim.scenario.pool import Scheduler


def token_time_s(
    cost: StepCost, scheduler: Scheduler, lengths: Moments, mean_batch: float | None
) -> dict[str, float]:
    """Time of one prompt token and of one output token [s]; `mean_batch`: None where nothing ran (taken as 1)."""
    batch = min(max(round(mean_batch or 1), 1), len(cost.kv_s) - 1)
    prompts = scheduler.token_budget / max(lengths.computed, 1.0)
    prefill_s = step_s(cost, 0, max(prompts, 1.0), lengths) / max(prompts, 1.0) / max(lengths.computed, 1.0)
    decode_s = step_s(cost, batch, 0, lengths) / (batch * cost.tokens_per_step)
    return {"prefill": prefill_s, "decode": decode_s}
