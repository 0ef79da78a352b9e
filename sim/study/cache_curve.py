"""What a prefix cache is worth on recorded demand: hit rate, latency, energy and cost against the room it has.

Two figures stand beside the simulated hit rate, counted from the trace alone: what the file allows (every block that
has been read before is found, for ever), and what a cache of the same room finds that evicts whole blocks, least
recently used first, with no running call beside it.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import Fault, UserError
from sim.run import run
from sim.scenario import Scenario, load
from sim.scenario.arrivals import TraceArrivals
from sim.study.sizing_verdict import ATTAINMENT
from sim.workload.trace import Trace, read_trace

FRACTIONS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03)
"""Of the accelerators' memory that the stack may fill (`pool.memory_fraction`)."""
SPLITS = (1, 2, 4, 8)
"""Replicas that the same accelerators are divided into, each with its own cache; and one of these alone."""
CHIPS = ("H100-SXM-80GB", "H200-SXM-141GB", "B200-SXM-180GB")
PRECISION = 1.03
"""Factor that the rate which holds is known to."""


@dataclass(frozen=True)
class Ideal:
    """What a trace's prompts have in common, in blocks of the trace and in tokens.

    hit_blocks, hit_tokens: those that stand in an unbroken row from a prompt's front and have all been read before.
    distinct_tokens: room that keeps every block.
    """

    requests: int
    blocks: int
    hit_blocks: int
    tokens: int
    hit_tokens: int
    distinct_tokens: int

    @property
    def block_rate(self) -> float:
        return self.hit_blocks / self.blocks

    @property
    def token_rate(self) -> float:
        return self.hit_tokens / self.tokens


def ideal(trace: Trace) -> Ideal:
    """Hits of a cache without limits. A prompt that is found whole computes its last token all the same.

    Raises UserError for a trace without hashes.
    """
    return _replay(trace, math.inf)


def lru(trace: Trace, room_tokens: float) -> Ideal:
    """Hits of a cache of `room_tokens` that evicts the block read longest ago, of one prompt the last first.

    A prompt is admitted whole, however long it is, and what exceeds the room is evicted after it.
    """
    return _replay(trace, room_tokens)


def _replay(trace: Trace, room: float) -> Ideal:
    if trace.block_tokens == 0:
        raise UserError(Fault("workload.arrivals.path", "the trace has no hash_ids to share prompts by"))
    cache: OrderedDict[int, int] = OrderedDict()  # tokens by block, from the longest unread
    held = hit_blocks = hit_tokens = 0
    distinct: dict[int, int] = {}
    for i in range(len(trace.arrival_s)):
        tokens = int(trace.input_tokens[i])
        names = trace.blocks[trace.block_first[i] : trace.block_first[i + 1]].tolist()
        lengths = [trace.block_tokens] * (len(names) - 1) + [tokens - trace.block_tokens * (len(names) - 1)]
        found = 0
        for name, length in zip(names, lengths, strict=True):
            if name not in cache:
                break
            found += length
            hit_blocks += 1
        hit_tokens += min(found, tokens - 1)
        for name, length in reversed(list(zip(names, lengths, strict=True))):
            held += length - cache.pop(name, 0)
            cache[name] = distinct[name] = length
        while held > room:
            held -= cache.popitem(last=False)[1]
    return Ideal(
        len(trace.arrival_s),
        len(trace.blocks),
        hit_blocks,
        int(trace.input_tokens.sum()),
        hit_tokens,
        sum(distinct.values()),
    )


def cache_curve(
    path: str | Path,
    changes: Sequence[str] = (),
    *,
    fractions: Sequence[float] = FRACTIONS,
    splits: Sequence[int] = SPLITS,
    chips: Sequence[str] = CHIPS,
    attainment: float = ATTAINMENT,
) -> dict[str, Any]:
    """Replay the trace of the scenario at `path` under caches of falling room, as plain data.

    changes: settings of the scenario, as the command's `--set`.  fractions, splits, chips: what is varied, one at a
    time: the share of memory, the replicas that the same accelerators make (and one of them alone), the accelerator.
    Each row has the replay as recorded, and the fastest replay in which `attainment` of the requests meets its targets.
    Raises UserError where the first workload is no trace with hashes, or the pool is not of one replica.
    """
    begun_s = time.perf_counter()
    first = load(path, changes)
    arrivals = first.workloads[0].arrivals
    if len(first.workloads) != 1 or len(first.pools) != 1 or not isinstance(arrivals, TraceArrivals):
        raise UserError(
            Fault("workload", "a cache curve needs one workload that replays a trace, and one pool")
        )
    trace = read_trace(arrivals.path, arrivals.format)
    whole = first.pools[0].accelerators_per_replica * first.pools[0].replicas
    limits = ideal(trace)
    rows = [
        {"series": series, "setting": setting, **_row(load(path, [*changes, *more]), trace, attainment)}
        for series, setting, more in _settings(whole, fractions, splits, chips)
    ]
    return {
        "scenario": first.name,
        "slo": {k: getattr(first.workloads[0].slo, k) for k in ("ttft_s", "tpot_s", "e2e_s")},
        "attainment": attainment,
        "ideal": {
            "requests": limits.requests,
            "blocks": limits.blocks,
            "tokens": limits.tokens,
            "distinct_tokens": limits.distinct_tokens,
            "block_rate": limits.block_rate,
            "token_rate": limits.token_rate,
        },
        "rows": rows,
        "wall_s": time.perf_counter() - begun_s,
    }


