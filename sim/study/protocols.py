"""What each measuring protocol would have shown of a replica with given step costs: the tidy schema's metrics.

Closed loops, open loops, bursts and static batches are simulated. A batch held full ("steady") and a single
layer are closed forms:

steady    n sequences run all the time, of mean context c = input + 0.6 output (answers are of unequal length,
          and long ones are seen longer). Each step admits a Poisson number k of mean n / output, whose prompts
          join the step's tokens: step_k = step(n, n c, k input). Tokens/s = n / E[step_k]; a percentile of the
          inter-token time is step at that percentile of k. A scheduler that prefills first puts a step of
          its own before (the host goes over the whole batch in it too), which tokens/s feel; the mean time
          between tokens of the one source measured so counts decode steps alone.
layer     accelerator time of a model of one layer, without output head and host.

Energies are those of the tables that a run gets: held to the boards' limit step by step (sim/cost/limit.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sim.catalog.types import Accelerator, Model
from sim.cost.coefficients import Fitted
from sim.cost.limit import power_limited
from sim.cost.step import step_cost
from sim.cost.types import StepCost
from sim.engine.state import TPOT, TTFT
from sim.study.cell import Observed, observe
from sim.study.setup import Setup

LATE_CONTEXT = 0.6
"""Share of the mean answer that a running sequence has behind it, in the mean."""
MAX_STEP_TOKENS = 8192
"""Tokens that the tables cover; longer steps go on linearly."""
ONE_BUCKET = 1.01
"""The first wave's time is read off a histogram, to 1 %."""
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Prediction:
    """Predicted metrics by name, and whether none could be because the model does not fit."""

    metrics: Mapping[str, float]
    cost: StepCost


def predict(
    setup: Setup, model: Model, chip: Accelerator, fitted: Fitted | None = None, *, stretch: float = 1.0
) -> Prediction:
    """Every metric that the setup's protocol yields, under the catalog's coefficients or `fitted`.

    stretch: by which all times of a step are multiplied, its work unchanged: measured over predicted time, to
        see power apart from errors of time.
    Raises UserError (ScenarioError, CatalogError) where the deployment is impossible or does not fit.
    """
    p = setup.protocol
    if p.kind == "layer":
        model = replace(model, layers=1)
    typical_context = p.input_len + p.output_len / 2
    cost = step_cost(
        model,
        chip,
        setup.deployment,
        max_batch=max(1, min(p.max_batch, 4096)),
        max_step_tokens=_table_tokens(setup),
        typical_context=typical_context,
        fitted=fitted,
    )
    if p.kind != "layer":
        cost = power_limited(_stretched(cost, stretch), chip.tdp_w, typical_context)
    if not p.served:
        cost = replace(cost, first_token_s=0.0)
    if p.kind == "layer":
        found = _layer(cost, setup)
    elif p.kind == "steady":
        found = _steady(cost, setup, chip)
    else:
        found = _simulated(cost, setup, chip)
    return Prediction(found, cost)


def _stretched(cost: StepCost, factor: float) -> StepCost:
    """`cost` with all times of a step multiplied by `factor`."""
    names = ("token_s", "token_s_beyond", "sequence_s", "kv_s", "attention_s", "host_s", "host_prefill_s")
    return replace(cost, **{name: getattr(cost, name) * factor for name in (*names, "admit_s")})


def _table_tokens(setup: Setup) -> int:
    p = setup.protocol
    tokens = p.size * p.input_len if p.kind == "static" else MAX_STEP_TOKENS
    return max(64, min(round(tokens), MAX_STEP_TOKENS))


def _simulated(cost: StepCost, setup: Setup, chip: Accelerator) -> dict[str, float]:
    p = setup.protocol
    seen = observe(cost, p)
    if seen.requests == 0:
        return {}
    gpus = cost.accelerators * p.replicas
    elapsed_s = seen.elapsed_s
    output_rate = seen.output_tokens / elapsed_s * p.replicas * p.share
    total_rate = output_rate * (seen.input_tokens + seen.output_tokens) / max(seen.output_tokens, 1)
    power_w = seen.energy_j / elapsed_s * p.replicas
    found = {
        **_latencies(seen, p.statistic),
        "latency_ms": (elapsed_s if p.kind == "static" else seen.e2e_s) * 1e3,
        "elapsed_seconds": elapsed_s,
        "tokens_per_s_output": output_rate,
        "tokens_per_s_total": total_rate,
        "output_tokens_per_s_per_gpu": output_rate / gpus,
        "tokens_per_s_per_gpu": total_rate / gpus,
        "requests_per_s": seen.requests / elapsed_s * p.replicas * p.share,
    }
    if p.kind == "open":
        found["achieved_qps"] = p.size
    if p.kind == "static":  # where KV room is short the batch goes in waves: sources time the first
        found["ttft_ms"] = min(found["ttft_ms"], float(seen.quantiles_s(TTFT, (0.0,))[0]) * 1e3 * ONE_BUCKET)
    rates = (output_rate / p.share, total_rate / p.share)
    return {**found, **_energies(power_w, *rates, seen, p.replicas, gpus * chip.tdp_w)}


