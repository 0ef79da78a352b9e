"""Requests, tokens, latencies and targets, of one workload or of several together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sim.engine import state as S
from sim.metrics.histogram import quantile
from sim.metrics.run import RunMetrics
from sim.scenario.workload import Slo, Workload

LATENCIES = {"ttft_s": S.TTFT, "tpot_s": S.TPOT, "e2e_s": S.E2E, "queue_s": S.QUEUE}
CLIENTS = (
    ("limited", S.LIMITED, "limit"),
    ("expired", S.EXPIRED, "patience_s"),
    ("retried", S.RETRIED, "retry"),
    ("spilled", S.SPILLED, "spill"),
)
"""Key, counter, and the workload's table without which it stays 0."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def requests_section(
    metrics: RunMetrics, workloads: Sequence[int], clients: Sequence[Workload]
) -> dict[str, int]:
    """Requests that arrived after the warm-up, and what became of them.

    clients: these workloads' own tables; what none of them can come to has no key. limited, expired: part of
    `rejected`, beyond a tenant's limit, and given up while waiting.  retried: attempts after the first.  spilled: part
    of `completed`, by another service.
    """
    counters = metrics.counters[list(workloads)].sum(axis=0)
    arrived, completed, rejected = (int(counters[c]) for c in (S.ARRIVED, S.COMPLETED, S.REJECTED))
    return {
        "arrived": arrived,
        "completed": completed,
        "rejected": rejected,
        "shed": int(counters[S.SHED]),
        **{
            key: int(counters[column])
            for key, column, table in CLIENTS
            if any(getattr(client, table) is not None for client in clients)
        },
        "in_flight": arrived - completed - rejected,
    }


def latency_section(metrics: RunMetrics, workloads: Sequence[int]) -> dict[str, dict[str, float | None]]:
    """Mean and quantiles [s] of TTFT, TPOT (of requests of two output tokens or more), end-to-end and queue time.

    Quantiles are within 0.8 %, the width of the histograms' buckets.
    """
    counters = metrics.counters[list(workloads)].sum(axis=0)
    found = {}
    for name, latency in LATENCIES.items():
        counts = metrics.histograms[list(workloads), latency].sum(axis=0)
        total = float(metrics.sums[list(workloads), latency].sum())
        samples = int(counters[S.WITH_TPOT if latency == S.TPOT else S.COMPLETED])
        found[name] = {
            "mean": total / samples if samples else None,
            **{key: _finite(quantile(counts, q)) for key, q in QUANTILES.items()},
        }
    return found


def slo_section(
    metrics: RunMetrics, workloads: Sequence[int], targets: Sequence[Slo], span_s: float
) -> dict[str, float | None]:
    """Share of requests that met every target, a rejected one meeting none, and their rate over the span.

    attainment is None where no workload has a target, or nothing arrived; a workload without targets attains
    them with each completed request.
    """
    counters = metrics.counters[list(workloads)].sum(axis=0)
    arrived, good = int(counters[S.ARRIVED]), int(counters[S.GOOD])
    aimed = any(v is not None for slo in targets for v in (slo.ttft_s, slo.tpot_s, slo.e2e_s))
    return {"attainment": good / arrived if arrived and aimed else None, "goodput_rps": good / span_s}


def workload_target_shares(metrics: RunMetrics, workload: int) -> dict[str, float | None]:
    """Share of completed requests that met the TTFT target, and that met the TPOT target, each alone."""
    counters: np.ndarray = metrics.counters[workload]
    completed = int(counters[S.COMPLETED])
    return {
        "ttft_share": int(counters[S.GOOD_TTFT]) / completed if completed else None,
        "tpot_share": int(counters[S.GOOD_TPOT]) / completed if completed else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
