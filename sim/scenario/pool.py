"""[[pool]]: identical replicas of one model on one kind of accelerator, and how they schedule their work."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from sim.scenario import placement
from sim.scenario.adapters import Adapters
from sim.scenario.fields import UNSET, Count, Fraction, Name, Number, Refusal, Table, Usd, Watts, Whole
from sim.scenario.fleet import SERVERS_PER_RACK, Failures, Maintenance, Scaler, Spot, StartUp
from sim.scenario.job import job_scheduler, makes_jobs
from sim.scenario.names import DEFAULT_STACK, AcceleratorName, ModelName, StackName
from sim.scenario.roles import Role, Transfer
from sim.scenario.show import show
from sim.scenario.spare import Spare
from sim.scenario.speculation import Speculation

Precision = Literal["fp16", "bf16", "fp8", "int8", "fp4", "mxfp4", "int4"]
KvPrecision = Literal["fp16", "bf16", "fp8", "int8", "fp4"]

TOKEN_BUDGET = {"chunked-prefill": 2048, "prefill-first": 8192, "static": 8192}
"""Default `token_budget` by kind: vLLM's max_num_batched_tokens with chunked prefill, and without."""


class Scheduler(Table):
    """How a replica fills its steps."""

    kind: Literal["chunked-prefill", "prefill-first", "static"] = Field(
        default="chunked-prefill",
        description="chunked-prefill: each step decodes every running sequence and fills the rest of the "
        "token budget with prompt chunks (Sarathi-Serve, arXiv 2403.02310; vLLM v1). prefill-first: waiting "
        "prompts run whole, before any decoding (vLLM v0). static: a batch starts together and ends "
        "together.",
    )
    max_batch: Count = Field(
        default=256,
        le=65_536,
        description="Sequences that a replica runs at once, at most.",
        examples=[256],
    )
    token_budget: Count = Field(
        default=UNSET,
        le=4_194_304,
        description="Tokens that one step takes, at most: decoding sequences and prompt tokens together "
        "(chunked-prefill, where it must be at least max_batch), prompt tokens (prefill-first and static, "
        "where a longer prompt runs alone). Default 2048 (chunked-prefill) or 8192.",
        examples=[2048],
    )
    kv_reserve: Literal["prompt", "full"] = Field(
        default="prompt",
        description="KV room that a request must find to be admitted: its prompt's (when the cache runs "
        "full, the latest request is preempted and recomputed later), or its prompt's and its output's "
        "(never preempted).",
    )
    kv_watermark: Fraction = Field(
        default=0.01,
        lt=1,
        description="Share of the KV room that admission leaves free (vLLM's watermark) [1].",
    )
    queue_limit: Count | None = Field(
        default=None,
        description="Requests that may wait at a replica; one that finds more is rejected. Default: no "
        "limit.",
    )

    @field_validator("token_budget", mode="before")
    @classmethod
    def _budget_of_kind(cls, value: object, info: ValidationInfo) -> object:
        return TOKEN_BUDGET[info.data.get("kind", "chunked-prefill")] if value is None else value

    @field_validator("token_budget")
    @classmethod
    def _budget_for_batch(cls, value: int, info: ValidationInfo) -> int:
        batch = info.data.get("max_batch", 0)
        if info.data.get("kind") == "chunked-prefill" and value < batch:
            raise Refusal(
                f"must be at least max_batch = {batch}, so that every running sequence has a "
                f"token in each step; it is {value}",
                "raise token_budget or lower max_batch",
            )
        return value


class PrefixCache(Table):
    """Whether KV blocks outlive the call that computed them, so that a call which begins alike need not."""

    enabled: bool = Field(
        default=True,
        description="Whether it is on: KV blocks of ended calls stay, least recently used first to go, in memory "
        "that no running call needs.",
    )
    block_tokens: Count = Field(
        default=16, le=4096, description="Tokens of a block; only whole blocks are shared.", examples=[16]
    )


def _switch_as_cache(value: object) -> object:
    """`true` and `false` stand for a cache with blocks of the default size."""
    if isinstance(value, bool):
        return {"enabled": value}
    if not isinstance(value, dict | PrefixCache):
        raise Refusal(
            f"must be true, false or a table; given {show(value)}", "for example prefix_cache = true"
        )
    return value


