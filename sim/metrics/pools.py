"""What a planner must know of each pool: its room, how full it ran, what limits it, how well it is known."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from sim.engine import state as S
from sim.metrics.capacity import capacity, kv_limited_batch
from sim.metrics.jobs import job_capacity, mean_job_batch
from sim.metrics.observed import Observed
from sim.metrics.token_time import token_time_s
from sim.scenario.job import makes_jobs


def pool_section(observed: Observed, i: int) -> dict[str, Any]:
    """All figures of the pool numbered `i`; tokens, energy and time are those of the span."""
    pool, cost, hall = observed.scenario.pools[i], observed.costs[i], observed.halls[i]
    columns, energy, span = observed.pool_columns[i], observed.energies[i], observed.span
    lengths = observed.asked_of(i)
    busy_s, batch = float(columns[S.BUSY_S]), mean_batch(observed, i)
    return {
        "name": pool.name,
        "model": pool.model,
        "accelerator": pool.accelerator,
        "precision": pool.precision,
        "kv_precision": pool.kv_precision,
        "stack": cost.knowledge.stack if makes_jobs(pool.model) else pool.stack,
        "replicas": pool.replicas,
        "accelerators_per_replica": pool.accelerators_per_replica,
        "accelerators": hall.accelerators,
        "server": hall.server.name,
        "servers": hall.servers + hall.spare_servers,
        "spare_servers": hall.spare_servers,
        "scheduler": pool.scheduler.model_dump(mode="json"),
        "max_batch": pool.scheduler.max_batch,
        "mean_batch": batch,
        "utilization": busy_s / (pool.replicas * span.length_s),
        "kv": {
            "capacity_tokens": cost.memory.kv_capacity_tokens,
            "mean_context_tokens": lengths.context,
            "limited_batch": kv_limited_batch(cost, pool.scheduler, lengths),
        },
        "memory": asdict(cost.memory),
        "capacity": pool_capacity(observed, i),
        "tokens": {
            "decoded": float(columns[S.DECODED]),
            "prefilled": float(columns[S.PREFILLED]),
            "recomputed": float(columns[S.RECOMPUTED]),
            "cached": float(columns[S.CACHE_HIT]),
            "cache_asked": float(columns[S.CACHE_ASKED]),
        },
        "steps": float(columns[S.STEPS]),
        "preemptions": int(columns[S.PREEMPTED]),
        "power": {
            "accelerator_w_mean": float(energy.accelerator_j.sum()) / span.length_s,
            "it_w_mean": float(energy.it_j.sum()) / span.length_s,
            "provisioned_it_w": hall.provisioned_it_w,
        },
        "energy": {
            "accelerator_j": float(energy.accelerator_j.sum()),
            "accelerators_idle_j": float(energy.accelerators_idle.sum()),
            "it_j": float(energy.it_j.sum()),
        },
        "token_time_s": {
            **token_time_s(cost, pool.scheduler, lengths, batch),
            **_OTHERS_WORK.get(pool.role or "", {}),
        },
        "step_cost": _step_cost(observed, i),
        **_role(observed, i),
        **_speculation(observed, i),
        **_adapters(observed, i),
    }


def _adapters(observed: Observed, i: int) -> dict[str, Any]:
    """Of a pool that serves adapters: admissions that asked for one, and how many had to load it first."""
    adapters, columns = observed.scenario.pools[i].adapters, observed.pool_columns[i]
    if adapters is None:
        return {}
    asked, loads = float(columns[S.ADAPTERS_ASKED]), float(columns[S.ADAPTERS_LOADED])
    return {
        "adapters": {
            "count": adapters.count,
            "resident": adapters.places,
            "load_s": observed.costs[i].adapter_load_s,
            "asked": round(asked),
            "loads": round(loads),
            "hit_rate": 1 - loads / asked if asked else None,
        }
    }


_OTHERS_WORK = {"prefill": {"decode": 0.0}, "decode": {"prefill": 0.0}}
"""Times of tokens that other pools compute."""


def _role(observed: Observed, i: int) -> dict[str, Any]:
    """Keys of a pool that does a part of each request; none of any other.

    handover: prompts sent on, their tokens and bytes, and the mean time on the way [s].
    """
    pool, cost, columns = observed.scenario.pools[i], observed.costs[i], observed.pool_columns[i]
    if pool.role is None:
        return {}
    if pool.role == "decode":
        return {"role": pool.role}
    prompts, tokens = float(columns[S.HANDED]), float(columns[S.HANDED_KV])
    way_s = cost.handover_s + cost.handover_token_s * tokens / prompts if prompts else None
    bytes_ = tokens * cost.memory.kv_bytes_per_token * pool.accelerators_per_replica
    return {
        "role": pool.role,
        "handover": {"prompts": round(prompts), "tokens": round(tokens), "bytes": bytes_, "mean_s": way_s},
    }


def _speculation(observed: Observed, i: int) -> dict[str, Any]:
    """Keys of a pool that verifies drafts; none of any other."""
    pool, cost = observed.scenario.pools[i], observed.costs[i]
    if pool.speculation is None:
        return {}
    given = pool.speculation.model_dump(mode="json", exclude_none=True)
    return {"speculation": {**given, "tokens_per_step": cost.tokens_per_step}}


def mean_batch(observed: Observed, i: int) -> float | None:
    """Sequences that pool `i` decodes at once, over its busy time, or jobs over its steps; None where nothing ran."""
    if makes_jobs(observed.scenario.pools[i].model):
        return mean_job_batch(observed, i)
    columns = observed.pool_columns[i]
    busy_s = float(columns[S.BUSY_S])
    return float(columns[S.BATCH_S]) / busy_s if busy_s else None


def pool_capacity(observed: Observed, i: int) -> dict[str, Any] | None:
    """The mean-field estimate for all replicas together; None for static batching of text."""
    pool = observed.scenario.pools[i]
    if makes_jobs(pool.model):
        return job_capacity(observed, i)
    each = capacity(observed.costs[i], pool.scheduler, observed.asked_of(i))
    if each is None:
        return None
    return {"requests_per_s": each.requests_per_s * pool.replicas, "batch": each.batch, "binds": each.binds}


def _step_cost(observed: Observed, i: int) -> dict[str, Any]:
    """How the step cost is known; an error is the median of |predicted / measured - 1|, None if not known."""
    cost = observed.costs[i]
    known = {k: _finite(v) for k, v in asdict(cost.knowledge).items()}
    return {**known, "warnings": list(cost.warnings)}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
