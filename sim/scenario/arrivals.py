"""How requests arrive: the tables that `arrivals = { process = ... }` can be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.fields import Count, Number, Positive, Seconds, Table
from sim.scenario.rate import SHAPE_HELP, Modulated, Shape
from sim.scenario.trace_file import FORMAT_HELP, TraceFormat, TracePath

RatePerS = Annotated[
    Positive,
    Field(
        description="Mean rate of arrivals [requests/s], before growth, ramp and surges.",
        examples=[40],
    ),
]


class PoissonArrivals(Modulated):
    """Independent arrivals: exponential gaps."""

    process: Literal["poisson"]
    rate_per_s: RatePerS


class GammaArrivals(Modulated):
    """Gamma-distributed gaps: burstier than Poisson where cv > 1, steadier where cv < 1."""

    process: Literal["gamma"]
    rate_per_s: RatePerS
    cv: Positive = Field(
        description="Coefficient of variation of the gaps between arrivals: standard deviation over mean "
        "[1].",
        examples=[2.0],
    )


class WeibullArrivals(Modulated):
    """Weibull-distributed gaps: burstier than Poisson where cv > 1, steadier where cv < 1."""

    process: Literal["weibull"]
    rate_per_s: RatePerS
    cv: Annotated[Number, Field(ge=0.01, le=100)] = Field(
        description="Coefficient of variation of the gaps between arrivals: standard deviation over mean "
        "[1]. A Weibull shape k has cv^2 = G(1 + 2/k) / G(1 + 1/k)^2 - 1: k = 0.5 is 2.24, k = 0.7 is 1.46.",
        examples=[2.0],
    )


class DeterministicArrivals(Modulated):
    """Equal gaps."""

    process: Literal["deterministic"]
    rate_per_s: RatePerS


class ClosedArrivals(Table):
    """A fixed number of clients; each sends its next request a think time after the last answer ends."""

    process: Literal["closed"]
    clients: Count = Field(description="Clients, each with at most one request in flight.", examples=[64])
    think_s: Seconds = Field(
        default=0.0,
        alias="think",
        ge=0,
        description="Pause of a client between an answer and its next request [s].",
        examples=["2 s"],
    )
    requests: Count | None = Field(
        default=None,
        description="Requests in all, over all clients; without it, the duration alone ends them.",
    )


class UserArrivals(Modulated):
    """Requests of a population of users, as a Poisson process whose rate follows the hour."""

    process: Literal["users"]
    users: Positive = Field(description="Active users.", examples=[100_000])
    requests_per_user_per_day: Positive = Field(
        description="Mean requests that one user sends in a day [1/day].", examples=[3.7]
    )
    shape: Shape | None = Field(default="flat", description=SHAPE_HELP, examples=["flat"])


class TraceArrivals(Table):
    """Arrivals (and, unless said otherwise, token lengths) as recorded in a file."""

    process: Literal["trace"]
    path: TracePath = Field(
        description="Trace file, plain or gzipped; relative paths start at the scenario's folder."
    )
    rate_scale: Positive = Field(
        default=1.0, description="Arrivals per second relative to the recording: 2 halves every gap [1]."
    )
    repeat: Count = Field(default=1, description="Times that the recording is played, end to end.")
    format: TraceFormat = Field(default="auto", description=FORMAT_HELP)


class BurstArrivals(Table):
    """Everything at time 0: an offline batch."""

    process: Literal["all-at-once"]
    requests: Count = Field(description="Requests, all present at time 0.", examples=[1000])


Arrivals = (
    PoissonArrivals
    | GammaArrivals
    | WeibullArrivals
    | DeterministicArrivals
    | ClosedArrivals
    | UserArrivals
    | TraceArrivals
    | BurstArrivals
)