def _settings(
    whole: int, fractions: Sequence[float], splits: Sequence[int], chips: Sequence[str]
) -> list[tuple[str, str, list[str]]]:
    """Series, name and changes of every row; whole: accelerators of the deployment."""
    found = [("no cache", "off", ["pool.0.prefix_cache=false"])]
    found += [("room", f"memory_fraction {x:g}", [f"pool.0.memory_fraction={x}"]) for x in fractions]
    for n in splits:
        size = f"pool.0.tensor_parallel={whole // n}"
        found.append(("split", f"{n} x TP {whole // n}", [f"pool.0.replicas={n}", size]))
        found.append(
            ("split, no cache", f"{n} x TP {whole // n}", [*found[-1][2], "pool.0.prefix_cache=false"])
        )
        found.append(("fewer", f"1 x TP {whole // n}", ["pool.0.replicas=1", size]))
    found += [("chip", chip, [f"pool.0.accelerator={chip}"]) for chip in chips]
    return found


def _row(scenario: Scenario, trace: Trace, attainment: float) -> dict[str, Any]:
    pool = scenario.pools[0]
    recorded = _replayed(scenario, trace, 1.0)
    cached = pool.prefix_cache.enabled
    room = recorded["kv_tokens_per_replica"]
    return {
        "accelerator": pool.accelerator,
        "replicas": pool.replicas,
        "tensor_parallel": pool.tensor_parallel,
        **recorded,
        "lru_hit_rate": lru(trace, room).token_rate if cached and pool.replicas == 1 else None,
        "held": _fastest(scenario, trace, attainment),
    }


def _fastest(scenario: Scenario, trace: Trace, attainment: float) -> dict[str, Any] | None:
    """The fastest replay that meets the targets, to within `PRECISION`; None if none from 1/64 up does."""
    low, best = 1 / 64, None
    high = low
    while True:  # doubling, then bisection by the logarithm
        tried = _replayed(scenario, trace, high)
        if tried["attainment"] < attainment:
            break
        low, best = high, tried
        high *= 2
    while best is not None and high / low > PRECISION:
        middle = math.sqrt(low * high)
        tried = _replayed(scenario, trace, middle)
        if tried["attainment"] >= attainment:
            low, best = middle, tried
        else:
            high = middle
    return best


def _replayed(scenario: Scenario, trace: Trace, rate_scale: float) -> dict[str, Any]:
    """The trace replayed `rate_scale` times as fast as the scenario has it, to its last answer."""
    workload = scenario.workloads[0]
    assert isinstance(workload.arrivals, TraceArrivals)
    scale = workload.arrivals.rate_scale * rate_scale
    arrivals = workload.arrivals.model_copy(update={"rate_scale": scale})
    timed = scenario.model_copy(
        update={
            "workloads": (workload.model_copy(update={"arrivals": arrivals}),),
            "duration_s": trace.span_s * arrivals.repeat / scale,
        }
    )
    s = run(timed, threads=1).summary
    pool, latency, cache = s["pools"][0], s["latency"], s["prefix_cache"]
    return {
        "rate_scale": scale,
        "requests_per_s": s["requests"]["arrived"] / timed.duration_s,
        "completed": s["requests"]["completed"],
        "rejected": s["requests"]["rejected"],
        "attainment": s["slo"]["attainment"] or 0.0,
        "kv_tokens_per_replica": pool["kv"]["capacity_tokens"],
        "hit_rate": cache["hit_rate"] or 0.0,
        "hit_tokens": cache["hit_tokens"],
        "prefill_computed": s["tokens"]["prefill_computed"],
        "preemptions": pool["preemptions"],
        "utilization": s["utilization"],
        "ttft_mean_s": latency["ttft_s"]["mean"],
        "ttft_p50_s": latency["ttft_s"]["p50"],
        "ttft_p99_s": latency["ttft_s"]["p99"],
        "e2e_mean_s": latency["e2e_s"]["mean"],
        "wh_per_request": s["energy"]["wh_per_request"],
        "usd_per_request": s["cost"]["usd_per_request"],
    }
