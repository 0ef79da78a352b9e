"""Changes to one pool that a planner may try, as scenarios: precision, cut, scheduler, count, the next generation."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sim.catalog.accelerators import accelerator, accelerators
from sim.catalog.types import Accelerator
from sim.metrics.binding import BATCH, KV, POWER, QUEUE
from sim.scenario.placement import default_16_bit, runnable
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.plan_deployments import precision_on
from sim.workload.programs import program_of

MORE = 0.1
"""Of the replicas that "more replicas" adds, one at least."""
FASTER = 1.2
"""Times the memory bandwidth from which on a later chip counts as the next generation."""
SMALLER_WEIGHTS = ("fp8", "int8")
QUALITY = "answers may get worse: check their quality"
MEMORY_FRACTION = 0.95


@dataclass(frozen=True)
class WhatIf:
    """One change. set: the keys that make it, as `--set` takes them.  caution: what the figures do not show.

    keys: of the pool; of the scenario itself where one is "router".
    """

    change: str
    set: tuple[str, ...]
    caution: str
    keys: Mapping[str, Any]


def what_ifs(scenario: Scenario, number: int, resource: str) -> Iterator[WhatIf]:
    """Changes to the pool numbered `number`, of which `resource` binds; those that the scenario has already, or that
    make no sense, left out."""
    pool = scenario.pools[number]
    yield _more_replicas(scenario, pool, number)
    yield from _formats(pool, number)
    yield from _cuts(scenario, pool, number)
    yield from _scheduling(scenario, pool, number, resource)
    later = next_generation(accelerator(pool.accelerator))
    if later is not None:
        keys = {"accelerator": later.name, "precision": precision_on(later.name, pool.precision)}
        if pool.kv_precision in ("bf16", "fp16"):
            keys["kv_precision"] = default_16_bit(later.name)
        yield _pool_change(
            number, f"{later.name} instead", keys, "as many accelerators, of the next generation"
        )


def changed(scenario: Scenario, number: int, what: WhatIf) -> Scenario:
    """The scenario with the change. Raises pydantic's ValidationError or UserError where it cannot stand."""
    if "router" in what.keys:
        return scenario.model_copy(update=dict(what.keys))
    pool = scenario.pools[number]
    kept = pool.model_dump(by_alias=True)
    scheduler = {**kept["scheduler"], **what.keys.get("scheduler", {})}
    made = Pool.model_validate({**kept, **what.keys, "scheduler": scheduler})
    pools = tuple(made if i == number else p for i, p in enumerate(scenario.pools))
    cost = scenario.cost
    if made.accelerator != pool.accelerator:  # a price that was given is one of the old chip
        cost = cost.model_copy(update={"server_price_usd": None, "rent_usd_per_accelerator_hour": None})
    return scenario.model_copy(update={"pools": pools, "cost": cost})


def _pool_change(number: int, text: str, keys: Mapping[str, Any], caution: str = "") -> WhatIf:
    flat = {}
    for key, value in keys.items():
        flat.update({f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value})
    words = tuple(f"pool.{number}.{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in flat.items())
    return WhatIf(text, words, caution, keys)


def _more_replicas(scenario: Scenario, pool: Pool, number: int) -> WhatIf:
    cells = scenario.cells
    more = max(cells, math.ceil(MORE * pool.replicas / cells) * cells)
    text = "one more replica" if more == 1 else f"{more:,} more replicas"
    return _pool_change(number, text, {"replicas": pool.replicas + more})


def _formats(pool: Pool, number: int) -> Iterator[WhatIf]:
    if pool.kv_precision in ("bf16", "fp16"):
        yield _pool_change(number, "fp8 KV cache", {"kv_precision": "fp8"}, QUALITY)
    if pool.precision in ("bf16", "fp16"):
        for smaller in SMALLER_WEIGHTS:
            if smaller in runnable(accelerator(pool.accelerator)):
                yield _pool_change(number, f"{smaller} weights", {"precision": smaller}, QUALITY)
                return


def _cuts(scenario: Scenario, pool: Pool, number: int) -> Iterator[WhatIf]:
    tp, replicas, cells = pool.tensor_parallel, pool.replicas, scenario.cells
    if replicas % (2 * cells) == 0:
        keys = {"tensor_parallel": 2 * tp, "replicas": replicas // 2}
        yield _pool_change(number, f"TP {2 * tp} on half as many replicas", keys)
    if tp % 2 == 0:
        keys = {"tensor_parallel": tp // 2, "replicas": 2 * replicas}
        yield _pool_change(number, f"TP {tp // 2} on twice as many replicas", keys)


def _scheduling(scenario: Scenario, pool: Pool, number: int, resource: str) -> Iterator[WhatIf]:
    s = pool.scheduler
    if s.kind != "chunked-prefill":
        budget = max(2048, s.max_batch)
        keys = {"scheduler": {"kind": "chunked-prefill", "token_budget": budget}}
        yield _pool_change(number, "chunked prefill", keys)
    for factor in (2.0, 0.5):
        batch, budget = round(s.max_batch * factor), round(s.token_budget * factor)
        if batch >= 1 and (factor < 1 or resource in (BATCH, KV)):
            least = max(s.token_budget, batch)
            yield _pool_change(
                number, f"batches of {batch:,}", {"scheduler": {"max_batch": batch, "token_budget": least}}
            )
        if s.kind == "chunked-prefill" and budget >= s.max_batch:
            yield _pool_change(number, f"token budget {budget:,}", {"scheduler": {"token_budget": budget}})
    if resource == QUEUE and s.queue_limit is not None:
        yield _pool_change(number, "twice the queue limit", {"scheduler": {"queue_limit": 2 * s.queue_limit}})
    if resource == POWER and pool.power_cap_w is not None:
        keys = {"power_cap": round(1.2 * pool.power_cap_w)}
        yield _pool_change(number, "a fifth more power each", keys, "the site must have it")
    if resource == KV and pool.memory_fraction < MEMORY_FRACTION:
        yield _pool_change(number, f"memory fraction {MEMORY_FRACTION}", {"memory_fraction": MEMORY_FRACTION})
    if not pool.prefix_cache.enabled and any(
        not program_of(w, scenario).is_plain for w in scenario.workloads
    ):
        yield _pool_change(number, "prefix cache", {"prefix_cache": True})
    if scenario.router in ("random", "round-robin"):
        yield WhatIf(
            "router least-outstanding", ("router=least-outstanding",), "", {"router": "least-outstanding"}
        )


def next_generation(chip: Accelerator) -> Accelerator | None:
    """The first chip of a later generation of the same vendor with clearly more memory bandwidth, at least the memory
    and the reach of fast links; of several launched together the one of the least bandwidth. None: there is none."""
    later = [
        c
        for c in accelerators().values()
        if c.vendor == chip.vendor
        and c.generation != chip.generation
        and c.launch > chip.launch
        and c.memory_bytes_per_s >= FASTER * chip.memory_bytes_per_s
        and c.memory_bytes >= chip.memory_bytes
        and c.domain_size >= chip.domain_size
    ]
    return min(later, key=lambda c: (c.launch, c.memory_bytes_per_s), default=None)
