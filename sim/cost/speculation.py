"""Speculative decoding: what a step costs that drafts k tokens for each sequence and verifies them.

A draft proposes k tokens, one pass after the other; one step of the model computes all k + 1 positions of each sequence
and keeps the drafted tokens up to the first that is not accepted, and one of its own (Leviathan, Kalman, Matias, "Fast
inference from transformers via speculative decoding", arXiv 2211.17192). With an acceptance of a, each independent,

    tokens per step = (1 - a^(k+1)) / (1 - a)                                                      (their equation 1)

The engine emits this mean in every step; that its number varies from step to step is left out. On the tables of the
model, built for k + 1 tokens of each of n sequences (`step_cost(..., width=k + 1)`), the draft adds

    one pass over the T tokens of the step (the new tokens of each sequence, and prompts, which it must read too)
    k - 1 passes over n tokens,  k times the output head and the attention to its own cache

without host time: passes are launched from the device or in one go. Its weights and its cache take memory. Energies
of the passes over n tokens stand in the table over T, at n = T / (k + 1): a little too high where a step also holds
prompts. A draft that is one layer of the model (MTP, EAGLE) shares the model's embedding and head; its projection of
hidden states (2 hidden^2 parameters) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim.catalog.shapes import divides_heads
from sim.catalog.types import Accelerator, Model
from sim.cost.coefficients import Fitted
from sim.cost.deployment import Deployment
from sim.cost.memory import Beside, weight_bytes
from sim.cost.precision import kv_element_bytes
from sim.cost.step import fitted_for, step_cost
from sim.cost.types import StepCost
from sim.cost.work import cache

EXACT = 1024.0
"""Tokens per step are rounded to 1 / 1024, so that sums of them are exact in floating point."""
UNMEASURED = "no measurement behind speculative decoding: times from shapes, at a given acceptance"


@dataclass(frozen=True)
class Draft:
    """model: the small model, or None where one layer of the verified model drafts.  length: tokens drafted.

    tokens_per_step: that a step emits in the mean [1].
    """

    model: Model | None
    length: int
    tokens_per_step: float

    @property
    def width(self) -> int:
        """Tokens of each sequence that a step verifies."""
        return self.length + 1


def speculative_cost(
    model: Model,
    accelerator: Accelerator,
    deployment: Deployment,
    draft: Draft,
    *,
    max_batch: int,
    max_step_tokens: int,
    typical_context: float = 1024.0,
    fitted: Fitted | None = None,
    clock: float = 1.0,
) -> StepCost:
    """The step cost of a replica that drafts and verifies; arguments and errors as those of `step_cost`."""
    drafter, alongside = _drafter(model, deployment, draft)
    fitted = fitted or fitted_for(accelerator, deployment)
    shared = {
        "max_batch": max_batch,
        "max_step_tokens": max(max_step_tokens, max_batch * draft.width),
        "typical_context": typical_context,
        "clock": clock,
    }
    verified = step_cost(
        model,
        accelerator,
        deployment,
        fitted=fitted,
        width=draft.width,
        beside=_beside(drafter, alongside, draft, typical_context),
        **shared,
    )
    pass_ = step_cost(drafter, accelerator, alongside, fitted=_without_host(fitted), **shared)
    return _together(verified, pass_, draft)


def _drafter(model: Model, deployment: Deployment, draft: Draft) -> tuple[Model, Deployment]:
    """The model that drafts, and how it is cut: like the verified model, as far as its heads go."""
    if draft.model is None:
        return one_layer(model), deployment
    ways = deployment.tensor_parallel
    while not divides_heads(ways, draft.model):
        ways -= 1
    return draft.model, replace(deployment, tensor_parallel=ways, expert_parallel=1)


def one_layer(model: Model) -> Model:
    """One layer like the model's last, with the model's embedding and output head."""
    moe = replace(model.moe, dense_layers=0) if model.moe is not None else None
    return replace(
        model,
        layers=1,
        attention_layers=0,
        ffn_layers=0,
        moe=moe,
        recurrent=None,
        window=0,
        window_layers=0,
        tied=True,
    )


def _beside(drafter: Model, d: Deployment, draft: Draft, typical_context: float) -> Beside:
    own = (
        drafter if draft.model is not None else replace(drafter, vocab=0)
    )  # a layer shares embedding and head
    held = cache(drafter, d.tensor_parallel, kv_element_bytes(d.kv_precision), typical_context)
    return Beside(weight_bytes(own, d), held.token_bytes)


def _without_host(fitted: Fitted) -> Fitted:
    c = replace(
        fitted.coefficients,
        host_step_s=0.0,
        host_sequence_s=0.0,
        host_prefill_token_s=0.0,
        admit_s=0.0,
        first_token_s=0.0,
    )
    return replace(fitted, coefficients=c)


def _together(verified: StepCost, one: StepCost, draft: Draft) -> StepCost:
    """The verifying step and `draft.length` passes of the draft, whose step cost is `one`."""
    k = draft.length
    n = np.arange(len(verified.kv_s))
    passes_s = (k - 1) * one.token_s[n] + k * one.sequence_s
    passes_s[0] = 0.0  # a step of prompts alone drafts nothing
    drafting = np.arange(len(one.token_j)) / draft.width
    passes_j = (k - 1) * np.interp(drafting, n, one.token_j[n])
    return replace(
        verified,
        token_s=verified.token_s + one.token_s,
        token_s_beyond=verified.token_s_beyond + one.token_s_beyond,
        sequence_s=verified.sequence_s + passes_s,
        kv_s=verified.kv_s + k * one.kv_s,
        attention_s=verified.attention_s + one.attention_s,
        token_j=verified.token_j + one.token_j + passes_j,
        token_j_beyond=verified.token_j_beyond + one.token_j_beyond,
        sequence_j=verified.sequence_j + k * one.sequence_j,
        kv_j=verified.kv_j + k * one.kv_j,
        attention_j=verified.attention_j + one.attention_j,
        warnings=(*verified.warnings, UNMEASURED),
        tokens_per_step=max(1.0, round(draft.tokens_per_step * EXACT) / EXACT),
    )
