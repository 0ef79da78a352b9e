"""What the accelerators' energy was spent on: prefill or decode, and whose requests.

The windows book one energy per pool. It is divided among phases and workloads in proportion to what their tokens
would take at the pool's mean step: with T tokens and n sequences in a step,

    prefill token = (token_j[T] + static_w token_s[T]) / T + (attention_j + static_w attention_s) input / 2
    decode token  = (token_j[T] + static_w token_s[T]) / T + sequence_j + static_w sequence_s[n] / n
                    + (kv_j + static_w kv_s[n]) x context

with the workload's own mean input and context. So the parts sum to the energy that was booked; what a token of either
phase takes is an estimate at mean values (batch and lengths vary within a run), not a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.cost.types import StepCost
from sim.engine import state as S
from sim.metrics.observed import Observed

PHASES = ("prefill", "decode")
Split = Mapping[tuple[str, str], float]
"""Energy [J] by workload and phase."""


@dataclass(frozen=True)
class TokenEnergy:
    """Energy of one token [J] of each phase, static draw included."""

    prefill_j: float
    decode_j: float


def token_energy(
    cost: StepCost, *, step_tokens: float, batch: float, mean_input: float, context: float
) -> TokenEnergy:
    """Energy of a token in a step of `step_tokens` tokens, of them `batch` decoding, at mean lengths [tokens]."""
    n = min(max(round(batch), 1), len(cost.kv_s) - 1)
    tokens = max(step_tokens, 1.0)
    shared_j = _at(cost.token_j, cost.token_j_beyond, tokens) / tokens
    shared_j += cost.static_w * _at(cost.token_s, cost.token_s_beyond, tokens) / tokens
    attention_j = (cost.attention_j + cost.static_w * cost.attention_s) * mean_input / 2
    sequence_j = cost.sequence_j + cost.static_w * float(cost.sequence_s[n]) / n
    kv_j = (cost.kv_j + cost.static_w * float(cost.kv_s[n])) * context
    return TokenEnergy(shared_j + attention_j, shared_j + sequence_j + kv_j)


def active_split(observed: Observed) -> Split:
    """Energy of busy accelerators by workload and phase; what has no tokens to go to is under ("", "other")."""
    found = {(w.name, phase): 0.0 for w in observed.scenario.workloads for phase in PHASES}
    for pool in range(len(observed.scenario.pools)):
        active_j = float(observed.energies[pool].accelerators_active.sum())
        weights = _weights(observed, pool)
        total = sum(weights.values())
        if total > 0:
            for key, weight in weights.items():
                found[key] += active_j * weight / total
        elif active_j:
            found["", "other"] = found.get(("", "other"), 0.0) + active_j
    return found


def _weights(observed: Observed, i: int) -> dict[tuple[str, str], float]:
    """Tokens that pool `i` computed for each workload and phase, times what one of them takes."""
    columns, cost = observed.pool_columns[i], observed.costs[i]
    steps, busy_s = float(columns[S.STEPS]), float(columns[S.BUSY_S])
    decoded, prefilled = float(columns[S.DECODED]), float(columns[S.PREFILLED])
    workloads = observed.workloads_of(observed.scenario.pools[i].model)
    counters = observed.metrics.counters[workloads]
    asked = {"prefill": counters[:, S.INPUT].astype(float), "decode": counters[:, S.OUTPUT].astype(float)}
    found = {}
    for place, w in enumerate(workloads):
        lengths = observed.lengths[w]
        each = token_energy(
            cost,
            step_tokens=(decoded + prefilled) / steps if steps else 1.0,
            batch=float(columns[S.BATCH_S]) / busy_s if busy_s else 1.0,
            mean_input=lengths.input,
            context=lengths.context,
        )
        name = observed.scenario.workloads[w].name
        found[name, "prefill"] = prefilled * _share(asked["prefill"], place) * each.prefill_j
        found[name, "decode"] = decoded * _share(asked["decode"], place) * each.decode_j
    return found


def _share(values: np.ndarray, place: int) -> float:
    total = float(values.sum())
    return float(values[place]) / total if total else 1 / len(values)


def _at(table: np.ndarray, beyond: float, tokens: float) -> float:
    """A table of steps at a number of tokens that need not be whole; it goes on linearly beyond its end."""
    last = len(table) - 1
    if tokens >= last:
        return float(table[last]) + (tokens - last) * beyond
    return float(np.interp(tokens, (int(tokens), int(tokens) + 1), table[int(tokens) : int(tokens) + 2]))
