"""Small measurement files for tests, in the tidy schema."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from sim.study.rows import COLUMNS

CLOSED = {
    "source": "InferenceMAX",
    "url_or_repo_path": "example",
    "accelerator": "NVIDIA H100-SXM",
    "num_gpus": "4",
    "tp": "4",
    "pp": "1",
    "model": "meta-llama/Llama-3.1-70B",
    "precision": "fp8 (gemm fp8, moe fp8)",
    "framework": "vllm 0.10.2",
    "scenario": "closed-loop-concurrency/agg",
    "batch_or_concurrency": "16",
    "input_len": "1024",
    "output_len": "128",
    "metric": "tpot_ms",
    "value": "15",
}
STATIC = {
    **CLOSED,
    "source": "somebody",
    "accelerator": "H100",
    "num_gpus": "1",
    "tp": "1",
    "model": "Llama-3.1-8B",
    "precision": "bf16",
    "framework": "vLLM",
    "scenario": "static",
    "batch_or_concurrency": "8",
    "input_len": "256",
    "output_len": "64",
    "metric": "latency_ms",
    "value": "900",
}


def write_rows(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """A measurement file with these rows; blank where a row says nothing."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path
