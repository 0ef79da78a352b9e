"""Small result files in the formats of the load generators, with made-up figures."""

from __future__ import annotations

from typing import Any

FACTS = "accelerator=H100-SXM-80GB,tp=4,precision=fp8,framework=vllm 0.11"


def vllm(**keys: Any) -> dict[str, Any]:
    return {
        "date": "20260301-101112",
        "backend": "vllm",
        "model_id": "meta-llama/Llama-3.1-70B-Instruct",
        "tokenizer_id": "meta-llama/Llama-3.1-70B-Instruct",
        "num_prompts": 320,
        "request_rate": "inf",
        "burstiness": 1.0,
        "max_concurrency": 32,
        "duration": 100.0,
        "completed": 320,
        "total_input_tokens": 320 * 1000,
        "total_output_tokens": 320 * 200,
        "request_throughput": 3.2,
        "output_throughput": 640.0,
        "total_token_throughput": 3840.0,
        "mean_ttft_ms": 400.0,
        "median_ttft_ms": 350.0,
        "p99_ttft_ms": 1500.0,
        "mean_tpot_ms": 30.0,
        "median_tpot_ms": 29.0,
        "p99_tpot_ms": 45.0,
        "mean_itl_ms": 31.0,
        **keys,
    }


def _summary(mean: float, **more: float) -> dict[str, Any]:
    percentiles = {"p50": mean * 0.9, "p90": mean * 1.5, "p95": mean * 1.7, "p99": mean * 2}
    good = {"mean": mean, "median": mean * 0.9, "std_dev": 0.0, "count": 500, "percentiles": percentiles}
    return {"successful": {**good, **more}, "errored": {"mean": 0.0}, "total": {"mean": mean}}


def guidellm_metrics() -> dict[str, Any]:
    return {
        "request_totals": {"successful": 500, "errored": 2, "incomplete": 1, "total": 503},
        "requests_per_second": _summary(4.0),
        "request_latency": _summary(6.5),
        "prompt_token_count": _summary(512.0),
        "output_token_count": _summary(128.0, std_dev=32.0),
        "time_to_first_token_ms": _summary(120.0),
        "time_per_output_token_ms": _summary(26.0),
        "inter_token_latency_ms": _summary(25.0),
        "output_tokens_per_second": _summary(512.0),
        "tokens_per_second": _summary(2560.0),
    }


def guidellm(*strategies: dict[str, Any], older: bool = False) -> dict[str, Any]:
    """A report with a benchmark for each strategy; `older` as guidellm 0.3 laid it out."""
    benchmarks = []
    for strategy in strategies:
        place = (
            {"args": {"strategy": strategy}, "worker": {"backend_model": "meta-llama/Llama-3.1-8B-Instruct"}}
            if older
            else {"config": {"strategy": strategy, "backend": {"model": "meta-llama/Llama-3.1-8B-Instruct"}}}
        )
        benchmarks.append({"type_": "generative_benchmark", **place, "metrics": guidellm_metrics()})
    return {"metadata": {"version": 1, "guidellm_version": "0.5.0"}, "args": {}, "benchmarks": benchmarks}


def inference_perf(load: dict[str, Any], older: bool = False) -> dict[str, Any]:
    def stats(mean: float) -> dict[str, float]:
        return {
            "mean": mean,
            "min": mean / 2,
            "median": mean * 0.9,
            "p90": mean * 1.5,
            "p95": mean * 1.7,
            "p99": mean * 2,
        }

    lengths = ("prompt_len", "output_len") if older else ("prompt_tokens", "output_tokens")
    return {
        "load_summary": {"count": 600, **load},
        "successes": {
            "count": 598,
            "latency": {
                "request_latency": stats(2.5),
                "time_per_output_token": stats(0.012),
                "time_to_first_token": stats(0.09),
                "inter_token_latency": stats(0.012),
            },
            "throughput": {
                "input_tokens_per_sec": 5000.0,
                "output_tokens_per_sec": 2000.0,
                "total_tokens_per_sec": 7000.0,
                "requests_per_sec": 10.0,
            },
            lengths[0]: stats(500.0),
            lengths[1]: stats(200.0),
        },
        "failures": {"count": 2},
    }
