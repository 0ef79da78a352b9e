"""Scenario texts that the tests start from."""

from __future__ import annotations

CHAT = """
name = "chat-70b"
seed = 7
duration = "1 h"
warmup = "5 min"

[[workload]]
name = "chat"
model = "Llama-3.1-70B"
arrivals = { process = "poisson", rate_per_s = 40 }
lengths = "azure-2023-conversation"
slo = { ttft = "1 s", tpot = "50 ms" }

[[pool]]
name = "h100"
accelerator = "H100-SXM-80GB"
model = "Llama-3.1-70B"
precision = "fp8"
kv_precision = "fp16"
tensor_parallel = 4
replicas = 8
stack = "vllm-2025"
memory_fraction = 0.9
scheduler = { kind = "chunked-prefill", max_batch = 256, token_budget = 2048 }

[site]
pue = 1.2
electricity_usd_per_kwh = 0.08
"""

LEAST = """
name = "least"
duration = 60

[[workload]]
model = "Llama-3.1-8B"
arrivals = { process = "deterministic", rate_per_s = 1 }
lengths = { kind = "fixed", input = 100, output = 10 }

[[pool]]
accelerator = "H100"
model = "Llama-3.1-8B"
"""


def least(*, arrivals: str = "", lengths: str = "", pool: str = "", top: str = "") -> str:
    """The least scenario with its arrivals or lengths replaced, and lines added to its pool or top."""
    text = LEAST
    if arrivals:
        text = text.replace(
            'arrivals = { process = "deterministic", rate_per_s = 1 }', f"arrivals = {arrivals}"
        )
    if lengths:
        text = text.replace('lengths = { kind = "fixed", input = 100, output = 10 }', lengths)
    return f"{top}\n{text}{pool}\n"
