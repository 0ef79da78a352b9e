"""`site.tariff`: what electricity costs by hour, and what its peak costs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from sim.scenario.fields import Name, NotNegative, Positive, Refusal, Table, name_or_kind
from sim.scenario.names import tariff_name
from sim.scenario.show import show
from sim.scenario.trace_file import TracePath


def _months(value: object) -> object:
    """Numbers of months, 1 for January."""
    if not isinstance(value, list | tuple) or not value:
        raise Refusal(f"must be a list of months from 1 to 12; given {show(value)}")
    wrong = [m for m in value if not isinstance(m, int) or isinstance(m, bool) or not 1 <= m <= 12]
    if wrong:
        raise Refusal(f"months are 1 (January) to 12; given {show(wrong[0])}")
    return tuple(value)


def _hours(value: object) -> tuple[int, ...]:
    """[from, until] in whole hours of the day."""
    hours = tuple(value) if isinstance(value, list | tuple) else ()
    whole = all(isinstance(h, int) and not isinstance(h, bool) for h in hours)
    if len(hours) != 2 or not whole or not 0 <= hours[0] < hours[1] <= 24:
        raise Refusal(
            f"must be [from, until], whole hours with 0 <= from < until <= 24; given {show(value)}",
            "write a period that crosses midnight as two",
        )
    return hours


Demand = Annotated[
    NotNegative,
    Field(description="Charge on the month's highest 15 minutes [$/(kW month)]; 0 for none."),
]


class Period(Table):
    """Hours in which another price holds; of several that fit, the first."""

    name: Name = Field(description="Name of the period, for the bill.", examples=["peak"])
    usd_per_kwh: NotNegative = Field(description="Price of energy in the period [$/kWh].", examples=[0.21])
    months: Annotated[
        tuple[int, ...],
        BeforeValidator(_months),
        WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 12}}),
    ] = Field(
        default=tuple(range(1, 13)),
        description="Months, 1 for January. Default: all.",
        examples=[[6, 7, 8, 9]],
    )
    days: Literal["all", "weekdays", "weekends"] = Field(
        default="all",
        description="Days of the week; weekends are Saturday and Sunday, holidays are not known.",
    )
    hours: Annotated[
        tuple[int, int],
        BeforeValidator(_hours),
        WithJsonSchema({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
    ] = Field(
        default=(0, 24), description="From the first until the second hour of the day.", examples=[[16, 21]]
    )
    demand_usd_per_kw_month: Demand = 0.0


class FlatTariff(Table):
    """One price at all hours."""

    kind: Literal["flat"]
    usd_per_kwh: NotNegative = Field(description="Price of energy [$/kWh].", examples=[0.07])
    demand_usd_per_kw_month: Demand = 0.0


class TimeOfUseTariff(Table):
    """Prices by season, day of the week and hour."""

    kind: Literal["time-of-use"]
    usd_per_kwh: NotNegative = Field(description="Price where no period fits [$/kWh].", examples=[0.05])
    periods: tuple[Period, ...] = Field(description="Periods with other prices; the first that fits counts.")
    demand_usd_per_kw_month: Demand = 0.0


class HourlyTariff(Table):
    """A price for every hour, from a file."""

    kind: Literal["hourly"]
    path: TracePath = Field(
        description="CSV file with the columns time (2025-07-01T14:00) and usd_per_kwh or usd_per_mwh; relative "
        "paths start at the scenario's folder. Rows count for their month, day and hour, in any year."
    )
    scale: Positive = Field(default=1.0, description="Factor on the file's prices [1].")
    adder_usd_per_kwh: NotNegative = Field(
        default=0.0, description="Added to every hour's price, for networks and taxes [$/kWh]."
    )
    demand_usd_per_kw_month: Demand = 0.0


Tariff = Annotated[
    Annotated[str, Field(min_length=1), AfterValidator(tariff_name), Tag("name")]
    | Annotated[FlatTariff, Tag("flat")]
    | Annotated[TimeOfUseTariff, Tag("time-of-use")]
    | Annotated[HourlyTariff, Tag("hourly")],
    Discriminator(name_or_kind),
]
