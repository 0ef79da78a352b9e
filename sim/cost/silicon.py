"""Step times from NVIDIA's measured kernel tables, in place of the mechanistic model's.

The optional extra `silicon` installs aiconfigurator-core 0.12 (Apache-2.0, Linux x86-64), which holds measured times
of the kernels of serving stacks and adds them up to whole steps without a network. Its steps fill the tables of
`StepCost` (S = 256 tokens, c = typical context; prefill(b, l) and decode(n, l) are the package's answers):

    attention_s  = [prefill(1, p) - prefill(p / S, S)] / (p^2 / 2 - p S / 2)      p: c, held to 2048..32768
    token_s[T]   = prefill(T tokens in prompts of S at most) - attention_s x T min(T, S) / 2
    kv_s[n]      = [decode(n, 2 c) - decode(n, c / 2)] / (1.5 n c)
    sequence_s[n] = decode(n, c / 2) - kv_s[n] n c / 2 - token_s[n]

The prefill differences compare equal numbers of tokens, so only attention's work differs. sequence_s may be below zero
where token_s holds the launch of prefill attention that decoding lacks; decode steps add up to the package's answer.
Host time, admission, latency outside the engine, memory and energy stay the mechanistic model's: the package has
no host time, and its energies of these systems are zero.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from sim.catalog.types import Accelerator, Model
from sim.cost.deployment import Deployment
from sim.cost.precision import number_format, stored_as
from sim.cost.types import Knowledge, StepCost
from sim.errors import Fault, ScenarioError

PACKAGE = "aiconfigurator_core"
INSTALL = "pip install 'datacenter-sim[silicon]' (Linux x86-64)"
MECHANISTIC = 'use cost_model = "mechanistic"'

SYSTEMS: Mapping[str, str] = {
    "A100-SXM-80GB": "a100_sxm",
    "L40S-PCIE-48GB": "l40s",
    "H100-SXM-80GB": "h100_sxm",
    "H200-SXM-141GB": "h200_sxm",
    "B200-SXM-180GB": "b200_sxm",
    "B300-SXM-270GB": "b300_sxm",
    "GB200-NVL72-186GB": "gb200",
    "GB300-NVL72-288GB": "gb300",
    "RTX-PRO-6000-96GB": "rtx_pro_6000_server",
}
"""The package's system by accelerator of the catalog; its other systems hold no kernel times."""

MODELS: Mapping[str, str] = {
    "Llama-3.1-8B": "meta-llama/Meta-Llama-3.1-8B",
    "Llama-3-8B": "meta-llama/Meta-Llama-3.1-8B",
    "Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "Llama-3-70B": "meta-llama/Meta-Llama-3.1-70B",
    "Llama-3.1-405B": "meta-llama/Meta-Llama-3.1-405B",
    "Qwen3-0.6B": "Qwen/Qwen3-0.6B",
    "Qwen3-1.7B": "Qwen/Qwen3-1.7B",
    "Qwen3-8B": "Qwen/Qwen3-8B",
    "Qwen3-32B": "Qwen/Qwen3-32B",
    "Qwen3-30B-A3B": "Qwen/Qwen3-30B-A3B",
    "Qwen3-235B-A22B": "Qwen/Qwen3-235B-A22B",
    "Qwen3-Coder-480B-A35B": "Qwen/Qwen3-Coder-480B-A35B-Instruct",
    "DeepSeek-V3": "deepseek-ai/DeepSeek-V3",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "gpt-oss-120b": "openai/gpt-oss-120b",
}
"""The shape that the package ships (others it would fetch), by model of the catalog. Llama 3 has the shape of 3.1."""

BACKENDS = ("vllm", "sglang", "trtllm")
"""Serving stacks with kernel times, as the names of our stacks begin (ROCm's have none)."""

BLOCK_FP8 = ("Qwen3", "DeepSeek")
"""Families whose published fp8 checkpoints are scaled by block, as their names begin."""

_MODES: Mapping[str, tuple[str, str]] = {
    "bf16": ("bfloat16", "bfloat16"),
    "fp16": ("bfloat16", "bfloat16"),
    "fp8": ("fp8", "fp8"),
    "fp4": ("nvfp4", "nvfp4"),
    "int4": ("int4_wo", "int4_wo"),
    "mxfp4": ("bfloat16", "w4a16_mxfp4"),
}
"""Kernels of dense layers and of experts by precision; fp16 and bf16 take equally long."""
_CACHE = {"bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8", "int8": "int8"}

