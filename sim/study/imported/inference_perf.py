"""inference-perf's stage_N_lifecycle_metrics.json: what one stage of load gave.

Read as written by kubernetes-sigs/inference-perf, inference_perf/reportgen/base.py @010d12f (2026), and its older form
with prompt_len in the place of prompt_tokens (demos/kubecon-na-2025 @58e3a45): load_summary (requested_rate, or
concurrency), successes.count, successes.latency.{time_to_first_token, time_per_output_token, request_latency} [s] with
mean, median and percentiles, successes.throughput, prompt_tokens or prompt_len, output_tokens or output_len. The file
says neither the model nor how requests were spaced: its loads of a rate are `constant` or `poisson`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import Fault, UserError
from sim.study.imported import describe as D
from sim.study.imported.result import Measurement, lengths, number

TOOL = "inference-perf"
PERCENTILES = {"p50": "median", "p90": "p90", "p95": "p95", "p99": "p99"}


def wrote(entry: Mapping[str, Any]) -> bool:
    """Whether this is such a file."""
    return "load_summary" in entry and isinstance(entry.get("successes"), dict)


def read(entry: Mapping[str, Any], path: Path) -> list[Measurement]:
    """The one measurement of a stage; none where no request succeeded.

    Raises UserError for a summary over all stages, which mixes loads.
    """
    load, good = entry["load_summary"], entry["successes"]
    if not number(good.get("count")) > 0:
        return []
    if load.get("requested_rate") is None and load.get("concurrency") is None:
        hint = "give the files stage_N_lifecycle_metrics.json"
        raise UserError(
            Fault("load_summary", "says no rate: a summary over stages of different load", hint), str(path)
        )
    clients = load.get("concurrency")
    size = number(clients if clients is not None else load["requested_rate"])
    facts = {
        D.LOAD: "" if clients is None else "serial" if clients == 1 else "concurrent",
        "batch_or_concurrency": f"{size:g}",
        **lengths(
            _stat(good, "prompt_tokens", "mean", "prompt_len"),
            _stat(good, "output_tokens", "mean", "output_len"),
        ),
    }
    failed = (entry.get("failures") or {}).get("count") or None
    return [Measurement(TOOL, facts, _metrics(good), {"requests": int(good["count"]), "failed": failed})]


def _metrics(good: Mapping[str, Any]) -> dict[str, float]:
    latency, throughput = good.get("latency") or {}, good.get("throughput") or {}
    found = {
        "requests_per_s": number(throughput.get("requests_per_sec")),
        "tokens_per_s_output": number(throughput.get("output_tokens_per_sec")),
        "tokens_per_s_total": number(throughput.get("total_tokens_per_sec")),
        "latency_ms": _stat(latency, "request_latency", "mean") * 1e3,
    }
    for name, theirs in (("ttft", "time_to_first_token"), ("tpot", "time_per_output_token")):
        found[f"{name}_ms_mean"] = _stat(latency, theirs, "mean") * 1e3
        for q, key in PERCENTILES.items():
            found[f"{name}_ms_{q}"] = _stat(latency, theirs, key) * 1e3
    return found


def _stat(node: Mapping[str, Any], name: str, statistic: str, older: str = "") -> float:
    for key in (name, older):
        table = node.get(key)
        if isinstance(table, dict) and statistic in table:
            return number(table[statistic])
    return math.nan
