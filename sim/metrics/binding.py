"""What keeps a fleet from serving more, read off a run's own books, and a cheap bound on how much more it holds.

Two questions, kept apart. *Now*: a pool is at its limit where its backlog grows, its requests miss their targets or
are turned away, or a governor holds it down; which resource that is follows from its mean batch. Where no pool is at
its limit, nothing binds. *First*: what will bind as the load grows, from the step cost's tables alone: the largest
batch whose mean step keeps the tightest TPOT target, and what limits that batch. A rate found that way knows no
queues and no bursts: it is a bound from above. `sim.study.binding` measures what is held.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.cost.types import StepCost
from sim.engine import state as S
from sim.metrics.moments import Moments
from sim.metrics.observed import Observed
from sim.metrics.sustained import Sustained, held_at_target, step_parts, sustained_at, tightest_tpot_s
from sim.scenario.pool import Pool

KV, BATCH, PREFILL, DECODE, HOST, QUEUE, POWER, BUDGET, NOTHING = RESOURCES = (
    "KV memory",
    "batch limit",
    "prefill compute",
    "decode bandwidth",
    "host",
    "queue limit",
    "power limit",
    "budget",
    "nothing",
)
SLO_MET = 0.99
"""Share of a workload's requests below which its targets count as missed."""
FULL = 0.9
"""Of a limit counts as reached by the mean batch."""
SHORT = 0.01
"""Of the time without a free place, where requests wait for one: then places are what is lacking at times."""
RECOMPUTED = 0.02
"""Of the prefill done again shows that KV room runs out."""
GOVERNED = 0.05
"""Of the readings on a rung that slows or sheds: from there on the governor is what binds."""
SATURATED = 1.1
"""Times what half the batch serves: below it a replica's steps are what binds, not its places."""
ONE_IN_A_HUNDRED = 2.33
"""Standard deviations above its mean that a normal variable exceeds in 1 % of cases."""
CAPPED = 0.95
"""Of its power cap is what accelerators draw while busy, where the cap binds."""
BUSIEST_S = 3600.0
"""Width of the busiest stretch, whose load the headroom is above [s]."""

CHANGE = {
    KV: "more KV room: fp8 KV cache, tensor parallelism or accelerators with more memory",
    BATCH: "a higher scheduler.max_batch, as far as TPOT allows",
    PREFILL: "less or faster prefill: prefix cache, another token_budget, fp8 weights, more replicas",
    DECODE: "more bandwidth: fp8 weights or KV cache, more replicas, a generation with faster memory",
    HOST: "a faster serving stack, or larger batches on fewer replicas",
    QUEUE: "a higher scheduler.queue_limit",
    POWER: "a higher power limit, or accelerators that need less energy a token",
    BUDGET: "a larger budget, or a cheaper accelerator",
    NOTHING: "nothing needs to change; fewer replicas may do",
}
"""What to look at first, by what binds; `simulate run --advise` tries changes and ranks them."""


@dataclass(frozen=True)
class Limit:
    """What binds one replica first, in words, and how many requests (of programs: passes) a second it then serves.

    likely_per_s: the same with room for ups and downs: at the mean batch that a Poisson number of sequences exceeds in
    one case of a hundred.  batch: then.  of_step: the step's time is what binds, not the room for more sequences.
    """

    resource: str
    why: str
    requests_per_s: float
    likely_per_s: float
    batch: int
    of_step: bool


