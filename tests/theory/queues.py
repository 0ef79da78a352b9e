"""Queues of known theory, made of the engine's own parts: step costs chosen so that a replica is the textbook server.

With a batch of one and steps of constant time d, a request of k output tokens is served for k d. With a batch of c
and the same step time, c requests are served at once from one queue. With a step time proportional to the batch, the
replica is a processor-sharing server.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sim.engine import state as S
from sim.engine.control import run_plans
from tests.engine.setups import cost, plans, scenario

STEP_S = 1e-3
MEAN_TOKENS = 1000


@dataclass(frozen=True)
class Estimate:
    """Mean over replications and the half width of its confidence interval."""

    mean: float
    half_width: float

    def holds(self, expected: float) -> bool:
        return abs(self.mean - expected) <= self.half_width


def exponential_tokens(mean: float = MEAN_TOKENS) -> dict:
    """Output tokens whose time is exponential: quantiles of the exponential law, dense in the tail."""
    p = np.concatenate([np.linspace(0, 0.99, 400), 1 - np.geomspace(0.0099, 1e-7, 200), [1.0]])
    tokens = -mean * np.log1p(-p[:-1])
    points = [[float(a), float(b)] for a, b in zip(p[:-1], tokens, strict=True)] + [
        [1.0, float(tokens[-1] + mean)]
    ]
    return {"kind": "quantiles", "input": [[0, 1], [1, 1]], "output": points}


def fixed_tokens(tokens: int = MEAN_TOKENS) -> dict:
    return {"kind": "fixed", "input": 1, "output": tokens}


def two_point_tokens() -> dict:
    """Nine in ten short, one in ten long: a squared coefficient of variation of 9/4 (E[S^2] = 3.25 E[S]^2)."""
    return {
        "kind": "quantiles",
        "input": [[0, 1], [1, 1]],
        "output": [[0, 500], [0.9, 500], [0.9 + 1e-9, 5500], [1, 5500]],
    }


def measure(
    lengths: dict,
    load: float,
    servers: int = 1,
    sharing: bool = False,
    seeds: int = 10,
    requests: int = 200_000,
) -> tuple[Estimate, Estimate]:
    """(mean wait, mean time in the system) [s] at `load`, each with its 99.9 % confidence interval."""
    capacity = servers / (MEAN_TOKENS * STEP_S)
    rate = load * capacity
    duration = requests / rate
    warmup = min(0.2 * duration, 20 * MEAN_TOKENS * STEP_S / (1 - load) ** 2)
    batch = 512 if sharing else servers
    step = cost(
        token_s=STEP_S if sharing else 0.0,
        floor_s=0.0 if sharing else STEP_S,
        kv_s=0.0,
        attention_s=0.0,
        host_s=0.0,
        max_batch=batch,
        kv_capacity=10**9,
    )
    waits, times = [], []
    for seed in range(seeds):
        made = scenario(
            [{"arrivals": {"process": "poisson", "rate_per_s": rate}, "lengths": lengths}],
            [{"scheduler": {"max_batch": batch}}],
            seed=seed,
            duration=duration,
            warmup=warmup,
        )
        run = run_plans(plans(made, [step]))
        done = run.counters[0, S.COMPLETED]
        waits.append(run.sums[0, S.QUEUE] / done)
        times.append(run.sums[0, S.E2E] / done)
    return _estimate(waits), _estimate(times)


def _estimate(values: list[float], confidence: float = 0.999) -> Estimate:
    quantile = stats.t.ppf(0.5 + confidence / 2, len(values) - 1)
    return Estimate(float(np.mean(values)), float(quantile * np.std(values, ddof=1) / math.sqrt(len(values))))


def erlang_c(servers: int, load: float) -> float:
    """Probability of waiting in M/M/c (Erlang 1917)."""
    offered = servers * load
    below = sum(offered**k / math.factorial(k) for k in range(servers))
    at = offered**servers / math.factorial(servers) / (1 - load)
    return at / (below + at)


def mmc_wait_s(servers: int, load: float, service_s: float = MEAN_TOKENS * STEP_S) -> float:
    """Mean wait in M/M/c: C(c, rho) S / (c (1 - rho))."""
    return erlang_c(servers, load) * service_s / (servers * (1 - load))


def mg1_wait_s(load: float, second_moment_ratio: float, service_s: float = MEAN_TOKENS * STEP_S) -> float:
    """Mean wait in M/G/1 (Pollaczek and Khinchine): rho S (E[S^2] / E[S]^2) / (2 (1 - rho))."""
    return load * service_s * second_moment_ratio / (2 * (1 - load))


def sharing_time_s(load: float, service_s: float = MEAN_TOKENS * STEP_S) -> float:
    """Mean time in M/G/1 processor sharing, whatever the law of service: S / (1 - rho) (Kleinrock 1976)."""
    return service_s / (1 - load)
