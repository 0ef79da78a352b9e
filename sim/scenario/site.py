"""[site]: where the fleet stands: its region, overhead, electricity, water, rent, and when the run begins."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from sim.scenario.fields import UNSET, NotNegative, Refusal, Table, Watts, is_number
from sim.scenario.names import DEFAULT_GRID, grid_name, region_name
from sim.scenario.pue import LoadTemperature, Pue
from sim.scenario.show import show
from sim.scenario.tariff import Tariff

DEFAULT_PUE = 1.2
DEFAULT_USD_PER_KWH = 0.08
DEFAULT_WUE_L_PER_KWH = 0.3
DEFAULT_START = "2026-01-05T00:00"
FIRST_YEAR, LAST_YEAR = 1970, 2200


def _carbon(value: object) -> float | str:
    """Grams of CO2 per kWh, or the name of a grid."""
    if isinstance(value, str):
        return grid_name(value)
    if not isinstance(value, int | float) or not is_number(value) or value < 0:
        raise Refusal(
            f"must be a number of g/kWh from 0 up, or the name of a grid in quotes; given {show(value)}"
        )
    return float(value)


def _start(value: object) -> str:
    """A local date and time, to the minute or second, as ISO 8601 text."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)
    else:
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            moment = None
    if moment is None:
        raise Refusal(f"must be a local date and time; given {show(value)}", f'for example "{DEFAULT_START}"')
    if moment.tzinfo is not None:
        raise Refusal(f"is local time, without a zone; given {show(str(value))}", "leave out Z or +00:00")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise Refusal(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}; given {show(value)}")
    return moment.isoformat(timespec="seconds" if moment.second else "minutes")


Carbon = Annotated[
    float | str,
    BeforeValidator(_carbon),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}),
]
Start = Annotated[str, BeforeValidator(_start), WithJsonSchema({"type": "string", "format": "date-time"})]


