"""The boards' power limit, brought to the tables' form.

Power at a limit is not linear in work, and the tables are. So each entry of `token_j` is lowered until a step of that
many tokens draws what the limit leaves at its typical make-up; away from it the marginal energy stays linear.
Both engines then sum the same tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim.cost.power import soft_limit_w
from sim.cost.types import StepCost


@dataclass(frozen=True)
class TypicalSteps:
    """The step that each entry T of a table stands for. All float64[T + 1] but `batch`, which is int64.

    Up to the largest batch: T decoding sequences of `typical_context` tokens each (with drafts, T / width of them).
    Beyond it: the largest batch decodes and the other tokens are a chunk of one prompt. batch: sequences;  kv: tokens
    they attend to;
    prefill: prompt tokens;  attention: their work [token^2].
    """

    batch: np.ndarray
    kv: np.ndarray
    prefill: np.ndarray
    attention: np.ndarray

    def step_s(self, cost: StepCost) -> np.ndarray:
        """Durations of the steps [s]."""
        work_s = cost.token_s + cost.sequence_s[self.batch] + cost.kv_s[self.batch] * self.kv
        host_s = cost.host_s[self.batch] + cost.host_prefill_s * self.prefill
        return np.maximum(work_s + cost.attention_s * self.attention, host_s)

    def work_j(self, cost: StepCost) -> np.ndarray:
        """Energies of the steps above the static draw [J], all accelerators of the replica."""
        return cost.token_j + self.rest_j(cost)

    def rest_j(self, cost: StepCost) -> np.ndarray:
        """`work_j` without the part in the table of tokens [J]."""
        return cost.sequence_j * self.batch + cost.kv_j * self.kv + cost.attention_j * self.attention


def typical_steps(cost: StepCost, typical_context: float) -> TypicalSteps:
    """The steps that the entries of `cost.token_j` stand for."""
    tokens = np.arange(len(cost.token_j))
    batch = np.minimum(tokens // cost.width, len(cost.kv_s) - 1)
    prefill = (tokens - batch * cost.width).astype(np.float64)
    return TypicalSteps(batch, batch * typical_context, prefill, 0.5 * prefill**2)


def power_limited(cost: StepCost, tdp_w: float, typical_context: float) -> StepCost:
    """`cost` with the energy of its steps held to accelerators of `tdp_w` [W].

    Each of `typical_steps` draws `soft_limit_w` of what its work asks for. Energy per token is never lowered
    below zero.
    """
    steps = typical_steps(cost, typical_context)
    boards_s = steps.step_s(cost) * cost.accelerators
    asked_w = cost.static_w / cost.accelerators + steps.work_j(cost) / boards_s
    return with_token_j(cost, cost.token_j - (asked_w - soft_limit_w(asked_w, tdp_w)) * boards_s)


def with_token_j(cost: StepCost, token_j: np.ndarray) -> StepCost:
    """`cost` with another table of tokens, none below zero, going on beyond its end as it ends."""
    held = np.maximum(token_j, 0.0)
    beyond = float(held[-1] - held[-2]) if len(held) > 1 else cost.token_j_beyond
    return replace(cost, token_j=held, token_j_beyond=min(max(beyond, 0.0), cost.token_j_beyond))