def _latencies(seen: Observed, statistic: str) -> dict[str, float]:
    found = {}
    for name, column, mean_s in (("ttft_ms", TTFT, seen.ttft_s), ("tpot_ms", TPOT, seen.tpot_s)):
        found[f"{name}_mean"] = mean_s * 1e3
        values = seen.quantiles_s(column, tuple(_QUANTILES.values()))
        for suffix, value in zip(_QUANTILES, values, strict=True):
            found[f"{name}_{suffix}"] = float(value) * 1e3
        found[name] = found[f"{name}_{statistic}"]
    return found


def _energies(
    power_w: float, output_rate: float, total_rate: float, seen: Observed, replicas: int, limit_w: float
) -> dict[str, float]:
    joules = power_w / replicas * seen.elapsed_s
    return {
        "power_w": power_w,
        "power_avg_fraction_of_tdp": power_w / limit_w,
        "joules_per_output_token": power_w / output_rate if output_rate else math.nan,
        "joules_per_token": power_w / total_rate if total_rate else math.nan,
        "joules_per_request": joules / max(seen.requests, 1),
        "joules_per_batch": joules,
    }


def _steady(cost: StepCost, setup: Setup, chip: Accelerator) -> dict[str, float]:
    p = setup.protocol
    n = max(1.0, p.size / p.replicas)
    context = p.input_len + LATE_CONTEXT * p.output_len
    kv = min(n * context, float(cost.memory.kv_capacity_tokens))
    admitted, weight = _admissions(n / p.output_len)
    times = np.array([step_s(cost, n, kv, k * p.input_len, k * p.input_len**2 / 2) for k in admitted])
    times += cost.admit_s * admitted
    decoding = float(times[0])
    if p.scheduler == "prefill-first":
        alone = [step_s(cost, 0, 0.0, k * p.input_len, k * p.input_len**2 / 2) for k in admitted[1:]]
        host = cost.host_s[min(round(n), len(cost.host_s) - 1)]
        times = decoding + np.array([0.0, *np.maximum(alone, host)]) + cost.admit_s * admitted
    joules = np.array([step_j(cost, n, kv, k * p.input_len, k * p.input_len**2 / 2) for k in admitted])
    step, energy = float(weight @ times), float(weight @ joules)
    output_rate = n / step * p.replicas
    gpus = cost.accelerators * p.replicas
    power_w = (energy / step + cost.static_w) * p.replicas
    order = np.argsort(times)
    cumulative = np.cumsum(weight[order])
    percentile = {q: times[order][int(np.searchsorted(cumulative, q))] * 1e3 for q in _QUANTILES.values()}
    total_rate = output_rate * (1 + p.input_len / p.output_len)
    return {
        "tpot_ms": step * 1e3,
        "tpot_ms_mean": (decoding if p.scheduler == "prefill-first" else step) * 1e3,
        **{f"tpot_ms_{name}": percentile[q] for name, q in _QUANTILES.items()},
        "tokens_per_s_output": output_rate,
        "tokens_per_s_total": total_rate,
        "output_tokens_per_s_per_gpu": output_rate / gpus,
        "tokens_per_s_per_gpu": total_rate / gpus,
        "requests_per_s": output_rate / p.output_len,
        "power_w": power_w,
        "power_avg_fraction_of_tdp": power_w / gpus / chip.tdp_w,
        "joules_per_output_token": power_w / output_rate,
        "joules_per_token": power_w / total_rate,
        "joules_per_request": power_w / output_rate * p.output_len,
    }


def _admissions(mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of prompts admitted in a step, and the Poisson probability of each."""
    numbers = np.arange(math.ceil(mean + 4 * math.sqrt(mean)) + 2)
    logs = numbers * math.log(mean) - mean - np.array([math.lgamma(k + 1.0) for k in numbers])
    weight = np.exp(logs)
    return numbers, weight / weight.sum()


def _layer(cost: StepCost, setup: Setup) -> dict[str, float]:
    p = setup.protocol
    if p.phase == "prefill":
        prompts = max(1.0, p.size / p.input_len)
        pair = p.size * p.size / prompts / 2
        whole_s = _tokens(cost.token_s, cost.token_s_beyond, p.size) + cost.attention_s * pair
    else:
        whole_s = _tokens(cost.token_s, cost.token_s_beyond, p.size) + cost.kv_s[1] * p.size * p.input_len
    return {"per_layer_latency_ms": whole_s * 1e3}


def step_s(cost: StepCost, n: float, kv: float, prefill: float, pair: float) -> float:
    """Time of one step of n decoding sequences with kv tokens, `prefill` prompt tokens of work `pair`."""
    i = min(round(n), len(cost.kv_s) - 1)
    time = _tokens(cost.token_s, cost.token_s_beyond, n + prefill)
    time += cost.sequence_s[i] + cost.kv_s[i] * kv + cost.attention_s * pair
    return max(time, cost.host_s[i] + cost.host_prefill_s * prefill)


def step_j(cost: StepCost, n: float, kv: float, prefill: float, pair: float) -> float:
    """Energy of the same step above the static draw."""
    joules = _tokens(cost.token_j, cost.token_j_beyond, n + prefill)
    return joules + cost.sequence_j * n + cost.kv_j * kv + cost.attention_j * pair


def _tokens(table: np.ndarray, beyond: float, tokens: float) -> float:
    last = len(table) - 1
    if tokens <= last:
        return float(table[round(tokens)])
    return float(table[last]) + (tokens - last) * beyond
