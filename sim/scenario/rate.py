"""How a rate of arrivals changes over a run: shape of the day or week, growth, ramp and surges, multiplied.

    rate(t) = mean rate x shape(start hour + t) x growth(t) x ramp(t) x surge_1(t) x surge_2(t) x ...

The mean rate is that of the shape alone: growth is 1 at the start, a ramp is in multiples of it, a surge is 1 outside
its time. `sim.workload.rate` states each factor and integrates the product.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from sim.scenario.fields import Number, Refusal, Seconds, Table, is_number
from sim.scenario.names import shape_name
from sim.scenario.show import show

FLAT = "flat"
HOURS = (24, 168)
_Any = TypeVar("_Any")


def _shape(value: object) -> str | tuple[float, ...]:
    """A catalog name, or relative rates by hour of the day or of the week."""
    if isinstance(value, str):
        return shape_name(value)
    if not isinstance(value, list | tuple):
        raise Refusal(
            f"must be the name of a shape, or a list of 24 or 168 relative rates; given {show(value)}"
        )
    rates = tuple(value)
    for rate in rates:
        if not is_number(rate) or rate < 0:
            raise Refusal(f"relative rates must be numbers from 0 up; given {show(rate)}")
    if len(rates) not in HOURS:
        raise Refusal(f"needs 24 relative rates (hours of a day) or 168 (of a week); given {len(rates)}")
    if sum(rates) <= 0:
        raise Refusal("at least one relative rate must be above 0; all are 0")
    return tuple(float(r) for r in rates)


Shape = Annotated[
    str | tuple[float, ...],
    BeforeValidator(_shape),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number", "minimum": 0}}]}
    ),
]

SHAPE_HELP = (
    "Relative rate by hour: a shape of the catalog, or a list of 24 (day) or 168 (week, from Monday 0 h) numbers, of "
    "which only the proportions count."
)
ShareOfGrowth = Annotated[Number, Field(gt=-1)]


class Growth(Table):
    """Compound growth of the rate over the run: by a share of itself each month, or each year of 365.25 days."""

    per_month: ShareOfGrowth | None = Field(
        default=None, description="Growth in a month (a twelfth of a year) [1].", examples=[0.05]
    )
    per_year: ShareOfGrowth | None = Field(default=None, description="Growth in a year [1].", examples=[0.8])

    @model_validator(mode="after")
    def _one_of_both(self) -> Growth:
        if (self.per_month is None) == (self.per_year is None):
            raise Refusal("needs one of per_month and per_year", "for example growth = { per_month = 0.05 }")
        return self

    def yearly_factor(self) -> float:
        """What a year multiplies the rate by [1]."""
        if self.per_year is not None:
            return 1 + self.per_year
        assert self.per_month is not None
        return (1 + self.per_month) ** 12


class Ramp(Table):
    """A rate that goes in a straight line from one multiple of the mean rate to another, over the whole run."""

    start: Annotated[Number, Field(ge=0)] = Field(
        description="Multiple of the rate when the run begins [1].", examples=[0.1]
    )
    end: Annotated[Number, Field(ge=0)] = Field(
        description="Multiple of the rate when the last requests arrive [1].", examples=[1.5]
    )

    @model_validator(mode="after")
    def _not_nothing(self) -> Ramp:
        if self.start == 0 and self.end == 0:
            raise Refusal("start and end are both 0: nothing would arrive")
        return self


class Surge(Table):
    """A flash crowd (or, with a factor below 1, a lull): the rate rises in a line, stays, and falls exponentially."""

    at_s: Seconds = Field(
        alias="at", ge=0, description="When it begins, from the start of the run [s].", examples=["2 h"]
    )
    factor: Annotated[Number, Field(ge=0)] = Field(
        description="Multiple of the rate at its height [1].", examples=[3]
    )
    ramp_s: Seconds = Field(
        default=0.0, alias="ramp", ge=0, description="Time in which it rises [s].", examples=["1 min"]
    )
    lasts_s: Seconds = Field(
        default=0.0, alias="lasts", ge=0, description="Time at its height [s].", examples=["15 min"]
    )
    decay_s: Seconds = Field(
        default=0.0,
        alias="decay",
        ge=0,
        description="Time constant of its exponential fall [s]: in each, 63 % of what is left goes. 0: at once.",
        examples=["10 min"],
    )

    @model_validator(mode="after")
    def _has_a_length(self) -> Surge:
        if self.ramp_s + self.lasts_s + self.decay_s == 0:
            raise Refusal("takes no time", 'give ramp, lasts or decay, such as lasts = "15 min"')
        return self


class Modulated(Table):
    """What every process with a rate of its own may say of how the rate changes."""

    shape: Shape | None = Field(
        default=None,
        description=f"{SHAPE_HELP} Default: the same at all hours.",
        examples=["diurnal"],
    )
    start_hour: Number | None = Field(
        default=None,
        ge=0,
        lt=168,
        description="Hour of the shape at which the run begins [h]. Default: that of site.start (weeks begin on "
        "Monday); without one, 0.",
        examples=[9],
    )
    growth: Growth | None = Field(
        default=None,
        description="Compound growth over the run: { per_month = ... } or { per_year = ... }.",
        examples=[{"per_month": 0.05}],
    )
    ramp: Ramp | None = Field(
        default=None,
        description="Rate in a straight line over the run: { start = ..., end = ... }, as multiples.",
        examples=[{"start": 0.1, "end": 1.5}],
    )
    surges: tuple[Surge, ...] | None = Field(
        default=None,
        description="Flash crowds, each { at, factor, ramp, lasts, decay }.",
        examples=[[{"at": "2 h", "factor": 3, "lasts": "15 min"}]],
    )

    @property
    def changes_once(self) -> bool:
        """Whether the rate changes in ways that do not come again: growth, a ramp, surges."""
        return self.growth is not None or self.ramp is not None or bool(self.surges)


def begun_at(arrivals: _Any, start: str) -> _Any:
    """`arrivals` with their start hour filled in: that of `start` (ISO, local) in the week or day that the shape
    repeats. Arrivals that have one, or no shape, keep theirs; a shape "flat" begins at 0.
    """
    if not isinstance(arrivals, Modulated) or arrivals.start_hour is not None or arrivals.shape is None:
        return arrivals
    hour = 0.0 if arrivals.shape == FLAT else hour_of_week(start) % hours_of(arrivals.shape)
    return arrivals.model_copy(update={"start_hour": hour})


def hour_of_week(start: str) -> float:
    """Hours since Monday 0 h of `start` (ISO, local)."""
    moment = datetime.fromisoformat(start)
    return 24.0 * moment.weekday() + moment.hour + moment.minute / 60 + moment.second / 3600


def hours_of(shape: str | tuple[float, ...]) -> int:
    """Hours after which a shape repeats: 24 or 168."""
    return len(hourly(shape) or range(24))


def hourly(shape: str | tuple[float, ...] | None) -> tuple[float, ...]:
    """Relative rates by hour of any mean; empty where the rate is the same at all hours."""
    if shape is None or shape == FLAT:
        return ()
    if isinstance(shape, str):
        from sim.catalog.workloads import shape as named

        return named(shape)
    return shape
