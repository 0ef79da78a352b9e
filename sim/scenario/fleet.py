"""What changes a pool while it runs: `startup`, `scaler`, `failures`, `maintenance` and `spot` of a [[pool]], and
[[event]]."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from sim.scenario.fields import (
    UNSET,
    Count,
    NotNegative,
    Number,
    Positive,
    Refusal,
    Seconds,
    Table,
    Whole,
)
from sim.scenario.rate import HOURS
from sim.scenario.show import show

HOUR_S = 3600.0
SERVERS_PER_RACK = 4
"""Servers of eight air-cooled accelerators in a rack of about 40 kW (estimate)."""

What = Literal["replica", "node", "rack"]


class StartUp(Table):
    """What a replica takes from being wanted to being open: node, image, weights and warm-up, one after the other.
    After a repair or maintenance only the last two."""

    node_s: Seconds = Field(
        default=0.0,
        alias="node",
        ge=0,
        description="Until the server is there [s]. Default 0: it is owned and on. Clouds take 2 to 8 minutes for a "
        "server with GPUs (practitioners' reports of 2025; unverified).",
        examples=["5 min"],
    )
    image_s: Seconds = Field(
        default=0.0,
        alias="image",
        ge=0,
        description="Pulling the container image [s]. Default 0: it is on the server. 10 to 20 GB take 1 to 3 minutes "
        "from a registry (practitioners' reports of 2026; unverified).",
        examples=["2 min"],
    )
    storage_gb_per_s: Positive = Field(
        default=1.5,
        description="Rate at which a replica reads its weights [GB/s]. Default 1.5: 130 GB of Llama-2-70B in 84 s with "
        "a stock loader (ServerlessLLM, arXiv 2401.14351; second hand). Run:ai's benchmark (2024-10-29, 16 GB, "
        "A10G) has 0.3 for Safetensors on a GP3 SSD and 2.1 for its streamer on an IO2 SSD.",
        examples=[1.5],
    )
    weights_s: Seconds | None = Field(
        default=None,
        alias="weights",
        ge=0,
        description="Loading the weights [s]. Default: the bytes of all the replica's accelerators at "
        "storage_gb_per_s.",
        examples=["90 s"],
    )
    warmup_s: Seconds = Field(
        default=60.0,
        alias="warmup",
        ge=0,
        description="Start of the engine: imports, compilation, CUDA graphs [s]. Default 60: Llama-3.1-8B on an L40S "
        "takes 64 s with compilation cached and 200 s without (tensorfuse, vLLM, 2025; one report).",
        examples=["60 s"],
    )


def _schedule(value: object) -> tuple[int, ...]:
    given: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple) else (value,)
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in given) or len(given) not in HOURS:
        raise Refusal(
            f"must be replicas by hour, 24 whole numbers (of a day) or 168 (of a week); given {show(value)}"
        )
    return given


class Scaler(Table):
    """Decides at every `period` how many replicas a pool is to have, between `min_replicas` and the pool's `replicas`,
    which are all open at the start. More are started at once. Fewer are kept when no decision of the last
    `stabilization` asked for more; the others leave the router, finish what they hold, and are switched off."""

    policy: Literal["queue", "utilization", "scheduled", "forecast"] = Field(
        description="queue: as many more as would hold what waits, where more than `waiting` calls wait per replica; "
        "one fewer where less than half of it waits. utilization: calls in the pool over calls_per_replica. "
        "scheduled: `schedule`, ahead by the time of a start. forecast: the rate that calls had one `season` before "
        "the time at which a new replica would be ready, scaled by the rate now against that one season ago (before "
        "the first season is over, the present rate and its trend), and the present rate at least, over "
        "calls_per_s."
    )
    min_replicas: Whole = Field(default=1, ge=0, description="The fewest replicas.", examples=[2])
    period_s: Seconds = Field(
        default=15.0,
        alias="period",
        ge=1,
        description="Time between two decisions [s]. Default 15: Kubernetes' --horizontal-pod-autoscaler-sync-period.",
        examples=["15 s"],
    )
    stabilization_s: Seconds = Field(
        default=300.0,
        alias="stabilization",
        ge=0,
        description="Time over which the highest count that was asked for holds against fewer [s]. Default 300: "
        "that of scaleDown in Kubernetes' HorizontalPodAutoscaler v2.",
        examples=["5 min"],
    )
    min_up_s: Seconds = Field(
        default=0.0,
        alias="min_up",
        ge=0,
        description="A replica stays open at least this long [s].",
        examples=["30 min"],
    )
    load: Number = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Share that a replica is meant to serve of the most that its mean step holds within the tightest "
        "TPOT target (at saturation, without one); calls_per_replica and calls_per_s follow from it [1].",
        examples=[0.7],
    )
    calls_per_replica: Positive | None = Field(
        default=None,
        description="Calls, waiting and running, that a replica is meant to hold [1]: queue, utilization. Default: "
        "the batch at which it serves `load`.",
        examples=[60],
    )
    calls_per_s: Positive | None = Field(
        default=None,
        description="Rate that a replica is meant to serve: forecast [calls/s]. Default: that of `load`.",
        examples=[8],
    )
    waiting: Positive = Field(
        default=1.0,
        description="Waiting calls per replica above which the policy queue starts more.",
        examples=[1],
    )
    schedule: Annotated[tuple[int, ...], BeforeValidator(_schedule)] | None = Field(
        default=None,
        description="Replicas by hour of the day (24) or week (168), for the policy scheduled.",
        examples=[[2] * 8 + [6] * 12 + [4] * 4],
    )
    start_hour: Number | None = Field(
        default=None,
        ge=0,
        lt=168,
        description="Hour of the schedule at which the run begins [h]. Default: that of site.start, weeks from Monday.",
        examples=[9],
    )
    season_s: Seconds = Field(
        default=86_400.0,
        alias="season",
        gt=0,
        description="Time after which demand is taken to repeat, for the policy forecast [s].",
        examples=["1 d", "7 d"],
    )
    rate_window_s: Seconds = Field(
        default=300.0,
        alias="rate_window",
        gt=0,
        description="Time over which the policy forecast measures a rate [s].",
        examples=["5 min"],
    )

    @field_validator("schedule")
    @classmethod
    def _needed(cls, value: object, info: ValidationInfo) -> object:
        if info.data.get("policy") == "scheduled" and value is None:
            raise Refusal('is required by policy = "scheduled"', "give replicas by hour, 24 or 168")
        return value


class Failures(Table):
    """Independent failures of accelerators, servers and racks, at exponential times on and off alike, each with a
    lognormal repair; what they touch loses its calls, which begin anew elsewhere."""

    accelerator_mtbf_s: Seconds = Field(
        default=86_300 * HOUR_S,
        alias="accelerator_mtbf",
        ge=0,
        description="Mean time between failures of one accelerator [s]; 0: it never fails. Default 86,300 h: 58.7 % of "
        "419 unexpected interruptions in 54 days on 16,384 H100 (Llama 3, arXiv 2407.21783).",
        examples=["86300 h"],
    )
    accelerator_repair_s: Seconds = Field(
        default=12 * HOUR_S,
        alias="accelerator_repair",
        gt=0,
        description="Mean time to repair it [s]. Default 12 h (estimate: most need a reset, some a new part).",
        examples=["12 h"],
    )
    node_mtbf_s: Seconds = Field(
        default=15_300 * HOUR_S,
        alias="node_mtbf",
        ge=0,
        description="Mean time between failures of a server, beside its accelerators [s]; 0: it never fails. Default "
        "15,300 h: the other 41.3 % of those interruptions, on 2,048 servers; some were of training software.",
        examples=["15300 h"],
    )
    node_repair_s: Seconds = Field(
        default=6 * HOUR_S,
        alias="node_repair",
        gt=0,
        description="Mean time to repair it [s]. Default 6 h (estimate).",
        examples=["6 h"],
    )
    rack_mtbf_s: Seconds = Field(
        default=19_700 * HOUR_S,
        alias="rack_mtbf",
        ge=0,
        description="Mean time between failures of a rack: its switch or power [s]; 0: it never fails. Default "
        "19,700 h: 20 rack failures in the first year of 1,800 servers, 40 to a rack (J. Dean, Google I/O 2008; "
        "old, of another kind of rack).",
        examples=["19700 h"],
    )
    rack_repair_s: Seconds = Field(
        default=3.5 * HOUR_S,
        alias="rack_repair",
        gt=0,
        description="Mean time to repair it [s]. Default 3.5 h: 1 to 6 h (J. Dean, 2009).",
        examples=["3.5 h"],
    )
    repair_cv: NotNegative = Field(
        default=1.5,
        description="Coefficient of variation of every repair time [1]. Default 1.5 (estimate).",
        examples=[1.5],
    )


class Maintenance(Table):
    """Rolling maintenance: at every `every`, server by server, `at_once` at a time; each is drained first."""

    every_s: Seconds = Field(alias="every", gt=0, description="Time between rounds [s].", examples=["7 d"])
    lasts_s: Seconds = Field(
        alias="lasts", gt=0, description="Time that the work on a server takes [s].", examples=["30 min"]
    )
    first_s: Seconds = Field(
        default=UNSET,
        alias="first",
        ge=0,
        description="When the first round begins [s]. Default: after `every`.",
        examples=["2 h"],
    )
    at_once: Count = Field(default=1, description="Servers at a time, of each cell.", examples=[1])
    drain_s: Seconds = Field(
        default=600.0,
        alias="drain",
        ge=0,
        description="Time that calls have to end before they are moved [s].",
        examples=["10 min"],
    )

    @field_validator("first_s", mode="before")
    @classmethod
    def _after_one_interval(cls, value: object, info: ValidationInfo) -> object:
        return info.data.get("every_s", 0.0) if value is None else value


class Spot(Table):
    """Capacity that its owner reclaims, server by server: a notice in which calls may end, then it is gone, until there
    is capacity again and the replica starts from nothing."""

    reclaims_per_hour: Positive = Field(
        description="Mean reclaims of one server in an hour [1/h]. AWS's Spot Instance Advisor had 5 to 10 % of A100 "
        "and 10 to 20 % of H100 servers reclaimed in a month (thundercompute.com, 2025-05-01; unverified), 7e-5 to "
        "3e-4 per hour; scarce zones see far more.",
        examples=[0.01],
    )
    notice_s: Seconds = Field(
        default=120.0,
        alias="notice",
        ge=0,
        description="Warning before it is gone [s]. Default 120 (AWS); Google Cloud and Azure give 30.",
        examples=["2 min"],
    )
    returns_s: Seconds = Field(
        default=HOUR_S,
        alias="returns",
        gt=0,
        description="Mean time until there is capacity again, exponential [s]. Default 1 h (estimate).",
        examples=["1 h"],
    )


class Event(Table):
    """One outage at a given time."""

    at_s: Seconds = Field(alias="at", ge=0, description="When it happens [s].", examples=["20 h"])
    pool: str = Field(description="Name of the pool.", examples=["h100"])
    what: What = Field(description="What fails: all replicas that touch it lose their calls.")
    number: Whole = Field(
        default=0, ge=0, description="Which one, counted from 0 through all cells.", examples=[0]
    )
    lasts_s: Seconds = Field(
        alias="for", gt=0, description="Until it is repaired; then replicas start.", examples=["2 h"]
    )
    notice_s: Seconds = Field(
        default=0.0,
        alias="notice",
        ge=0,
        description="Warning before it [s], in which the router sends no more calls there.",
        examples=["2 min"],
    )
