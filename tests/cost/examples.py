"""Chips and models with published shapes, typed here so that tests of costs do not lean on the catalog."""

from __future__ import annotations

from sim.catalog.types import Accelerator, LatentAttention, MixtureOfExperts, Model, RecurrentLayers

GIB = 2**30

H100 = Accelerator(
    name="H100-SXM-80GB",
    vendor="NVIDIA",
    generation="hopper",
    launch="2022-09",
    peak_flops={"fp16": 989e12, "bf16": 989e12, "fp8": 1979e12, "int8": 1979e12},
    memory_bytes=80 * GIB,
    memory_bytes_per_s=3.35e12,
    link_bytes_per_s=450e9,
    domain_size=8,
    scale_out_bytes_per_s=50e9,
    tdp_w=700.0,
    idle_w=70.0,
    price_usd=30000.0,
    price_date="2024-07",
    server="HGX-H100",
)
A100 = Accelerator(
    name="A100-SXM-40GB",
    vendor="NVIDIA",
    generation="ampere",
    launch="2020-05",
    peak_flops={"fp16": 312e12, "bf16": 312e12, "int8": 624e12},
    memory_bytes=40 * GIB,
    memory_bytes_per_s=1.555e12,
    link_bytes_per_s=300e9,
    domain_size=8,
    scale_out_bytes_per_s=25e9,
    tdp_w=400.0,
    idle_w=55.0,
    price_usd=15000.0,
    price_date="2022-01",
    server="DGX-A100",
)
LLAMA_70B = Model(
    name="Llama-3.1-70B",
    family="llama",
    layers=80,
    hidden=8192,
    heads=64,
    kv_heads=8,
    head_dim=128,
    ffn=28672,
    vocab=128256,
)
LLAMA_8B = Model(
    name="Llama-3.1-8B",
    family="llama",
    layers=32,
    hidden=4096,
    heads=32,
    kv_heads=8,
    head_dim=128,
    ffn=14336,
    vocab=128256,
)
MIXTRAL = Model(
    name="Mixtral-8x7B",
    family="mixtral",
    layers=32,
    hidden=4096,
    heads=32,
    kv_heads=8,
    head_dim=128,
    ffn=14336,
    vocab=32000,
    moe=MixtureOfExperts(experts=8, top_k=2, shared=0, expert_ffn=14336),
)
DEEPSEEK_V3 = Model(
    name="DeepSeek-V3",
    family="deepseek",
    layers=61,
    hidden=7168,
    heads=128,
    kv_heads=128,
    head_dim=128,
    ffn=18432,
    vocab=129280,
    moe=MixtureOfExperts(experts=256, top_k=8, shared=1, expert_ffn=2048, dense_layers=3),
    latent=LatentAttention(q_rank=1536, kv_rank=512, rope_dim=64, nope_dim=128, v_dim=128),
    native_precision="fp8",
)
GPT_OSS_120B = Model(
    name="gpt-oss-120b",
    family="gpt-oss",
    layers=36,
    hidden=2880,
    heads=64,
    kv_heads=8,
    head_dim=64,
    ffn=2880,
    vocab=201088,
    moe=MixtureOfExperts(experts=128, top_k=4, shared=0, expert_ffn=2880),
    window=128,
    window_layers=18,
    native_precision="mxfp4",
)
FALCON_7B = Model(
    name="Falcon-7B",
    family="falcon",
    layers=32,
    hidden=4544,
    heads=71,
    kv_heads=1,
    head_dim=64,
    ffn=18176,
    vocab=65024,
    ffn_matrices=2,
    tied=True,
)
HYBRID = Model(
    name="hybrid",
    family="made-up",
    layers=40,
    hidden=4096,
    heads=32,
    kv_heads=8,
    head_dim=128,
    ffn=12288,
    vocab=131072,
    attention_layers=8,
    recurrent=RecurrentLayers(layers=32, state_bytes=2e6, parameters=60e6),
)
