"""What accelerators draw, beside what was measured and published: watts, joules per token, phases, generations, a
query, a node, caps. Every table is a list of plain rows; `sim.study.power_results` writes and draws them."""

from __future__ import annotations

import functools
import math
from typing import Any

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.catalog.servers import server
from sim.cost.deployment import Deployment
from sim.cost.dvfs import SLOW_CLOCK, capped
from sim.cost.limit import power_limited, typical_steps
from sim.cost.step import step_cost
from sim.cost.types import StepCost
from sim.study.protocols import LATE_CONTEXT, predict
from sim.study.setup import Protocol, Setup

Table = list[dict[str, Any]]

MEASURED_70B = (
    # batch in the mean, tokens/s, W per GPU, J per output token
    (8, 470, 441, 3.76),
    (64, 2511, 500, 0.797),
    (255, 4915, 589, 0.479),
    (898, 6827, 637, 0.373),
)
"""Llama-3.1-70B, bfloat16, 4 x H100, chat, vLLM: ML.ENERGY leaderboard v3, lm-arena-chat, 2026-02."""
CHAT_INPUT, CHAT_OUTPUT = 400, 350
"""Tokens: answers as measured there; prompts are not published and assumed."""
PUE = 1.2
"""Of AI data centers: Epoch AI and SemiAnalysis 1.1 to 1.3."""
PUBLISHED_WH = (
    "0.24 (Gemini median, Google 2025, with host, idle and PUE) to 0.34 (ChatGPT mean, Altman 2025)"
)


def chat_setup(
    model_name: str, chip: str, tensor_parallel: int, batch: int, *, kind: str = "steady", **deployment: Any
) -> Setup:
    """A chat workload that keeps `batch` sequences on one replica.

    kind: "steady", the batch held full as it was measured; "closed", as many clients in a closed loop, ten
    answers each with lengths spread by half, from the first to the last of them.
    """
    protocol = Protocol(
        kind=kind,
        size=float(batch),
        input_len=float(CHAT_INPUT),
        output_len=float(CHAT_OUTPUT),
        requests=10 * batch,
        spread=0.5 if kind == "closed" else 0.0,
        max_batch=batch,
    )
    options = {"stack": "vllm-2025-mlenergy", **deployment}
    return Setup(chip, model_name, Deployment(tensor_parallel=tensor_parallel, **options), protocol)


def chat(setup: Setup) -> dict[str, float]:
    """Metrics of a chat setup, and `gpu_w`, watts of one accelerator."""
    found = predict(setup, model(setup.model), accelerator(setup.accelerator)).metrics
    return {**found, "gpu_w": found["power_w"] / setup.deployment.accelerators}


def against_batch() -> Table:
    """Llama-3.1-70B on 4 x H100: measured, predicted under the measured protocol, as a closed loop from its
    first to its last answer, and a decode step alone, without prompts."""
    rows = []
    for batch, rate, watts, joules in MEASURED_70B:
        row: dict[str, Any] = {"batch": batch, "measured_w": watts, "measured_j_per_token": joules}
        row |= {"measured_tokens_per_s": rate}
        for kind in ("steady", "closed"):
            found = chat(chat_setup("Llama-3.1-70B", "H100-SXM-80GB", 4, batch, kind=kind))
            row |= {f"{kind}_w": found["gpu_w"], f"{kind}_j_per_token": found["joules_per_output_token"]}
            row |= {f"{kind}_tokens_per_s": found["tokens_per_s_output"]}
        cost, context = _limited("Llama-3.1-70B", "H100-SXM-80GB", 4, max(batch, 64))
        step_s, watts = _step(cost, context, batch)
        row |= {"decode_step_w": watts, "decode_step_j_per_token": watts * 4 * step_s / batch}
        rows.append(row)
    return rows


@functools.cache
def _limited(
    name: str,
    chip: str,
    tensor_parallel: int,
    batch: int,
    tokens: int = 8192,
    clock: float = 1.0,
    **options: Any,
) -> tuple[StepCost, float]:
    """Tables of a chat deployment, held to the boards' limit at full clock; and its typical context."""
    context = CHAT_INPUT + LATE_CONTEXT * CHAT_OUTPUT
    deployment = Deployment(tensor_parallel=tensor_parallel, **{"stack": "vllm-2025", **options})
    cost = step_cost(
        model(name),
        accelerator(chip),
        deployment,
        max_batch=batch,
        max_step_tokens=tokens,
        typical_context=context,
        clock=clock,
    )
    return (power_limited(cost, accelerator(chip).tdp_w, context) if clock == 1.0 else cost), context


def _step(cost: StepCost, context: float, entry: int) -> tuple[float, float]:
    """Seconds, and watts of one accelerator, of the typical step of `entry` tokens."""
    steps = typical_steps(cost, context)
    step_s = float(steps.step_s(cost)[entry])
    return step_s, (cost.static_w + float(steps.work_j(cost)[entry]) / step_s) / cost.accelerators


