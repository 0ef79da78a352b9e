"""[[workload]]: who asks what of which model, and what they expect."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from sim.scenario.arrivals import Arrivals, TraceArrivals
from sim.scenario.client import Limit, Retry, Spill
from sim.scenario.fields import UNSET, Count, Name, Refusal, Seconds, Table, Whole, name_or_kind
from sim.scenario.job import Job, completed_job, job_lengths, makes_jobs
from sim.scenario.lengths import (
    FixedLengths,
    LognormalLengths,
    MixLengths,
    QuantileLengths,
    TraceLengths,
    UniformLengths,
)
from sim.scenario.mitigation import NONE as NO_TECHNIQUE
from sim.scenario.mitigation import AnyMitigation, Mitigation
from sim.scenario.names import ModelName, length_table_name
from sim.scenario.session import Session

FROM_TRACE = "trace"
"""Value of `lengths` that takes each request's lengths from the row of the trace that it arrives with."""

Lengths = Annotated[
    Annotated[str, Tag("name")]
    | Annotated[FixedLengths, Tag("fixed")]
    | Annotated[UniformLengths, Tag("uniform")]
    | Annotated[LognormalLengths, Tag("lognormal")]
    | Annotated[QuantileLengths, Tag("quantiles")]
    | Annotated[TraceLengths, Tag("trace")]
    | Annotated[MixLengths, Tag("mix")],
    Discriminator(name_or_kind),
]


class Slo(Table):
    """Latency targets; a request attains the objective when it meets every one that is given."""

    ttft_s: Seconds | None = Field(
        default=None, alias="ttft", gt=0, description="Time to first token at most [s].", examples=["1 s"]
    )
    tpot_s: Seconds | None = Field(
        default=None,
        alias="tpot",
        gt=0,
        description="Time per output token after the first, averaged over the request, at most [s].",
        examples=["50 ms"],
    )
    e2e_s: Seconds | None = Field(
        default=None,
        alias="e2e",
        gt=0,
        description="Time from arrival to last token at most [s].",
        examples=["30 s"],
    )


class Workload(Table):
    """A stream of requests to one model."""

    name: str = Field(
        default="", description='Unique name; default "workload-<i>", counted from 0.', examples=["chat"]
    )
    model: ModelName = Field(
        description="Model that the requests are for: a name or alias of the model catalog.",
        examples=["Llama-3.1-70B"],
    )
    arrivals: Annotated[Arrivals, Field(discriminator="process")] = Field(
        description="How requests arrive, by `process`.",
        examples=[{"process": "poisson", "rate_per_s": 40}],
    )
    job: Job | None = Field(
        default=None,
        description="What each request makes, where the model makes images or videos; what is left out is the "
        "publisher's choice. Its latency is that of the whole image: there is no first token before the last step.",
    )
    lengths: Lengths = Field(
        default=UNSET,
        description='Prompt and generated tokens of a request: a name of the workload catalog; "trace", the '
        "lengths recorded with the arrivals (default where arrivals come from a trace, only possible there); "
        "or a table with a `kind`. Required unless arrivals come from a trace or the requests are jobs.",
        examples=["azure-2023-conversation", {"kind": "fixed", "input": 1024, "output": 256}],
    )
    mitigation: AnyMitigation = Field(
        default_factory=Mitigation,
        description='How a request is answered: "none", one pass; the name of a technique (`simulate catalog '
        "techniques`, or a [[technique]]); or a table with the technique, its parameters and models for its roles.",
        examples=[
            "chain-of-verification",
            {"technique": "best-of-n", "samples": 16, "models": {"reward": "Llama-3.1-8B"}},
        ],
    )
    session: Session | None = Field(
        default=None,
        description="Makes each arrival a conversation of several turns, each a request; without it, an arrival is "
        "one request.",
        examples=[
            {
                "turns": {"kind": "geometric", "mean": 3.5},
                "think": {"mean": "1 min", "cv": 1.5},
                "question": {"mean": 70, "cv": 1},
            }
        ],
    )
    slo: Slo = Field(
        default_factory=Slo,
        description="Latency targets, each optional.",
        examples=[{"ttft": "1 s", "tpot": "50 ms"}],
    )
    priority: Whole = Field(
        default=0,
        ge=-1000,
        le=1000,
        description="Calls of a higher priority go first: they are before others in a replica's queue, and where there "
        "is no place or KV room for one, calls of a lower priority that decode are sent back to the queue, to be "
        "recomputed (not where the scheduler reserves KV in full).",
        examples=[1],
    )
    admit_below: Count | None = Field(
        default=None,
        le=2**30,
        description="Calls running at a replica; a call of this workload waits while there are as many, so that "
        "others keep short steps. Only for a workload of a lower priority than the others of its model. Default: no "
        "limit.",
        examples=[32],
    )
    queue_limit: Count | None = Field(
        default=None,
        le=2**30,
        description="Calls of its own or a higher priority that may wait at a replica; one of this workload that "
        "finds as many is rejected. Default: the scheduler's.",
        examples=[20],
    )
    patience_s: Seconds | None = Field(
        default=None,
        alias="patience",
        gt=0,
        description="Time after which the client of a call that still waits for its first admission gives up [s]. "
        "Default: none does.",
        examples=["10 s"],
    )
    retry: Retry | None = Field(
        default=None,
        description="How clients ask again. Default: they do not.",
        examples=[{"attempts": 3, "backoff": "1 s"}],
    )
    limit: Limit | None = Field(
        default=None,
        description="What the workload, as one tenant, may ask. Default: anything.",
        examples=[{"rate_per_s": 50, "burst": 100}],
    )
    spill: Spill | None = Field(
        default=None,
        description="Another service that takes what finds no room. Default: none.",
        examples=[{"above": 8, "usd_per_mtok_input": 0.88, "usd_per_mtok_output": 0.88}],
    )
    region: Name | None = Field(
        default=None,
        description="Region of its users; the way to a pool in another adds the round trip of a [[link]].",
        examples=["eu-west"],
    )

    @property
    def is_plain(self) -> bool:
        """Whether a request is one call that nothing follows."""
        return self.mitigation.technique == NO_TECHNIQUE and self.session is None

    @field_validator("job", mode="before")
    @classmethod
    def _complete_job(cls, value: object, info: ValidationInfo) -> object:
        return completed_job(value, info.data.get("model"))

    @field_validator("lengths", mode="before")
    @classmethod
    def _lengths_of_arrivals(cls, value: object, info: ValidationInfo) -> object:
        if makes_jobs(info.data.get("model")):
            return job_lengths(value, info.data.get("job"), info.data.get("model"))
        arrivals = info.data.get("arrivals")
        if value is None and (arrivals is None or isinstance(arrivals, TraceArrivals)):
            return FROM_TRACE
        if value is None:
            raise Refusal("is required", 'for example lengths = "azure-2023-conversation"')
        return value

    @field_validator("lengths")
    @classmethod
    def _known_lengths(cls, value: Lengths, info: ValidationInfo) -> Lengths:
        if not isinstance(value, str):
            return value
        if value != FROM_TRACE:
            return length_table_name(value)
        if not isinstance(info.data.get("arrivals", UNSET), TraceArrivals | None):
            process = info.data["arrivals"].process
            raise Refusal(
                f'"trace" takes the lengths recorded with the arrivals, but these are "{process}"',
                'for lengths drawn from a file: lengths = { kind = "trace", path = "..." }',
            )
        return value
