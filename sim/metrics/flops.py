"""FLOPs that the models computed: matrix products per token, and attention per token of context."""

from __future__ import annotations

from sim.catalog.models import model
from sim.catalog.shapes import attention_flops_per_context_token, flops_per_token
from sim.engine import state as S
from sim.metrics.jobs import job_flops
from sim.metrics.observed import Observed
from sim.scenario.job import makes_jobs


def flops_section(observed: Observed) -> dict[str, float]:
    """FLOPs of prefill and of decoding in the span, all pools; recomputation included.

    prefill = prefilled tokens x f + pairs x a;  decode = decoded tokens x f + KV tokens read x a, with f and a of
    `sim.catalog.shapes`.
    Layers with a sliding window are counted as if they read the whole context. Of images and videos prefill is encoding
    and decoding, decode the denoising.
    """
    prefill = decode = 0.0
    for i, (pool, columns) in enumerate(zip(observed.scenario.pools, observed.pool_columns, strict=True)):
        if makes_jobs(pool.model):
            around, denoising = job_flops(observed, i)
            prefill, decode = prefill + around, decode + denoising
            continue
        shapes = model(pool.model)
        each, pair = flops_per_token(shapes), attention_flops_per_context_token(shapes)
        prefill += float(columns[S.PREFILLED]) * each + float(columns[S.PAIRS]) * pair
        decode += float(columns[S.DECODED]) * each + float(columns[S.READ_KV]) * pair
    return {"prefill": prefill, "decode": decode}
