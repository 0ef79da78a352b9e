"""How many requests a pool could serve: a mean-field estimate from the step cost, without simulating.

At saturation a replica runs its largest batch all the time. Each step then decodes n sequences; n / o of them
end in it (o: mean output), and as many prompts are computed. What the step takes is read off the step cost.
Lengths enter by their means and by the mean context of running sequences, which ignores fluctuations: expect a
few percent. Latency targets break earlier than capacity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.cost.types import StepCost
from sim.metrics.moments import Moments
from sim.scenario.pool import Scheduler


@dataclass(frozen=True)
class Capacity:
    """Of one replica: requests per second, the batch that it takes, and what keeps it from more.

    binds: "max_batch", "KV cache" or "token_budget": what limits the batch; "prefill" where nothing decodes.
    """

    requests_per_s: float
    batch: int
    binds: str


def kv_limited_batch(cost: StepCost, scheduler: Scheduler, lengths: Moments) -> float:
    """Sequences of typical context that the KV room holds at once.

    Room that is taken for the whole output at admission counts input + output tokens for each.
    """
    each = lengths.context
    if scheduler.kv_reserve == "full" or scheduler.kind == "static":
        each = (lengths.input_output + lengths.output_squared) / lengths.output if lengths.output else each
    return cost.memory.kv_capacity_tokens / max(each, 1.0)


def capacity(cost: StepCost, scheduler: Scheduler, lengths: Moments) -> Capacity | None:
    """The most that one replica can serve; None for static batching, whose batch depends on the longest."""
    if scheduler.kind == "static":
        return None
    if lengths.output < 1:
        return Capacity(1 / _prefill_s(cost, scheduler, lengths), 0, "prefill")
    batch, binds = _largest_batch(cost, scheduler, lengths)
    ending = batch * cost.tokens_per_step / lengths.output
    if scheduler.kind == "prefill-first":
        cycle_s = step_s(cost, batch, 0, lengths) + _prefills_s(cost, scheduler, ending, lengths)
    else:
        cycle_s = step_s(cost, batch, ending, lengths)
    return Capacity(ending / cycle_s, batch, binds)


def _largest_batch(cost: StepCost, scheduler: Scheduler, lengths: Moments) -> tuple[int, str]:
    most = min(scheduler.max_batch, cost.most_sequences)
    limits = {"max_batch": most, "KV cache": kv_limited_batch(cost, scheduler, lengths)}
    if scheduler.kind == "chunked-prefill":
        # a step of n sequences also computes n x input / output prompt tokens (of as many as it emits); together they
        # fill the budget
        each = cost.width + cost.tokens_per_step * lengths.computed / lengths.output
        limits["token_budget"] = scheduler.token_budget / each
    binds = min(limits, key=lambda name: limits[name])
    return max(1, math.floor(limits[binds])), binds


def step_s(cost: StepCost, batch: int, prompts: float, lengths: Moments) -> float:
    """Time of a step [s] that decodes `batch` sequences and computes `prompts` whole prompts."""
    prefill = prompts * lengths.computed
    accelerator_s = (
        _token_s(cost, batch * cost.width + prefill)
        + float(cost.sequence_s[batch])
        + float(cost.kv_s[batch]) * batch * lengths.context
        + cost.attention_s * prompts * lengths.computed * (lengths.cached + lengths.computed / 2)
    )
    host_s = float(cost.host_s[batch]) + cost.host_prefill_s * prefill
    return max(accelerator_s, host_s) + cost.admit_s * prompts


def _prefill_s(cost: StepCost, scheduler: Scheduler, lengths: Moments) -> float:
    """Time of one prompt [s] in a step of prompts alone that is as full as the budget lets it be."""
    prompts = max(1.0, scheduler.token_budget / max(lengths.computed, 1.0))
    return step_s(cost, 0, prompts, lengths) / prompts


def _prefills_s(cost: StepCost, scheduler: Scheduler, ending: float, lengths: Moments) -> float:
    """Time of the steps of prompts alone [s] that follow a decode step in which `ending` sequences end on average.

    A freed place is filled at once: with Poisson-like endings there is such a step with probability
    1 - exp(-ending), and more than one where its prompts exceed the budget.
    """
    steps = max(-math.expm1(-ending), ending * lengths.computed / scheduler.token_budget)
    return steps * step_s(cost, 0, ending / steps, lengths)


def _token_s(cost: StepCost, tokens: float) -> float:
    """The token table at a number of tokens that need not be whole."""
    last = len(cost.token_s) - 1
    if tokens >= last:
        return float(cost.token_s[last]) + (tokens - last) * cost.token_s_beyond
    low = int(tokens)
    return float(cost.token_s[low]) + (tokens - low) * float(cost.token_s[low + 1] - cost.token_s[low])
