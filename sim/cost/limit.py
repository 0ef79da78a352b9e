"""The boards' power limit, brought to the tables' form.

Power at a limit is not linear in work, and the tables are. So each entry of `token_j` is lowered until a step of that
many tokens draws what the limit leaves at its typical context; at other contexts the marginal energy stays linear.
Both engines then sum the same tables.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.cost.power import soft_limit_w
from sim.cost.types import StepCost


def power_limited(cost: StepCost, tdp_w: float, typical_context: float) -> StepCost:
    """`cost` with the energy of its steps held to accelerators of `tdp_w` [W].

    Entry T stands for T decoding sequences of `typical_context` tokens each, and beyond the largest batch for a
    prompt chunk of T tokens. Energy per token is never lowered below zero.
    """
    tokens = np.arange(len(cost.token_j))
    batch = np.where(tokens < len(cost.kv_s), tokens, 0)
    context = batch * typical_context
    attention = np.where(batch == tokens, 0.0, 0.5 * tokens.astype(np.float64) ** 2)
    accelerator_s = (
        cost.token_s + cost.sequence_s[batch] + cost.kv_s[batch] * context + cost.attention_s * attention
    )
    step_s = np.maximum(accelerator_s, cost.host_s[batch] + cost.host_prefill_s * (tokens - batch))
    work_j = cost.token_j + cost.sequence_j * batch + cost.kv_j * context + cost.attention_j * attention
    boards_s = step_s * cost.accelerators
    asked_w = cost.static_w / cost.accelerators + work_j / boards_s
    token_j = np.maximum(cost.token_j - (asked_w - soft_limit_w(asked_w, tdp_w)) * boards_s, 0.0)
    beyond = (
        min(cost.token_j_beyond, float(token_j[-1] - token_j[-2]))
        if len(token_j) > 1
        else cost.token_j_beyond
    )
    return replace(cost, token_j=token_j, token_j_beyond=max(beyond, 0.0))
