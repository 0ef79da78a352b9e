"""What the accelerators' energy was spent on: prefill or decode, and whose requests.

The windows book one energy per pool. It is divided among phases and workloads in proportion to what their tokens would
take in a step at the pool's mean batch n, with p prompt tokens beside it:

    decode token  = E(n, 0) / n
    prefill token = (E(n, p) - E(n, 0)) / p          where prompts ride along with decoding (chunked prefill)
                  = E(0, p) / p                      where they run alone
    E(n, p) = token_j[n + p] + sequence_j n + kv_j K + attention_j W + static_w x (time of that step)

with K = n x mean context, W = p x mean input / 2, and the workload's own means. So the parts sum to the energy that was
booked; what a token of either phase takes is an estimate at mean values (batch and lengths vary within a run), not a
measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.cost.types import StepCost
from sim.engine import state as S
from sim.metrics.observed import Observed
from sim.scenario.pool import Scheduler

PHASES = ("prefill", "decode")
Split = Mapping[tuple[str, str], float]
"""Energy [J] by workload and phase."""


@dataclass(frozen=True)
class TokenEnergy:
    """Energy of one token [J] of each phase, static draw included."""

    prefill_j: float
    decode_j: float


def token_energy(
    cost: StepCost, scheduler: Scheduler, *, batch: float, mean_input: float, context: float
) -> TokenEnergy:
    """Energy of a token where `batch` sequences decode at once, at mean lengths [tokens]."""
    n = min(max(round(batch), 1), len(cost.kv_s) - 1)
    room = (
        scheduler.token_budget - n * cost.width
        if scheduler.kind == "chunked-prefill"
        else scheduler.token_budget
    )
    p = max(1.0, min(mean_input, room))
    alone_j = step_j(cost, n, 0.0, mean_input, context)
    if scheduler.kind == "chunked-prefill":
        prefill_j = step_j(cost, n, p, mean_input, context) - alone_j
    else:
        prefill_j = step_j(cost, 0, p, mean_input, context)
    return TokenEnergy(prefill_j / p, alone_j / (n * cost.tokens_per_step))


def step_j(cost: StepCost, n: int, p: float, mean_input: float, context: float) -> float:
    """Energy [J] of a step of n decoding sequences and p prompt tokens."""
    tokens, kv, attention = n * cost.width + p, n * context, p * mean_input / 2
    accelerator_s = _at(cost.token_s, cost.token_s_beyond, tokens) + float(cost.sequence_s[n])
    accelerator_s += float(cost.kv_s[n]) * kv + cost.attention_s * attention
    step_s = max(accelerator_s, float(cost.host_s[n]) + cost.host_prefill_s * p)
    work_j = _at(cost.token_j, cost.token_j_beyond, tokens) + cost.sequence_j * n
    work_j += cost.kv_j * kv + cost.attention_j * attention
    return work_j + cost.static_w * step_s


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
    scheduler, busy_s = observed.scenario.pools[i].scheduler, float(columns[S.BUSY_S])
    decoded, prefilled = float(columns[S.DECODED]), float(columns[S.PREFILLED])
    calls = observed.calls_for(observed.scenario.pools[i].model)
    asked = {
        "prefill": [c.count * c.lengths.computed for c in calls],
        "decode": [c.count * c.lengths.output for c in calls],
    }
    found: dict[tuple[str, str], float] = {}
    for place, of_stage in enumerate(calls):
        each = token_energy(
            cost,
            scheduler,
            batch=float(columns[S.BATCH_S]) / busy_s if busy_s else 1.0,
            mean_input=of_stage.lengths.input,
            context=of_stage.lengths.context,
        )
        name = observed.scenario.workloads[of_stage.workload].name
        for phase, tokens, joules in (
            ("prefill", prefilled, each.prefill_j),
            ("decode", decoded, each.decode_j),
        ):
            weight = tokens * _share(asked[phase], place) * joules
            found[name, phase] = found.get((name, phase), 0.0) + weight
    return found


def _share(values: Sequence[float], place: int) -> float:
    total = sum(values)
    return values[place] / total if total else 1 / len(values)


def _at(table: np.ndarray, beyond: float, tokens: float) -> float:
    """A table of steps at a number of tokens that need not be whole; it goes on linearly beyond its end."""
    last = len(table) - 1
    if tokens >= last:
        return float(table[last]) + (tokens - last) * beyond
    return float(np.interp(tokens, (int(tokens), int(tokens) + 1), table[int(tokens) : int(tokens) + 2]))
