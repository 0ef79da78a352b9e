"""What a workload's clients do when they must wait or are turned away, and what they may ask at most."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from sim.scenario.fields import Count, NotNegative, Positive, Refusal, Seconds, Table


class Retry(Table):
    """A client that is turned away, or that gave up waiting, asks again."""

    attempts: Count = Field(
        default=3, le=1000, description="Times that a client asks in all, at most.", examples=[3]
    )
    backoff_s: Seconds = Field(
        default=1.0,
        alias="backoff",
        gt=0,
        description="Mean pause before the second attempt [s]; before each further one it doubles. A pause is "
        "spread evenly from half to one and a half times its mean.",
        examples=["1 s"],
    )


class Limit(Table):
    """What one tenant may ask; more is turned away."""

    rate_per_s: Positive | None = Field(
        default=None, description="Requests that it may send in the long run [requests/s].", examples=[50]
    )
    burst: Count = Field(
        default=1,
        description="Requests that it may send at once after a pause, where rate_per_s is given [1].",
        examples=[100],
    )
    in_flight: Count | None = Field(
        default=None, description="Its requests that may wait or run at once.", examples=[500]
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        if self.rate_per_s is None and self.burst > 1:
            raise Refusal("gives burst without a rate that it is a burst of", "give rate_per_s too")
        if self.rate_per_s is None and self.in_flight is None:
            raise Refusal("limits nothing", "give rate_per_s, in_flight or both")
        return self


class Spill(Table):
    """Another service, of endless capacity, that takes the requests for which there is no room here."""

    above: Count = Field(
        default=1,
        description="Calls of its own or a higher priority waiting at the replica that would take a request: with as "
        "many it is sent away; also where no replica is open, and where its prompt and answer exceed the replica's "
        "KV room.",
        examples=[8],
    )
    ttft_s: Seconds = Field(
        default=0.5, alias="ttft", ge=0, description="Time to the first token there [s].", examples=["600 ms"]
    )
    tpot_s: Seconds = Field(
        default=0.02, alias="tpot", ge=0, description="Time per output token there [s].", examples=["15 ms"]
    )
    usd_per_mtok_input: NotNegative = Field(
        description="Its price of a million prompt tokens [$/Mtok].", examples=[0.88]
    )
    usd_per_mtok_output: NotNegative = Field(
        description="Its price of a million output tokens [$/Mtok].", examples=[0.88]
    )


class Link(Table):
    """The way between two regions."""

    between: tuple[str, str] = Field(description="Names of two regions.", examples=[["us-east", "eu-west"]])
    round_trip_s: Seconds = Field(
        alias="round_trip", ge=0, description="Time there and back [s].", examples=["80 ms"]
    )

    @field_validator("between")
    @classmethod
    def _two(cls, value: tuple[str, str]) -> tuple[str, str]:
        if value[0] == value[1]:
            raise Refusal(f'"{value[0]}" is one region; a link joins two')
        return value
