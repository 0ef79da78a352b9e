"""guidellm's report (benchmarks.json): a list of benchmarks, each at one rate or concurrency.

Read as written by vllm-project/guidellm: src/guidellm/benchmark/schemas @2ffffa8 to @06cef29 (report version 1,
guidellm 0.4 to 0.6), where a benchmark's strategy stands under config.strategy, and 0.2 and 0.3, where it stands under
args.strategy (scheduler/strategy.py: type_ synchronous, concurrent with streams, throughput, constant or poisson with
rate). Used are metrics.* of successful requests: time_to_first_token_ms, inter_token_latency_ms, request_latency [s],
requests_per_second, output_tokens_per_second, tokens_per_second, prompt_token_count, output_token_count, each with
mean, median and percentiles.

Time per output token is its inter_token_latency_ms, which leaves the first token out (its time_per_output_token_ms
holds it); means and percentiles are weighted by the tokens of each request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.study.imported import describe as D
from sim.study.imported.result import Measurement, lengths, number

TOOL = "guidellm"
LOADS = {
    "synchronous": "serial",
    "concurrent": "concurrent",
    "throughput": "burst",
    "constant": "constant",
    "poisson": "poisson",
}


def wrote(entry: Mapping[str, Any]) -> bool:
    """Whether this is such a report."""
    some = entry.get("benchmarks")
    return isinstance(some, list) and all(isinstance(b, dict) and "metrics" in b for b in some)


def read(entry: Mapping[str, Any], path: Path) -> list[Measurement]:
    """One measurement for each benchmark in which requests succeeded."""
    version = str(_at(entry, "metadata", "guidellm_version") or "")
    found = (_benchmark(b, entry, f"{TOOL} {version}".strip()) for b in entry["benchmarks"])
    return [m for m in found if m is not None]


def _benchmark(b: Mapping[str, Any], report: Mapping[str, Any], tool: str) -> Measurement | None:
    strategy = _at(b, "config", "strategy") or _at(b, "args", "strategy") or {}
    load = LOADS.get(str(strategy.get("type_", "")), "") if isinstance(strategy, dict) else ""
    metrics = b["metrics"]
    requests = number(
        _at(metrics, "request_totals", "successful")
        or _at(b, "request_totals", "successful")
        or _at(b, "run_stats", "requests_made", "successful")
        or _stat(metrics, "request_latency", "count")
    )
    if not requests > 0:
        return None
    sizes = {"concurrent": "streams", "poisson": "rate", "constant": "rate"}
    size = strategy.get(sizes[load]) if load in sizes else strategy.get("max_concurrency") if load else None
    if load == "burst" and size is not None:
        load = "concurrent"  # a throughput run that holds so many requests in flight
    model = _at(b, "config", "backend", "model") or _at(b, "worker", "backend_model")
    facts = {
        "model": str(
            model or _at(report, "args", "backend_kwargs", "model") or _at(report, "args", "model") or ""
        ),
        D.LOAD: load,
        "batch_or_concurrency": f"{requests:g}" if load == "burst" else "" if size is None else f"{size:g}",
        **lengths(_stat(metrics, "prompt_token_count", "mean"), _stat(metrics, "output_token_count", "mean")),
    }
    spread = _stat(metrics, "output_token_count", "std_dev") / _stat(metrics, "output_token_count", "mean")
    notes = {
        "requests": int(requests),
        "failed": _at(metrics, "request_totals", "errored") or None,
        "length_cv": spread if math.isfinite(spread) else None,
        "tpot": "weighted by tokens",
    }
    return Measurement(tool, facts, _metrics(metrics), notes)


def _metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    found = {
        "requests_per_s": _stat(metrics, "requests_per_second", "mean"),
        "tokens_per_s_output": _stat(metrics, "output_tokens_per_second", "mean"),
        "tokens_per_s_total": _stat(metrics, "tokens_per_second", "mean"),
        "latency_ms": _stat(metrics, "request_latency", "mean") * 1e3,
    }
    for name, theirs in (("ttft", "time_to_first_token_ms"), ("tpot", "inter_token_latency_ms")):
        found[f"{name}_ms_mean"] = _stat(metrics, theirs, "mean")
        for q in ("p50", "p90", "p95", "p99"):
            found[f"{name}_ms_{q}"] = number(_at(metrics, theirs, "successful", "percentiles", q))
    return found


def _stat(metrics: Mapping[str, Any], name: str, statistic: str) -> float:
    return number(_at(metrics, name, "successful", statistic))


def _at(node: Any, *keys: str) -> Any:
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node
