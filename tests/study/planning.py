"""A small scenario for the tests of sizing, comparing and planning: an 8B model, short runs."""

from __future__ import annotations

from sim.scenario import Scenario, loads

CHAT = """
name = "chat"
seed = 3
duration = "20 min"
warmup = "1 min"
[[workload]]
model = "Llama-3.1-8B"
arrivals = { process = "poisson", rate_per_s = 20 }
lengths = { kind = "lognormal", input = { mean = 600, cv = 0.8 }, output = { mean = 150, cv = 0.7 } }
slo = { ttft = "1 s", tpot = "25 ms" }
[[pool]]
accelerator = "A100-SXM-80GB"
model = "Llama-3.1-8B"
scheduler = { max_batch = 128 }
"""


def chat(*changes: str) -> Scenario:
    """The scenario with ``key=value`` changes."""
    fixed = CHAT
    if "workload.0.slo={}" in changes:
        fixed = fixed.replace('slo = { ttft = "1 s", tpot = "25 ms" }\n', "")
        changes = tuple(c for c in changes if c != "workload.0.slo={}")
    return loads(fixed, changes)