class Pool(Table):
    """Replicas of one model. A replica is tensor_parallel x pipeline_parallel x attention_data_parallel
    accelerators."""

    name: str = Field(
        default="", description='Unique name; default "<accelerator>-<i>", counted from 0.', examples=["h100"]
    )
    accelerator: AcceleratorName = Field(
        description="Accelerator: a name or alias of the accelerator catalog.", examples=["H100-SXM-80GB"]
    )
    model: ModelName = Field(
        description="Model that the replicas serve: a name or alias of the catalogs of models (of images and videos: "
        "`simulate catalog diffusion`).",
        examples=["Llama-3.1-70B"],
    )
    precision: Precision = Field(
        default=UNSET,
        description="Number format of weights and arithmetic. Formats that the accelerator has no fast path "
        "for are stored small and multiplied in 16 bits where kernels for that exist: int8 and int4 "
        "anywhere, fp8 and fp4 on NVIDIA from Ampere on. Default: that of the published checkpoint where "
        "the accelerator can run it, else bf16 or fp16.",
        examples=["fp8"],
    )
    kv_precision: KvPrecision = Field(
        default=UNSET,
        description="Number format of the KV cache. Default: bf16, or fp16 where the accelerator has no "
        "bf16.",
        examples=["fp16"],
    )
    tensor_parallel: Count = Field(
        default=1,
        description="Accelerators that share each layer (and each attention copy); of images and videos, each "
        "sequence of latent tokens.",
        examples=[4],
    )
    pipeline_parallel: Count = Field(default=1, description="Stages that the layers are divided into.")
    attention_data_parallel: Count = Field(
        default=1,
        description="Copies of the attention, each of tensor_parallel accelerators with its own sequences; "
        "the experts are spread over all copies.",
    )
    expert_parallel: Count = Field(
        default=1,
        description="Groups that the routed experts of a stage are divided into; divides tensor_parallel x "
        "attention_data_parallel.",
    )
    replicas: Count = Field(
        default=1, le=1_000_000, description="Replicas at the start of the run.", examples=[8]
    )
    stack: StackName = Field(
        default=DEFAULT_STACK,
        description="Serving software, whose measured overheads and efficiencies apply.",
        examples=["vllm-2025"],
    )
    cost_model: Literal["mechanistic", "silicon"] = Field(
        default="mechanistic",
        description="Where step times come from. mechanistic: shapes, datasheets and calibrated coefficients, "
        "for every accelerator and model. silicon: NVIDIA's measured kernel times, where they cover the pool "
        "(needs pip install 'datacenter-sim[silicon]').",
    )
    memory_fraction: Number = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Share of each accelerator's memory that the serving stack may fill (vLLM's "
        "gpu_memory_utilization; for stacks that reckon it after loading, of what the weights leave) [1].",
    )
    power_cap_w: Watts | None = Field(
        default=None,
        alias="power_cap",
        gt=0,
        description="Power that each accelerator is held to by its clock, all the time [W]; default: its TDP.",
        examples=["500 W"],
    )
    prefix_cache: Annotated[
        PrefixCache, BeforeValidator(_switch_as_cache, json_schema_input_type=PrefixCache | bool)
    ] = Field(
        default=PrefixCache(enabled=False),
        description="Reuse of the KV cache among calls that begin with the same texts: true, false, or a table.",
        examples=[True, {"enabled": True, "block_tokens": 16}],
    )
    adapters: Adapters | None = Field(
        default=None,
        description="Low-rank adapters (LoRA) that share the pool's weights; without it every request is for the model "
        "itself. Pools that serve one model have the same adapters.",
        examples=[{"count": 1000, "rank": 16, "resident": 32}],
    )
    scheduler: Scheduler = Field(
        default_factory=Scheduler,
        description="How a replica fills its steps.",
        examples=[{"kind": "chunked-prefill", "max_batch": 256, "token_budget": 2048}],
    )

    role: Role = Field(
        default=None,
        description="What of a request the replicas do. prefill: they compute the prompt and the first token and hand "
        "the request on; decode: they take it over there; each needs the other for the same model. Default, and both: "
        "everything.",
        json_schema_extra={"enum": ["both", "prefill", "decode"]},
    )
    transfer: Transfer | None = Field(
        default=None,
        description="How a pool that prefills sends the KV cache of a prompt on.",
        examples=[{"latency": "5 ms", "overlap": 0.5}],
    )
    speculation: Speculation | None = Field(
        default=None,
        description="Speculative decoding; default: none.",
        examples=[{"draft": "Llama-3.2-1B", "length": 3, "acceptance": 0.7}],
    )

    region: Name | None = Field(
        default=None,
        description="Region that it stands in. Requests go to the nearest first.",
        examples=["us-east"],
    )
    tier: Whole = Field(
        default=0,
        ge=0,
        le=1000,
        description="Requests go to pools of the lowest tier first, and to others when those are full.",
        examples=[1],
    )
    overflow_above: Count | None = Field(
        default=None,
        le=2**30,
        description="Calls at the replica that would take one: with as many it is offered to the pools of the next "
        "tier or region. Default: max_batch.",
        examples=[64],
    )
    purchase: Literal["own", "reserved", "on-demand", "spot"] | None = Field(
        default=None,
        description="How the pool's accelerators are had. own: bought, paid for all the time. reserved: rented at a "
        "commitment (cost.rent_term, else one year), paid for all the time. on-demand, spot: rented, paid for while "
        "they are on. Default: as cost.basis says.",
        examples=["on-demand"],
    )
    usd_per_accelerator_hour: Usd | None = Field(
        default=None,
        gt=0,
        description="Rent of one of the pool's accelerators, for a purchase other than own [$/h]. Default: the "
        "catalog's on demand; reserved times the ratio of vendors that list both, spot less cost.spot_discount.",
        examples=[2.35],
    )
    spare: Spare | None = Field(
        default=None,
        description="Servers that stand by without a model; they draw power and cost money, and serve nothing.",
        examples=[{"servers": 2, "state": "idle"}],
    )
    startup: StartUp | None = Field(
        default=None,
        description="How long a replica takes to start where one starts in the run; without it, the defaults.",
        examples=[{"node": "3 min", "image": "1 min", "warmup": "60 s"}],
    )
    scaler: Scaler | None = Field(
        default=None,
        description="What switches replicas on and off as demand changes; without it, all are on.",
        examples=[{"policy": "utilization", "min_replicas": 2}],
    )
    failures: Failures | None = Field(
        default=None,
        description="Random failures and repairs; {} for the rates of the sources. Without it, nothing fails.",
        examples=[{"accelerator_mtbf": "50000 h"}],
    )
    maintenance: Maintenance | None = Field(
        default=None,
        description="Rolling maintenance, server by server.",
        examples=[{"every": "7 d", "lasts": "30 min"}],
    )
    spot: Spot | None = Field(
        default=None,
        description="That the capacity may be reclaimed by its owner.",
        examples=[{"reclaims_per_hour": 0.01}],
    )
    servers_per_rack: Count | None = Field(
        default=None,
        description=f"Servers that a rack holds, which fail together [1]. Default {SERVERS_PER_RACK}.",
        examples=[4],
    )

    @property
    def accelerators_per_replica(self) -> int:
        """Accelerators of one replica."""
        return self.tensor_parallel * self.pipeline_parallel * self.attention_data_parallel

    @field_validator("speculation")
    @classmethod
    def _may_speculate(cls, value: Speculation | None, info: ValidationInfo) -> Speculation | None:
        if value is None:
            return None
        scheduler, data = info.data.get("scheduler"), info.data
        if makes_jobs(data.get("model")):
            raise Refusal(f"{data['model']} makes images or videos; only text is drafted", "leave it out")
        if data.get("role") == "prefill":
            raise Refusal("drafts are for decoding", 'set it in the pool with role = "decode"')
        if data.get("cost_model") == "silicon":
            raise Refusal("measured kernels do not cover verification", 'use cost_model = "mechanistic"')
        if scheduler is not None and scheduler.kind == "static":
            raise Refusal("static batches do not speculate", 'use the scheduler "chunked-prefill"')
        if scheduler is not None and scheduler.kind == "chunked-prefill":
            needed = scheduler.max_batch * (value.length + 1)
            if scheduler.token_budget < needed:
                raise Refusal(
                    f"{value.length + 1} tokens for each of max_batch = {scheduler.max_batch} sequences exceed "
                    f"token_budget = {scheduler.token_budget}",
                    f"raise token_budget to {needed}, or lower max_batch",
                )
        if data.get("pipeline_parallel", 1) > 1:
            raise Refusal("drafts do not go through pipeline stages", "use tensor_parallel")
        placement.check_draft(value.draft, data.get("model"))
        return value

    @field_validator("usd_per_accelerator_hour")
    @classmethod
    def _is_rented(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("purchase") in (None, "own"):
            raise Refusal(
                "is the rent of a pool that is rented", 'give purchase = "on-demand", "reserved" or "spot"'
            )
        return value

    @field_validator("scheduler", mode="before")
    @classmethod
    def _scheduler_of_jobs(cls, value: object, info: ValidationInfo) -> object:
        return job_scheduler(value, info.data.get("model"), Scheduler())

    @field_validator("precision", mode="before")
    @classmethod
    def _native_precision(cls, value: object, info: ValidationInfo) -> object:
        names = info.data.get("accelerator"), info.data.get("model")
        return placement.default_precision(*names) if value is None else value

    @field_validator("kv_precision", mode="before")
    @classmethod
    def _sixteen_bit_cache(cls, value: object, info: ValidationInfo) -> object:
        return placement.default_16_bit(info.data.get("accelerator")) if value is None else value

    @field_validator("precision")
    @classmethod
    def _runnable_precision(cls, value: str, info: ValidationInfo) -> str:
        return placement.runnable_precision(value, info.data.get("accelerator"))

    @field_validator("kv_precision")
    @classmethod
    def _storable_cache(cls, value: str, info: ValidationInfo) -> str:
        return placement.storable_cache(value, info.data.get("accelerator"))

    @field_validator("tensor_parallel")
    @classmethod
    def _divides_heads(cls, value: int, info: ValidationInfo) -> int:
        placement.check_tensor_parallel(value, info.data.get("accelerator"), info.data.get("model"))
        return value

    @field_validator("pipeline_parallel")
    @classmethod
    def _has_layers(cls, value: int, info: ValidationInfo) -> int:
        placement.check_pipeline_parallel(value, info.data.get("model"))
        return value

    @field_validator("expert_parallel")
    @classmethod
    def _divides_experts(cls, value: int, info: ValidationInfo) -> int:
        group = info.data.get("tensor_parallel", 0) * info.data.get("attention_data_parallel", 0)
        placement.check_expert_parallel(value, group, info.data.get("model"))
        return value