class Site(Table):
    """The building: its overhead, its electricity, its water, its rent."""

    region: Annotated[str, Field(min_length=1), AfterValidator(region_name)] | None = Field(
        default=None,
        description="A region of the catalog, which fills in what is not given: the grid's carbon, the price of "
        "electricity (average industrial price, all charges in it), water, and the climate.",
        examples=["virginia"],
    )
    start: Start = Field(
        default=DEFAULT_START,
        description="Local date and time at which the run begins, for tariffs, carbon and weather by hour; clocks "
        "are not put forward in summer. Default: a Monday in winter. Arrival shapes by hour of the day or week "
        "begin at its hour too, unless a workload gives start_hour.",
        examples=["2026-07-01T00:00"],
    )
    power_limit_w: Watts | None = Field(
        default=None,
        alias="power_limit",
        gt=0,
        description="Power that the site may draw at the meter [W]: results show the headroom, and a fleet that "
        "would exceed it idle is refused. Default: no limit.",
        examples=["20 MW"],
    )
    pue: Pue = Field(
        default=UNSET,
        description="Power usage effectiveness: site power over IT power [1], or a table with a `model`. "
        "Default 1.2, the middle of 1.1 to 1.3 that Epoch AI and SemiAnalysis give for AI data centers (Google "
        "fleet 1.09, Uptime average 1.56).",
        examples=[1.2, {"model": "load-temperature"}],
    )
    tariff: Tariff | None = Field(
        default=None,
        description="Prices of electricity by hour and of its peak, instead of electricity_usd_per_kwh: a name of "
        'the catalog ("dominion-gs3"), or a table with a `kind` ({ kind = "flat", usd_per_kwh = 0.06, '
        "demand_usd_per_kw_month = 12 }).",
    )
    electricity_usd_per_kwh: NotNegative | None = Field(
        default=None,
        description="Price of electricity at the meter at all hours [$/kWh]; not together with tariff. Default: "
        "the region's average industrial price; without a region 0.08, US industrial average 2024, EIA (0.064 to "
        "0.09 in the states with most data centers, 0.186 in California, EIA 2023).",
        examples=[0.08],
    )
    carbon_g_per_kwh: Carbon = Field(
        default=UNSET,
        description="Carbon intensity of the electricity [g CO2e/kWh], or a grid of the catalog, with its shape "
        "over the day where that is known. Default: the region's grid, else US.",
        examples=["US", 41],
    )
    carbon_hourly: Annotated[
        tuple[NotNegative, ...] | None,
        WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 24, "maxItems": 24}),
    ] = Field(
        default=None,
        description="Relative carbon intensity by hour of the day, 24 values of any mean. Default: the grid's, "
        "where the catalog has one, else the same at all hours.",
    )
    wue_l_per_kwh: NotNegative = Field(
        default=UNSET,
        description="Water that cooling evaporates, per kWh of IT energy (WUE) [L/kWh]. Default: the region's, "
        "else 0.3, Microsoft's fleet in 2024.",
        examples=[0.3],
    )
    grid_water_l_per_kwh: NotNegative | None = Field(
        default=None,
        description="Water that making the electricity evaporates, per kWh at the meter [L/kWh]. Default: the "
        "region's; without one, not counted.",
        examples=[3.1],
    )
    network_w_per_gbps: NotNegative = Field(
        default=0.117,
        description="Power of network switches per Gb/s of an accelerator's scale-out bandwidth [W/(Gb/s)]. "
        "Default 0.117: a non-blocking fat tree of two tiers has three switch ports to each accelerator's, and a "
        "switch of 64 ports of 400 Gb/s draws about 1.0 kW (NVIDIA QM9700: 747 W with copper, 1,720 W at most; "
        "unverified): 47 W per H100.",
    )
    storage_w_per_accelerator: NotNegative = Field(
        default=10.0,
        description="Power of storage and management servers per accelerator [W]. Default 10 (estimate; training "
        "clusters have 30 and more).",
    )
    colocation_usd_per_kw_month: NotNegative = Field(
        default=184.0,
        description="Rent of the building, its power and cooling plant, per kW of IT power provided and "
        "month [$/(kW month)], electricity not included; not charged where accelerators are rented. Default "
        "184: CBRE average asking rate of primary US markets, 250 to 500 kW (unverified; quotes range over "
        "150 to 250).",
        examples=[184],
    )

    @field_validator("pue", mode="before")
    @classmethod
    def _usual_pue(cls, value: object) -> object:
        return DEFAULT_PUE if value is None else value

    @field_validator("pue")
    @classmethod
    def _climate_known(cls, value: Pue, info: ValidationInfo) -> Pue:
        if isinstance(value, LoadTemperature) and value.outdoor_c is None and info.data.get("region") is None:
            raise Refusal(
                f'model = "{value.model}" needs to know how warm it is',
                "give site.region, or outdoor_c in this table",
            )
        return value

    @field_validator("electricity_usd_per_kwh", mode="before")
    @classmethod
    def _price_of_region(cls, value: object, info: ValidationInfo) -> object:
        if info.data.get("tariff") is not None:
            if value is not None:
                raise Refusal("is not used where site.tariff is given", "leave out one of the two")
            return None
        if value is not None:
            return value
        found = _region(info)
        if found is None:
            return DEFAULT_USD_PER_KWH
        from sim.catalog.prices import electricity

        return electricity(found.electricity).industrial_usd_per_kwh

    @field_validator("carbon_g_per_kwh", mode="before")
    @classmethod
    def _grid_of_region(cls, value: object, info: ValidationInfo) -> object:
        found = _region(info)
        return (found.grid if found else DEFAULT_GRID) if value is None else value

    @field_validator("carbon_hourly")
    @classmethod
    def _a_day(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and (len(value) != 24 or sum(value) <= 0):
            raise Refusal(f"needs 24 values of 0 or more, not all 0; given {len(value)}")
        return value

    @field_validator("wue_l_per_kwh", mode="before")
    @classmethod
    def _water_of_region(cls, value: object, info: ValidationInfo) -> object:
        found = _region(info)
        return (found.wue_l_per_kwh if found else DEFAULT_WUE_L_PER_KWH) if value is None else value

    @field_validator("grid_water_l_per_kwh", mode="before")
    @classmethod
    def _grid_water_of_region(cls, value: object, info: ValidationInfo) -> object:
        found = _region(info)
        return found.grid_water_l_per_kwh if value is None and found else value


def _region(info: ValidationInfo):
    name = info.data.get("region")
    if name is None:
        return None
    from sim.catalog.regions import region

    return region(name)
