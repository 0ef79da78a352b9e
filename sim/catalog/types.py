"""Typed entries of the catalogs. Plain numbers in SI units; where each came from stands in `provenance`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Confidence = Literal["datasheet", "measured", "press", "estimate", "unverified"]


@dataclass(frozen=True)
class Provenance:
    """Source of one value: a citation, the date it speaks of (ISO, as exact as known), and its confidence."""

    source: str
    date: str
    confidence: Confidence
    note: str = ""


@dataclass(frozen=True)
class Accelerator:
    """One accelerator as its software sees it (one GPU package, one TPU chip, one LPU card).

    peak_flops: dense FLOP/s by arithmetic precision ("fp16", "bf16", "fp8", "int8", "fp4"); a precision that
        the chip has no fast path for is absent.
    memory_bytes: HBM (or SRAM) in bytes; "80 GB" of HBM is 80 GiB = 85.9e9.
    link_bytes_per_s: one-way scale-up bandwidth per accelerator (half of the marketed bidirectional figure).
    domain_size: accelerators that the scale-up link joins.
    scale_out_bytes_per_s: one-way network bandwidth per accelerator beyond the domain.
    tdp_w, idle_w: board power limit, and draw with no model loaded and nothing running.
    price_usd: one accelerator's share of a server's purchase price at `price_date`.
    """

    name: str
    vendor: str
    generation: str
    launch: str
    peak_flops: Mapping[str, float]
    memory_bytes: float
    memory_bytes_per_s: float
    link_bytes_per_s: float
    domain_size: int
    scale_out_bytes_per_s: float
    tdp_w: float
    idle_w: float
    price_usd: float
    price_date: str
    server: str
    aliases: tuple[str, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)

    def peak(self, precision: str) -> float:
        """Dense peak [FLOP/s] at `precision`, falling back to fp16/bf16 where the chip has no faster path."""
        for p in (precision, "bf16", "fp16"):
            if p in self.peak_flops:
                return self.peak_flops[p]
        raise KeyError(precision)


@dataclass(frozen=True)
class Server:
    """A server (or rack-scale system) around accelerators: what it draws and costs beyond them.

    host_power_w: CPUs, NICs, fans and switches of one server at load, without the accelerators.
    psu_efficiency: fraction of wall power that reaches the components.
    price_usd: whole server with its accelerators at `price_date`.
    fan_fraction: fan (or pump) power per watt of accelerator power, so that at load
        wall = ((1 + fan_fraction) x accelerator power + host_power_w) / psu_efficiency.
    """

    name: str
    accelerators: int
    max_power_w: float
    host_power_w: float
    psu_efficiency: float
    price_usd: float
    price_date: str
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    fan_fraction: float = 0.0


@dataclass(frozen=True)
class MixtureOfExperts:
    """Routed experts: `experts` in each MoE layer, `top_k` woken per token, `shared` always on.

    expert_ffn: FFN width of one expert.
    """

    experts: int
    top_k: int
    shared: int
    expert_ffn: int
    dense_layers: int = 0
    """Leading layers that keep a dense FFN of the model's `ffn` width."""
    shared_ffn: int = 0
    """FFN width of one shared expert; 0 means `expert_ffn`."""


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): a layer caches kv_rank + rope_dim."""

    q_rank: int
    kv_rank: int
    rope_dim: int
    nope_dim: int
    v_dim: int


@dataclass(frozen=True)
class RecurrentLayers:
    """Layers with a constant state instead of a KV cache (Mamba and kin)."""

    layers: int
    state_bytes: float
    """State of one sequence in one such layer, read and written each step [bytes]."""
    parameters: float
    """Parameters of one such layer."""


@dataclass(frozen=True)
class Model:
    """Shapes of a transformer, enough to compute its parameters, KV bytes and FLOPs.

    layers: transformer blocks in all. attention_layers: blocks that hold a KV cache (0 means all).
    ffn_matrices: 3 for gated (SwiGLU), 2 for plain. tied: embedding shared with the output head.
    window: sliding-window length of `window_layers` layers (0 = none).
    native_precision: precision of the published checkpoint.
    ffn_layers: blocks that hold an FFN, dense or MoE (0 means all); differs from `layers` in hybrids whose
        blocks are each one thing (attention, FFN, or recurrent).
    """

    name: str
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    ffn_matrices: int = 3
    tied: bool = False
    attention_layers: int = 0
    moe: MixtureOfExperts | None = None
    latent: LatentAttention | None = None
    recurrent: RecurrentLayers | None = None
    window: int = 0
    window_layers: int = 0
    max_context: int = 131072
    native_precision: str = "bf16"
    published_total: float = 0.0
    published_active: float = 0.0
    published_kv_bytes_per_token: float = 0.0
    aliases: tuple[str, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    ffn_layers: int = 0


@dataclass(frozen=True)
class ClientLengths:
    """Token lengths of one class of clients: its share of the requests, probabilities in [0, 1], tokens at each."""

    share: float
    p: tuple[float, ...]
    input_tokens: tuple[float, ...]
    output_tokens: tuple[float, ...]


@dataclass(frozen=True)
class LengthTable:
    """Token lengths of a workload as quantile tables: probabilities in [0, 1] and tokens at each.

    clients: the classes that the requests come from, where these are told apart; the tables are then their mixture's.
    """

    name: str
    input_p: tuple[float, ...]
    input_tokens: tuple[float, ...]
    output_p: tuple[float, ...]
    output_tokens: tuple[float, ...]
    description: str = ""
    clients: tuple[ClientLengths, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)


@dataclass(frozen=True)
class RateShape:
    """A periodic arrival rate relative to its mean: hourly values of mean 1, 24 (a day) or 168 (a week)."""

    name: str
    hourly: tuple[float, ...]
    description: str = ""
    provenance: Mapping[str, Provenance] = field(default_factory=dict)


@dataclass(frozen=True)
class PricePoint:
    """What one accelerator cost to buy on a day [$].

    basis: "card" (the bare part), "server" (its share of a whole server), or "average" (the vendor's average
        selling price over a year).
    """

    accelerator: str
    date: str
    usd: float
    basis: str
    provenance: Provenance


@dataclass(frozen=True)
class RentalPoint:
    """What one accelerator cost to rent on a day [$/h].

    term: "on_demand", "one_year" or "three_year" commitment; "owner" is no offer but the full hourly cost of
        owning, as an analyst assumes it.
    """

    accelerator: str
    date: str
    usd_per_h: float
    vendor: str
    term: str
    provenance: Provenance


@dataclass(frozen=True)
class ApiPrice:
    """List price of a hosted model from `date` on [$ per million tokens]; cached: None if not published."""

    model: str
    vendor: str
    date: str
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_usd_per_mtok: float | None
    provenance: Provenance


@dataclass(frozen=True)
class ElectricityPrice:
    """Average price of electricity to industrial and to commercial customers of a region [$/kWh]."""

    region: str
    industrial_usd_per_kwh: float
    commercial_usd_per_kwh: float
    provenance: Mapping[str, Provenance] = field(default_factory=dict)


@dataclass(frozen=True)
class GridCarbon:
    """Carbon intensity of a grid's electricity, average of a year [g CO2e/kWh].

    hourly: relative intensity by hour of the day, 24 values of mean 1; empty where none is known.
    """

    grid: str
    g_per_kwh: float
    description: str = ""
    aliases: tuple[str, ...] = ()
    hourly: tuple[float, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)


@dataclass(frozen=True)
class SiteOverhead:
    """Power usage effectiveness of an operator's fleet: site power over IT power [1]."""

    operator: str
    pue: float
    provenance: Mapping[str, Provenance] = field(default_factory=dict)


@dataclass(frozen=True)
class TechniqueEffect:
    """What a technique was reported to do to answers, on one benchmark with one model.

    measures: "success" (share of right answers or facts [%]), "error" (share of wrong ones [%]) or "score" (neither).
    before: None where it was not reported.  conditions: the parameters under which.
    """

    metric: str
    benchmark: str
    model: str
    measures: str
    before: float | None
    after: float
    conditions: str
    provenance: Provenance


@dataclass(frozen=True)
class Technique:
    """A technique: its stages and parameters as a scenario would write them (`form`), and its published effects.

    provenance: of its stages; the confidence speaks of their token sizes.
    """

    name: str
    family: str
    about: str
    form: Mapping[str, Any]
    effects: tuple[TechniqueEffect, ...]
    aliases: tuple[str, ...]
    provenance: Provenance
