"""`vllm bench serve --save-result`: one JSON object (with --append-result several, line by line).

Read as written by vllm-project/vllm vllm/benchmarks/serve.py @009e6d4 (2026), whose keys are those of
benchmarks/benchmark_serving.py since v0.6 as far as they are used here: model_id, backend, num_prompts, request_rate
("inf" for all at once), burstiness (shape of gamma gaps; 1: Poisson), max_concurrency, completed, failed,
total_input_tokens, total_output_tokens, request_throughput, output_throughput, total_token_throughput,
{mean,median,pNN}_{ttft,tpot,e2el}_ms; with --save-detailed output_lens. Its --metadata key=value pairs stand among
them, and are taken as facts where they name one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import Fault, UserError
from sim.study.imported import describe as D
from sim.study.imported.result import Measurement, lengths, number

TOOL = "vllm bench serve"
ENGINES = ("vllm", "sglang", "tensorrt-llm", "lmdeploy")
"""Values of `backend` that name the server; the others name only its interface."""


def wrote(entry: Mapping[str, Any]) -> bool:
    """Whether this is such a result."""
    return "model_id" in entry and "request_throughput" in entry and "total_input_tokens" in entry


def read(entry: Mapping[str, Any], path: Path) -> list[Measurement]:
    """The one measurement of an entry. Raises UserError where no request was completed."""
    completed = number(entry.get("completed"))
    if not completed > 0:
        raise UserError(Fault("completed", "no request was completed: nothing was measured"), str(path))
    load, size = _load(entry)
    facts = {
        "model": str(entry["model_id"]),
        "framework": entry["backend"] if entry.get("backend") in ENGINES else "",
        "batch_or_concurrency": size,
        D.LOAD: load,
        "date": str(entry.get("date", ""))[:8],
        **lengths(
            number(entry["total_input_tokens"]) / completed,
            number(entry.get("total_output_tokens")) / completed,
        ),
        **{k: str(entry[k]) for k in D.KEYS if k in entry and k != "date"},
    }
    notes = {"requests": int(completed), "failed": entry.get("failed") or None, "length_cv": _cv(entry)}
    return [Measurement(TOOL, facts, _metrics(entry), notes)]


def _load(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Load and its size; a ramp counts as a capped rate, which no single rate describes either."""
    rate, clients = entry.get("request_rate", "inf"), entry.get("max_concurrency")
    limitless = rate in ("inf", None) or rate == math.inf
    if limitless:
        if clients is None:
            return "burst", str(entry.get("num_prompts", ""))
        return ("serial" if clients == 1 else "concurrent"), str(clients)
    if clients is not None or "ramp_up_strategy" in entry:
        return "capped", f"{number(rate):g}"
    return ("poisson" if number(entry.get("burstiness", 1.0)) == 1.0 else "gamma"), f"{number(rate):g}"


def _metrics(entry: Mapping[str, Any]) -> dict[str, float]:
    found = {
        "requests_per_s": number(entry.get("request_throughput")),
        "tokens_per_s_output": number(entry.get("output_throughput")),
        "tokens_per_s_total": number(entry.get("total_token_throughput")),
        "latency_ms": number(entry.get("mean_e2el_ms")),
    }
    for name in ("ttft", "tpot"):
        found[f"{name}_ms_mean"] = number(entry.get(f"mean_{name}_ms"))
        found[f"{name}_ms_p50"] = number(entry.get(f"median_{name}_ms"))
        for q in ("p90", "p95", "p99"):
            found[f"{name}_ms_{q}"] = number(entry.get(f"{q}_{name}_ms"))
    return found


def _cv(entry: Mapping[str, Any]) -> float | None:
    """Coefficient of variation of the answers' lengths, where these were saved."""
    given = entry.get("output_lens")
    if not isinstance(given, list) or len(given) < 2 or not sum(given):
        return None
    return float(np.std(given) / np.mean(given))