TPOT_ERROR, TTFT_ERROR = 0.09, 0.194
"""Median errors over 1,215 public measurements of each (results/validation/silicon.csv, docs/silicon.md)."""

PROMPT = 256
"""Prompts that the token tables are read at [tokens]: short, so that attention is little of them."""
_PROMPT_LIMITS = (2048, 32768)
_FINE_UNTIL = 64
_GROWTH = 1.06


@dataclass(frozen=True)
class _Request:
    """What the package is asked to compile."""

    model_path: str
    system: str
    backend: str
    gemm: str
    moe: str
    cache: str
    tensor_parallel: int
    expert_parallel: int | None


def installed() -> bool:
    """Whether the extra is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def silicon_cost(
    base: StepCost,
    model: Model,
    accelerator: Accelerator,
    deployment: Deployment,
    *,
    typical_context: float = 1024.0,
) -> StepCost:
    """`base`, the mechanistic step cost of the same replica, with step times from measured kernels.

    typical_context: mean context per sequence [tokens], about which attention's time is taken as linear.
    Raises ScenarioError where the extra is not installed, or does not cover the pool.
    """
    request = _request(model, accelerator, deployment)
    if not installed():
        text = '"silicon" needs aiconfigurator-core, which is not installed'
        raise ScenarioError(Fault("cost_model", text, f"{INSTALL}, or {MECHANISTIC}; {_coverage()}"))
    engine = _engine(request)
    context = max(2, round(typical_context))
    try:
        times = _times(engine, len(base.kv_s) - 1, len(base.token_s) - 1, context)
    except Exception as error:  # as in _engine
        raise _uncovered(request, error) from None
    return replace(base, **times, knowledge=_knowledge(base.knowledge, request))


def _request(model: Model, accelerator: Accelerator, d: Deployment) -> _Request:
    """What to ask for. Raises ScenarioError with each thing that no table covers."""
    backend = d.stack.split("-")[0]
    whole = d.pipeline_parallel == 1 and d.attention_data_parallel == 1
    checks = (
        ("accelerator", accelerator.name in SYSTEMS, accelerator.name),
        ("model", model.name in MODELS, model.name),
        ("stack", backend in BACKENDS and "rocm" not in d.stack, d.stack),
        ("precision", _is_native(d.precision, accelerator), f"{d.precision} on {accelerator.name}"),
        ("kv_precision", d.kv_precision in _CACHE, d.kv_precision),
        ("cost_model", whole, "pipeline_parallel or attention_data_parallel above 1"),
    )
    faults = [
        Fault(path, f'no measured kernels ("silicon") for {what}', f"{MECHANISTIC}; {_coverage()}")
        for path, covered, what in checks
        if not covered
    ]
    if faults:
        raise ScenarioError(faults)
    return _Request(
        MODELS[model.name],
        SYSTEMS[accelerator.name],
        backend,
        *_modes(model, d.precision),
        _CACHE[d.kv_precision],
        d.tensor_parallel,
        d.expert_parallel if model.moe else None,
    )


def _is_native(precision: str, accelerator: Accelerator) -> bool:
    """Whether there are kernels, and for the arithmetic that the chip uses (weight-only fp8 has none)."""
    return precision in _MODES and stored_as(number_format(precision), accelerator) == precision


def _modes(model: Model, precision: str) -> tuple[str, str]:
    blocks = precision == "fp8" and model.name.startswith(BLOCK_FP8)
    return ("fp8_block", "fp8_block") if blocks else _MODES[precision]


def _coverage() -> str:
    return f"it covers {', '.join(SYSTEMS)} with {', '.join(MODELS)} on {', '.join(BACKENDS)} stacks"


@lru_cache(maxsize=64)
def _engine(request: _Request) -> Any:
    """The compiled steps. Raises ScenarioError if the system lacks a kernel that they need."""
    from aiconfigurator_core.sdk.engine import EngineHandle  # pyright: ignore[reportMissingImports]

    options: dict[str, Any] = {}
    if request.expert_parallel is not None:
        ep = request.expert_parallel
        options = {"moe_ep_size": ep, "moe_tp_size": request.tensor_parallel // ep}
    try:
        with _quiet():
            engine = EngineHandle.compile(
                request.model_path,
                request.system,
                request.backend,
                tp_size=request.tensor_parallel,
                gemm_quant_mode=request.gemm,
                moe_quant_mode=request.moe,
                kvcache_quant_mode=request.cache,
                fmha_quant_mode="bfloat16",
                **options,
            )
        engine.predict_decode_latency(1, PROMPT)
        engine.predict_prefill_latency(1, PROMPT)
    except Exception as error:  # a kind of the package's own for each table that it lacks
        raise _uncovered(request, error) from None
    return engine


def _uncovered(request: _Request, error: Exception) -> ScenarioError:
    why = str(error).split(" at /")[0].split("\n")[0][:200]
    where = f"{request.model_path} on {request.system} with {request.backend}"
    return ScenarioError(Fault("cost_model", f"no measured kernels for {where}: {why}", MECHANISTIC))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the package's remarks on defaults that do not concern us."""
    log = logging.getLogger(PACKAGE)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def _times(engine: Any, max_batch: int, end: int, context: int) -> dict[str, Any]:
    attention_s = _attention_s(engine, context)
    grid = _grid(end)
    read = np.array([_prompts_s(engine, t) - attention_s * t * min(t, PROMPT) / 2 for t in grid])
    token_s = np.interp(np.arange(end + 1), grid, read)
    last, twice = (max(PROMPT, k * end // PROMPT * PROMPT) for k in (1, 2))
    twice = max(twice, last + PROMPT)
    rise = _prompts_s(engine, twice) - _prompts_s(engine, last)
    beyond = max(0.0, rise / (twice - last) - attention_s * PROMPT / 2)
    sequence_s, kv_s = np.zeros(max_batch + 1), np.zeros(max_batch + 1)
    low, high = max(1, context // 2), 2 * context
    for n in range(1, max_batch + 1):
        short, long = (engine.predict_decode_latency(n, c) / 1e3 for c in (low, high))
        kv_s[n] = min(max(0.0, (long - short) / (n * (high - low))), short / (n * low))
        sequence_s[n] = short - kv_s[n] * n * low - token_s[n]
    kv_s[0] = kv_s[1]
    return {
        "attention_s": attention_s,
        "token_s": token_s,
        "token_s_beyond": beyond,
        "sequence_s": sequence_s,
        "kv_s": kv_s,
    }


def _attention_s(engine: Any, context: int) -> float:
    low, high = _PROMPT_LIMITS
    p = min(max(context, low), high) // PROMPT * PROMPT
    more_s = (
        engine.predict_prefill_latency(1, p) - engine.predict_prefill_latency(p // PROMPT, PROMPT)
    ) / 1e3
    return max(0.0, more_s / (p * p / 2 - p * PROMPT / 2))


def _prompts_s(engine: Any, tokens: int) -> float:
    """Prefill of `tokens` in prompts of PROMPT; above one prompt `tokens` is a multiple of it [s]."""
    count = max(1, tokens // PROMPT)
    return 0.0 if tokens == 0 else engine.predict_prefill_latency(count, min(tokens, PROMPT)) / 1e3


def _grid(end: int) -> list[int]:
    """Numbers of tokens to ask for, from 0 to at least `end`: each at first, then in steps of 6 %."""
    points, t = list(range(_FINE_UNTIL)), float(_FINE_UNTIL)
    while points[-1] < end:
        step = 1 if t < PROMPT else PROMPT
        point = max(points[-1] + 1, round(t / step) * step)
        points.append(point if point <= PROMPT else -(-point // PROMPT) * PROMPT)
        t = max(t * _GROWTH, points[-1] + 1.0)
    return points


def _knowledge(base: Knowledge, request: _Request) -> Knowledge:
    """Kernels are measured; the errors are those of this backend, not of the mechanistic model."""
    note = (
        f"kernel times measured by NVIDIA (aiconfigurator-core, {request.system}, {request.backend}); host time, "
        "memory and energy from the mechanistic model"
    )
    return Knowledge("measured", base.stack, note, tpot_error=TPOT_ERROR, ttft_error=TTFT_ERROR)