def binding_section(observed: Observed, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What binds, for the whole and pool by pool, the headroom to the targets, and what to change.

    summary: of the same run, its governor included.  `resource` is "nothing" where no pool is at its limit; `first`
    then says what binds as load grows.  `binds` has the same by resource, true or false.  `headroom` is of the
    model that has the least: `rps` above `busiest_rps`, the load of the busiest hour, up to `held_rps`, which is
    `factor` times that load. `known_by` "tables": a bound from above, and `likely_rps` an estimate; "run": targets are
    missed already.
    """
    limited, limits = _at_limit(observed, summary), _limits(observed)
    pools = [_pool(observed, summary, i, limited, limits[i]) for i in range(len(observed.scenario.pools))]
    headroom = _headroom(observed, summary, limited, limits)
    worst = _binding_pool(pools, headroom)
    binds = worst["resource"]
    return {
        "resource": binds,
        "pool": worst["pool"],
        "target": worst["target"],
        "why": worst["why"],
        "first": worst["first"],
        "binds": {name: name == binds for name in RESOURCES},
        "pools": pools,
        "headroom": headroom,
        "change": CHANGE[binds if binds != NOTHING or worst["first"] is None else worst["first"]["resource"]],
    }


def _binding_pool(pools: Sequence[dict[str, Any]], headroom: Mapping[str, Any]) -> dict[str, Any]:
    """The pool at its limit, else of the model with the least headroom; of several the busiest."""
    at_limit = [p for p in pools if p["resource"] != NOTHING]
    tight = [p for p in pools if p["model"] == headroom["model"]]
    return max(at_limit or tight or pools, key=lambda p: p["utilization"])


# ---------------------------------------------------------------- now


def _at_limit(observed: Observed, summary: Mapping[str, Any]) -> dict[str, str | None]:
    """Models whose pools are at their limit, each with the target that most of its requests miss, if that is it."""
    found: dict[str, str | None] = {}
    groups = {g["model"]: g for g in summary["overload"]["groups"]}
    for workload in summary["workloads"]:
        missed = missed_target(workload)
        if missed is None:
            continue
        called = [m for m in _models_of(workload) if m in groups]
        worst = max(called, key=lambda m: _load(groups[m], summary), default=workload["model"])
        found[worst] = missed
    for model, group in groups.items():
        if group["backlog_grows_per_s"] and model not in found:
            found[model] = "throughput"
    if _governed(summary) is not None:
        found.update({p.model: None for p in observed.scenario.pools if p.model not in found})
    return found


def missed_target(workload: Mapping[str, Any]) -> str | None:
    """Which target most requests miss ("ttft", "tpot", "e2e"), or "throughput" where requests without targets are
    turned away; None where all is met."""
    slo, requests = workload["slo"], workload["requests"]
    if slo["attainment"] is None:
        turned_away = _refused([workload])[0] > (1 - SLO_MET) * max(requests["arrived"], 1)
        return "throughput" if turned_away else None
    return None if slo["attainment"] >= SLO_MET else worst_target(slo)


def worst_target(slo: Mapping[str, Any]) -> str:
    """Of a workload with targets, the one that most requests miss: "ttft", "tpot" or "e2e"."""
    shares = {
        name: slo[f"{name}_share"]
        for name in ("ttft", "tpot")
        if slo["targets"][f"{name}_s"] is not None and slo[f"{name}_share"] is not None
    }
    if slo["targets"]["e2e_s"] is not None and min(shares.values(), default=1.0) > slo["attainment"] + 0.005:
        return "e2e"
    return min(shares, key=lambda n: shares[n]) if shares else "e2e"


def _models_of(workload: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([workload["model"], *(s["model"] for s in workload["stages"])]))


def _load(group: Mapping[str, Any], summary: Mapping[str, Any]) -> float:
    if group["load"] is not None:
        return group["load"]
    return max(p["utilization"] for p in summary["pools"] if p["model"] == group["model"])


def _governed(summary: Mapping[str, Any]) -> str | None:
    """How the governor holds the fleet down, in words; None where it seldom does."""
    governor = summary.get("governor")
    if governor is None:
        return None
    slowed = sum(r["time_share"] for r in governor["rungs"] if r["cap"] is not None or r["sheds"])
    return f"the governor caps or sheds {100 * slowed:.0f} % of the time" if slowed > GOVERNED else None


def _pool(
    observed: Observed,
    summary: Mapping[str, Any],
    i: int,
    limited: Mapping[str, str | None],
    first: Limit | None,
) -> dict[str, Any]:
    pool, seen = observed.scenario.pools[i], summary["pools"][i]
    at_limit = pool.model in limited
    target = limited.get(pool.model)
    resource, why, share = (
        NOTHING,
        f"busy {100 * seen['utilization']:.0f} % of the time, and no target is missed",
        None,
    )
    if at_limit:
        resource, why, share = _resource(observed, summary, i, target, first)
    return {
        "pool": pool.name,
        "model": pool.model,
        "utilization": seen["utilization"],
        "resource": resource,
        "target": target,
        "why": why,
        "prefill_share": share,
        "first": None if first is None else {"resource": first.resource, "why": first.why},
    }


def _resource(
    observed: Observed, summary: Mapping[str, Any], i: int, target: str | None, first: Limit | None
) -> tuple[str, str, float]:
    """What binds the pool numbered `i`, which is at its limit; why; and the share of a step that prompts add."""
    pool, cost, seen = observed.scenario.pools[i], observed.costs[i], summary["pools"][i]
    lengths = observed.asked_of(i)
    batch = seen["mean_batch"] or 1.0
    share, host = step_parts(cost, pool.scheduler, lengths, batch)
    asking = [w for w in summary["workloads"] if pool.model in _models_of(w)]
    for text, resource in (
        (_governed(summary) or _capped(pool, seen, summary), POWER),
        (_too_long(pool, asking), KV),
        (_queue_full(pool, asking, summary), QUEUE),
    ):
        if text:
            return resource, text, share
    kv_batch, cap = seen["kv"]["limited_batch"], seen["max_batch"]
    kv = KV, f"the cache holds {kv_batch:,.0f} sequences at once and {batch:,.0f} run", share
    tokens = seen["tokens"]
    if tokens["recomputed"] > RECOMPUTED * max(tokens["prefilled"], 1.0):
        return kv
    if first is not None and first.of_step and batch >= FULL * first.batch:
        return first.resource, first.why, share
    waits = target != "tpot" and any(map(_waits, asking))
    if kv_batch < cap and _lacking(batch, kv_batch, waits):
        return kv
    if _lacking(batch, cap, waits):
        return BATCH, f"{batch:,.3g} of at most {cap:,} sequences run on a replica", share
    return (*_of_step(share, host, batch), share)


def _of_step(share: float, host: bool, batch: float) -> tuple[str, str]:
    """What takes most of a step of `batch` sequences."""
    if share > 0.5:
        return PREFILL, f"prompts take {100 * share:.0f} % of a step of {batch:,.0f} sequences"
    if host:
        return HOST, f"at {batch:,.0f} sequences the host takes longer than the accelerators"
    part = 100 * (1 - share)
    return DECODE, f"at {batch:,.0f} sequences, reading weights and cache takes {part:.0f} % of a step"


def _capped(pool: Pool, seen: Mapping[str, Any], summary: Mapping[str, Any]) -> str | None:
    """Whether the pool's power cap is what its accelerators draw while busy."""
    span_s = summary["span"]["end_s"] - summary["span"]["start_s"]
    busy_s = seen["utilization"] * span_s * seen["accelerators"]
    if pool.power_cap_w is None or not busy_s:
        return None
    each_w = (seen["energy"]["accelerator_j"] - seen["energy"]["accelerators_idle_j"]) / busy_s
    if each_w < CAPPED * pool.power_cap_w:
        return None
    return f"busy accelerators draw {each_w:,.0f} W of the {pool.power_cap_w:,.0f} W that they are capped to"


def _refused(asking: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Requests turned away otherwise than by a governor or a tenant's limit, and requests that came."""
    spared = sum(w["requests"][key] for w in asking for key in ("shed", "limited") if key in w["requests"])
    refused = sum(w["requests"]["rejected"] for w in asking) - spared
    return refused, sum(w["requests"]["arrived"] for w in asking)


def _too_long(pool: Pool, asking: Sequence[Mapping[str, Any]]) -> str | None:
    refused, arrived = _refused(asking)
    refused -= sum(w["requests"].get("expired", 0) for w in asking)
    if pool.scheduler.queue_limit is not None or refused <= (1 - SLO_MET) * arrived:
        return None
    return f"{100 * refused / arrived:.0f} % of the requests are longer than a replica's KV room"


def _queue_full(pool: Pool, asking: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str | None:
    """Whether requests are turned away although the pool could serve them, and serves the others in time."""
    refused, arrived = _refused(asking)
    if pool.scheduler.queue_limit is None or refused <= (1 - SLO_MET) * arrived:
        return None
    group = next(g for g in summary["overload"]["groups"] if g["model"] == pool.model)
    if group["load"] is None or group["load"] >= 1:
        return None
    return (
        f"{100 * refused / arrived:.0f} % of the requests find {pool.scheduler.queue_limit:,} waiting and are turned "
        f"away, at {100 * group['load']:.0f} % of what the replicas could serve"
    )


def _waits(workload: Mapping[str, Any]) -> bool:
    """Whether most of the slowest requests' time to the first token is spent waiting for a place."""
    latency = workload["latency"]
    queue, first = latency["queue_s"]["p99"], latency["ttft_s"]["p99"]
    return queue is not None and first is not None and queue > first / 2


def _lacking(batch: float, places: float, waits: bool) -> bool:
    """Whether `places` for sequences are too few for a mean of `batch`: full on average, or where requests wait, full
    for a share of the time as if sequences came and went independently (Poisson)."""
    return batch >= FULL * places or (waits and _at_least(math.floor(places), batch) > SHORT)


def _at_least(count: int, mean: float) -> float:
    """Chance that a Poisson number of this mean, above 0, is `count` or more."""
    below = range(count)
    return 1 - math.fsum(math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in below)


# ---------------------------------------------------------------- first, and headroom


def limit_of(cost: StepCost, pool: Pool, lengths: Moments, tpot_s: float | None) -> Limit | None:
    """What binds a replica first as its load grows, by its step cost's tables; None for static batching."""
    full = sustained_at(cost, pool.scheduler, lengths, pool.scheduler.max_batch)
    if full is None:
        return None
    held = held_at_target(cost, pool.scheduler, lengths, tpot_s)
    if held is None:
        share, host = step_parts(cost, pool.scheduler, lengths, 1)
        resource, _ = _of_step(share, host, 1)
        return Limit(resource, "a batch of one is slower than the TPOT target", 0.0, 0.0, 1, True)
    likely = _likely_per_s(cost, pool, lengths, held)
    if held.batch < full.batch or _saturated(cost, pool, lengths, held):
        share, host = step_parts(cost, pool.scheduler, lengths, held.batch)
        resource, why = _of_step(share, host, held.batch)
        more = "misses the TPOT target" if held.batch < full.batch else "adds next to nothing"
        return Limit(resource, f"{why}, and one more {more}", held.requests_per_s, likely, held.batch, True)
    words = {
        "max_batch": (BATCH, f"{held.batch:,} sequences are as many as a replica runs"),
        "KV cache": (KV, f"{held.batch:,} sequences fill the cache"),
        "token_budget": (PREFILL, f"prompts and {held.batch:,} sequences fill the token budget of a step"),
        "prefill": (PREFILL, "answers of one token: all is prefill"),
    }
    return Limit(*words[held.binds], held.requests_per_s, likely, held.batch, False)


def _likely_per_s(cost: StepCost, pool: Pool, lengths: Moments, held: Sustained) -> float:
    """Rate at the mean batch n with n + 2.33 sqrt(n) = held.batch: the normal's 99 % point of a Poisson number."""
    if held.batch < 1:
        return held.requests_per_s
    root = (math.sqrt(ONE_IN_A_HUNDRED**2 + 4 * held.batch) - ONE_IN_A_HUNDRED) / 2
    mean = max(root**2, 1e-9)
    whole = sustained_at(cost, pool.scheduler, lengths, max(1, round(mean)))
    return held.requests_per_s if whole is None else whole.requests_per_s * min(1.0, mean / whole.batch)


def _saturated(cost: StepCost, pool: Pool, lengths: Moments, held: Sustained) -> bool:
    """Whether half the batch serves nearly as much, so that room for more sequences is not what is lacking."""
    if held.binds not in ("max_batch", "KV cache") or held.batch < 2:
        return False
    half = sustained_at(cost, pool.scheduler, lengths, held.batch // 2)
    return half is not None and held.requests_per_s < SATURATED * half.requests_per_s


def _limits(observed: Observed) -> list[Limit | None]:
    """What binds each pool first."""
    return [
        limit_of(cost, pool, observed.asked_of(i), _tpot_s(observed, pool.model))
        for i, (pool, cost) in enumerate(zip(observed.scenario.pools, observed.costs, strict=True))
    ]


def _tpot_s(observed: Observed, model: str) -> float | None:
    """The tightest TPOT target of the workloads that call `model`."""
    calling = {c.workload for c in observed.calls_for(model)}
    return tightest_tpot_s(observed.scenario.workloads[w].slo for w in calling)


def _headroom(
    observed: Observed,
    summary: Mapping[str, Any],
    limited: Mapping[str, str | None],
    limits: Sequence[Limit | None],
) -> dict[str, Any]:
    """Of the model that can grow least."""
    found = list(_headrooms(observed, summary, limited, limits))
    known = [h for h in found if h["factor"] is not None]
    return min(known, key=lambda h: h["factor"]) if known else found[0]


def _headrooms(
    observed: Observed,
    summary: Mapping[str, Any],
    limited: Mapping[str, str | None],
    limits: Sequence[Limit | None],
) -> Iterator[dict[str, Any]]:
    for group in summary["overload"]["groups"]:
        model, offered = group["model"], group["offered_rps"]
        numbers = observed.pools_of(model)
        first = [limits[i] for i in numbers]
        base = {"model": model, "counted": group["counted"], "busiest_rps": None}
        if not offered or None in first:
            none = dict.fromkeys(("held_rps", "rps", "factor", "likely_rps", "known_by"))
            yield {**base, **none}
            continue
        busiest = offered * busiest_over_mean(observed, numbers)
        if model in limited:
            short = group["backlog_grows_per_s"] or 0.0
            held = {"held_rps": offered - short, "rps": -short, "factor": (offered - short) / offered}
            yield {**base, "busiest_rps": busiest, **held, "likely_rps": -short, "known_by": "run"}
            continue
        counts = [observed.scenario.pools[i].replicas for i in numbers]
        known = [limit for limit in first if limit is not None]
        each = list(zip(numbers, known, counts, strict=True))
        most = observed.together({i: limit.requests_per_s * n for i, limit, n in each})
        likely = observed.together({i: limit.likely_per_s * n for i, limit, n in each})
        held = {"held_rps": most, "rps": max(most - busiest, 0.0), "factor": max(most / busiest, 1.0)}
        above = {"likely_rps": max(likely - busiest, 0.0), "known_by": "tables"}
        yield {**base, "busiest_rps": busiest, **held, **above}


def busiest_over_mean(observed: Observed, pools: Sequence[int]) -> float:
    """Tokens computed in the busiest hour over the mean hour, while requests arrive; 1 in a run of under two hours."""
    span = observed.span
    inside = span.window_start_s + span.width_s <= observed.arrivals_end_s + 1e-9
    columns = span.columns[list(pools)].sum(axis=0)[inside]
    work = columns[:, S.DECODED] + columns[:, S.PREFILLED]
    each = max(1, round(BUSIEST_S / observed.metrics.window_s))
    if len(work) < 2 * each or not work.sum():
        return 1.0
    return float(np.convolve(work, np.ones(each) / each, "valid").max() / work.mean())