_PHASES = (
    # what, model, chip, tensor parallel, options, tokens in the step, published share of TDP
    ("chat decode, batch 8", "Llama-3.1-8B", "H100-SXM-80GB", 1, {}, 8, "0.69"),
    ("chat decode, batch 8", "Llama-3.1-70B", "H100-SXM-80GB", 4, {}, 8, "0.63"),
    ("chat decode, batch 8", "Qwen3-32B", "H100-SXM-80GB", 2, {}, 8, "0.61"),
    ("chat decode, batch 8", "Llama-3.1-70B", "B200-SXM-180GB", 2, {}, 8, "0.85"),
    ("prefill, 8,192 tokens", "Llama-3.1-8B", "H100-SXM-80GB", 1, {}, 8192, "near 1"),
    ("prefill, 8,192 tokens", "Llama-3.1-70B", "H100-SXM-80GB", 4, {}, 8192, "near 1"),
    ("prefill, 8,192 tokens", "Llama-2-70B", "A100-SXM-80GB", 4, {}, 8192, "near 1"),
    (
        "wide MoE decode, batch 128",
        "DeepSeek-V3",
        "H200-SXM-141GB",
        8,
        {"precision": "fp8"},
        128,
        "0.50 to 0.75",
    ),
    ("wide MoE decode, batch 128", "Qwen3-235B-A22B", "H100-SXM-80GB", 8, {}, 128, "0.50 to 0.75"),
    (
        "wide MoE decode, batch 128",
        "Qwen3-235B-A22B",
        "B200-SXM-180GB",
        8,
        {"precision": "fp8"},
        128,
        "0.50 to 0.75",
    ),
)


def phases() -> Table:
    """Share of TDP that typical steps draw, beside published shares (ML.ENERGY v3; Splitwise for prefill)."""
    rows = []
    for what, name, chip, size, options, tokens, published in _PHASES:
        batch = min(tokens, 256)
        if what.startswith("prefill"):
            batch = 1
        cost, context = _limited(name, chip, size, batch, max(tokens, 64), **options)
        _, watts = _step(cost, context, tokens)
        share = watts / accelerator(chip).tdp_w
        row = {"phase": what, "model": name, "accelerators": f"{size} x {chip}", "w_per_gpu": watts}
        rows.append({**row, "share_of_tdp": share, "published": published})
    return rows


def generations() -> Table:
    """Joules per output token of Llama-3.1-8B in 16 bits on one accelerator of each generation, chat batches."""
    chips = ("V100-SXM-32GB", "A100-SXM-80GB", "H100-SXM-80GB", "B200-SXM-180GB")
    rows = []
    for batch in (8, 64):
        first = None
        for chip in chips:
            found = chat(chat_setup("Llama-3.1-8B", chip, 1, batch, stack="vllm-2025"))
            joules = found["joules_per_output_token"]
            first = first or joules
            row = {"batch": batch, "accelerator": chip, "w": found["gpu_w"], "j_per_token": joules}
            rows.append({**row, "tokens_per_s": found["tokens_per_s_output"], "times_less": first / joules})
    return rows


def query() -> Table:
    """Watt-hours of one chat answer at the wall of the site, by how full the batch is; published beside."""
    node = server("DGX-H100")
    rows = []
    for batch, *_ in MEASURED_70B:
        found = chat(chat_setup("Llama-3.1-70B", "H100-SXM-80GB", 4, batch))
        wall_w = _wall_w(node, found["gpu_w"]) / node.accelerators
        gpu_wh = found["joules_per_request"] / 3600
        wall_wh = gpu_wh * wall_w / found["gpu_w"]
        row = {"model": "Llama-3.1-70B", "batch": batch, "gpu_wh": gpu_wh, "node_wh": wall_wh}
        rows.append({**row, "site_wh": wall_wh * PUE, "published_wh": PUBLISHED_WH})
    return rows


def _wall_w(node: Any, gpu_w: float) -> float:
    parts_w = (1 + node.fan_fraction) * gpu_w * node.accelerators + node.host_power_w
    return parts_w / node.psu_efficiency


def node() -> Table:
    """An 8 x H100 server at the wall: prompts without end, full and half-full chat batches; published beside."""
    box = server("DGX-H100")
    cost, context = _limited("Llama-3.1-70B", "H100-SXM-80GB", 4, 1)
    loads = [
        ("prompts without end", _step(cost, context, 8192)[1], "8.4 kW, maximum in training (2412.08602)")
    ]
    published = "76 % of 10.2 kW, intensive load (2506.14551)"
    for batch in (898, 255, 64):
        watts = chat(chat_setup("Llama-3.1-70B", "H100-SXM-80GB", 4, batch))["gpu_w"]
        loads.append((f"chat, batch {batch} on each 4", watts, published))
    rows = []
    for what, gpu_w, known in loads:
        wall_w = _wall_w(box, gpu_w)
        row = {"load": what, "w_per_gpu": gpu_w, "node_kw": wall_w / 1e3}
        rows.append({**row, "share_of_nameplate": wall_w / box.max_power_w, "published": known})
    return rows


def caps() -> Table:
    """Llama-3.1-70B on 4 x H100 under power caps: time and energy of a small and a large decode batch and of a
    prompt, relative to no cap."""
    limited, context = _limited("Llama-3.1-70B", "H100-SXM-80GB", 4, 256)
    slow, _ = _limited("Llama-3.1-70B", "H100-SXM-80GB", 4, 256, clock=SLOW_CLOCK)
    options = {"max_batch": 256, "max_step_tokens": 8192, "typical_context": context}
    full = step_cost(
        model("Llama-3.1-70B"),
        accelerator("H100-SXM-80GB"),
        Deployment(tensor_parallel=4, stack="vllm-2025"),
        **options,
    )
    entries = {
        "decode, batch 8": 8,
        "decode, batch 64": 64,
        "decode, batch 256": 256,
        "prompt of 8,192": 8192,
    }
    rows = []
    for cap_w in range(700, 249, -50):
        cost = capped(full, cap_w, slow=slow, tdp_w=700.0, typical_context=context)
        for what, entry in entries.items():
            s0, w0 = _step(limited, context, entry)
            s1, w1 = _step(cost, context, entry)
            change = {"time": s1 / s0, "energy": s1 * w1 / (s0 * w0)}
            rows.append({"cap_w": cap_w, "step": what, **change, "w_per_gpu": w1})
    return rows


def finite(value: Any) -> Any:
    """Numbers to four figures, for tables; None for none."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value
