"""What keeps a fleet from serving more, and how much more it could: the target that breaks first, and the resource
behind it.

The fleet is loaded to just beyond what it holds. The target that most requests then miss is the one that breaks; the
resource is read off the replicas there: KV memory where the cache limits the batch, the batch where its cap does, else
whatever takes the most time of a step: prompts (prefill), the host, or reading weights and cache (decode bandwidth).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy.stats import poisson

from sim.cost.types import StepCost
from sim.metrics.moments import Moments, length_moments, mixture
from sim.run import run, step_costs
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.sizing_demand import peak_rate_per_s, rate_per_s, scaled, shortened
from sim.study.sizing_guess import sustained_at
from sim.study.sizing_load import largest_load
from sim.study.sizing_verdict import ATTAINMENT
from sim.workload.demand import read_traces

BEYOND = 1.1
"""Of the load that is held: where something has broken, and not yet everything."""
BINDING_REQUESTS = 12_000
FULL = 0.9
"""Of a limit counts as reached by the mean batch."""
SHORT = 0.01
"""Of the time without a free place, where requests wait for one: then places are what is lacking at times."""
RECOMPUTED = 0.02
"""Of the prefill done again shows that KV room runs out."""


@dataclass(frozen=True)
class Binding:
    """What binds. target: "ttft", "tpot", "e2e" or "throughput".  resource: "KV memory", "batch", "prefill",
    "host" or "decode bandwidth".  prefill_share: of a step's time that prompts add [1].
    held_factor: the largest multiple of the demand that meets the targets.  headroom_rps: above the demand, None
    where the demand has no rate.  evaluations: runs.
    """

    target: str
    resource: str
    pool: str
    why: str
    prefill_share: float
    held_factor: float
    held_rps: float | None
    headroom_rps: float | None
    evaluations: int


def binding(scenario: Scenario, *, attainment: float = ATTAINMENT) -> Binding:
    """What binds the scenario's fleet, and its headroom. Raises Unreachable where no load meets the targets."""
    held = largest_load(scenario, attainment=attainment)
    summary = run(shortened(scaled(held.scenario, BEYOND), BINDING_REQUESTS), threads=1).summary
    workload, target = broken_target(summary)
    pool = max(
        (p for p in summary["pools"] if p["model"] == workload["model"]), key=lambda p: p["utilization"]
    )
    number = [p["name"] for p in summary["pools"]].index(pool["name"])
    resource, why, share = _resource(scenario, number, pool, target != "tpot" and _waits(workload))
    rate = rate_per_s(scenario)
    return Binding(
        target=target,
        resource=resource,
        pool=pool["name"],
        why=why,
        prefill_share=share,
        held_factor=held.factor,
        held_rps=None if rate is None else rate * held.factor,
        headroom_rps=None if rate is None else rate * (held.factor - 1),
        evaluations=held.evaluations + 1,
    )


def broken_target(summary: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """The workload that misses most, and which of its targets most requests miss; "throughput" without targets."""
    aimed = [w for w in summary["workloads"] if w["slo"]["attainment"] is not None]
    if not aimed:
        busiest = max(summary["pools"], key=lambda p: p["utilization"])
        return next(w for w in summary["workloads"] if w["model"] == busiest["model"]), "throughput"
    worst = min(aimed, key=lambda w: w["slo"]["attainment"])
    slo = worst["slo"]
    shares = {
        name: slo[f"{name}_share"]
        for name in ("ttft", "tpot")
        if slo["targets"][f"{name}_s"] is not None and slo[f"{name}_share"] is not None
    }
    if slo["targets"]["e2e_s"] is not None and min(shares.values(), default=1.0) > slo["attainment"] + 0.005:
        return worst, "e2e"
    return worst, min(shares, key=lambda n: shares[n]) if shares else "e2e"


def _waits(workload: Mapping[str, Any]) -> bool:
    """Whether most of the slowest requests' time to the first token is spent waiting for a place."""
    latency = workload["latency"]
    queue, first = latency["queue_s"]["p99"], latency["ttft_s"]["p99"]
    return queue is not None and first is not None and queue > first / 2


def _lacking(batch: float, places: float, waits: bool) -> bool:
    """Whether `places` for sequences are too few for a mean of `batch`: full on average, or where requests wait, full
    for a share of the time as if sequences came and went independently (Poisson)."""
    return batch >= FULL * places or (waits and float(poisson.sf(places - 1, batch)) > SHORT)


def _resource(
    scenario: Scenario, number: int, seen: Mapping[str, Any], waits: bool
) -> tuple[str, str, float]:
    """The resource that binds the pool numbered `number`, in words, and the share of a step that prompts add."""
    traces = read_traces(scenario)
    cost, pool = step_costs(scenario, traces)[number], scenario.pools[number]
    asking = [w for w in scenario.workloads if w.model == pool.model]
    moments = [m for w in asking if (m := length_moments(w, traces)) is not None]
    lengths = mixture(
        moments, [peak_rate_per_s(w, scenario.duration_s) or 1.0 for w in asking][: len(moments)]
    )
    batch = seen["mean_batch"] or 1.0
    share, host = step_parts(cost, pool, lengths, batch)
    kv_batch, cap = seen["kv"]["limited_batch"], seen["max_batch"]
    tokens = seen["tokens"]
    if tokens["recomputed"] > RECOMPUTED * max(tokens["prefilled"], 1.0) or (
        kv_batch < cap and _lacking(batch, kv_batch, waits)
    ):
        return "KV memory", f"the cache holds {kv_batch:,.0f} sequences at once and {batch:,.0f} run", share
    if _lacking(batch, cap, waits):
        return "batch", f"{batch:,.3g} of at most {cap:,} sequences run on a replica", share
    if share > 0.5:
        return "prefill", f"prompts take {100 * share:.0f} % of a step of {batch:,.0f} sequences", share
    if host:
        return "host", f"at {batch:,.0f} sequences the host takes longer than the accelerators", share
    return (
        "decode bandwidth",
        f"at {batch:,.0f} sequences, reading weights and cache takes {100 * (1 - share):.0f} % of a step",
        share,
    )


def step_parts(cost: StepCost, pool: Pool, lengths: Moments, batch: float) -> tuple[float, bool]:
    """Of a steady step of `batch` sequences: the share of its time that prompts add, and whether the host's time
    exceeds the accelerators' where it only decodes."""
    n = max(1, min(round(batch), len(cost.kv_s) - 1))
    accelerator_s = float(
        cost.token_s[n * cost.width] + cost.sequence_s[n] + cost.kv_s[n] * n * lengths.context
    )
    host_s = float(cost.host_s[n])
    mixed = sustained_at(cost, pool.scheduler, lengths, n)
    if mixed is None or not mixed.step_s or mixed.batch < 1:
        return 1.0 if mixed is not None else 0.0, host_s > accelerator_s
    return max(0.0, 1 - max(accelerator_s, host_s) / mixed.step_s), host_s > accelerator_s
