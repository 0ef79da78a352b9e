"""[site], [cost] and [revenue]: where the fleet stands, what it costs, and what its tokens sell for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from sim.scenario.fields import UNSET, Fraction, NotNegative, Number, Positive, Refusal, Table, Usd, is_number
from sim.scenario.names import DEFAULT_GRID, grid_name
from sim.scenario.show import show


def _carbon(value: object) -> float | str:
    """Grams of CO2 per kWh, or the name of a grid."""
    if isinstance(value, str):
        return grid_name(value)
    if not isinstance(value, int | float) or not is_number(value) or value < 0:
        raise Refusal(
            f"must be a number of g/kWh from 0 up, or the name of a grid in quotes; given {show(value)}"
        )
    return float(value)


Carbon = Annotated[
    float | str,
    BeforeValidator(_carbon),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}),
]


class Site(Table):
    """The building: its overhead, its electricity, its rent."""

    pue: Number = Field(
        default=1.2,
        ge=1,
        description="Power usage effectiveness: site power over IT power [1]. Default 1.2, the middle of "
        "1.1 to 1.3 that Epoch AI and SemiAnalysis give for AI data centers (Google fleet 1.09, Uptime "
        "average 1.56).",
        examples=[1.2],
    )
    electricity_usd_per_kwh: NotNegative = Field(
        default=0.08,
        description="Price of electricity at the meter [$/kWh]. Default 0.08: US industrial average 2024, "
        "EIA (0.064 to 0.09 in the states with most data centers, 0.186 in California, EIA 2023).",
        examples=[0.08],
    )
    carbon_g_per_kwh: Carbon = Field(
        default=DEFAULT_GRID,
        description="Carbon intensity of the electricity [g CO2e/kWh], or a grid of the catalog. Default: "
        "US.",
        examples=["US", 41],
    )
    colocation_usd_per_kw_month: NotNegative = Field(
        default=184.0,
        description="Rent of the building, its power and cooling plant, per kW of IT power provided and "
        "month [$/(kW month)], electricity not included; not charged where accelerators are rented. Default "
        "184: CBRE average asking rate of primary US markets, 250 to 500 kW (unverified; quotes range over "
        "150 to 250).",
        examples=[184],
    )


class Cost(Table):
    """What the fleet costs to own, or to rent."""

    basis: Literal["own", "rent"] = Field(
        default="own",
        description="own: servers are bought, depreciated, hosted and powered. rent: accelerators are paid "
        "by the hour, everything included.",
    )
    server_price_usd: Usd | None = Field(
        default=None,
        gt=0,
        description="Purchase price of one server with its accelerators [$]; default: the catalog's.",
        examples=["$270_000"],
    )
    depreciation_years: Positive = Field(
        default=5.0,
        description="Useful life of servers and network [years]. Default 5 (AWS for a subset since 2025 and "
        "Lambda 5, Meta 5.5, Microsoft, Google and CoreWeave 6, Nebius 4; critics argue for 3).",
        examples=[5],
    )
    cost_of_capital: Fraction = Field(
        default=0.1,
        description="Yearly cost of the capital tied up (WACC) [1/year]. Default 0.1 (8 to 13 % are usual; "
        "unverified).",
        examples=[0.1],
    )
    network_storage_fraction: NotNegative = Field(
        default=0.2,
        description="Network and storage bought with the servers, as a share of the servers' price [1]. "
        "Default 0.2: all-in clusters cost 35 to 45 % over their servers with the site, which colocation "
        "pays here (estimate).",
        examples=[0.2],
    )
    maintenance_fraction_per_year: NotNegative = Field(
        default=0.05,
        description="Support, spares and repair in a year, as a share of the hardware's price [1/year]. "
        "Default 0.05 (estimate, no published figure).",
        examples=[0.05],
    )
    staff_usd_per_year: Annotated[Usd, Field(ge=0)] = Field(
        default=0.0,
        description="Staff that runs the fleet [$/year]. Default 0: not counted unless given.",
        examples=["$1.2M"],
    )
    rent_usd_per_accelerator_hour: Usd | None = Field(
        default=None,
        gt=0,
        description="Rent of one accelerator with its share of everything [$/h]; default: the catalog's "
        "latest.",
        examples=[2.49],
    )


class Revenue(Table):
    """What tokens sell for."""

    usd_per_mtok_input: Annotated[Usd, Field(ge=0)] = Field(
        description="Price of a million prompt tokens [$/Mtok].", examples=[0.5]
    )
    usd_per_mtok_output: Annotated[Usd, Field(ge=0)] = Field(
        description="Price of a million generated tokens [$/Mtok].", examples=[1.5]
    )
    usd_per_mtok_cached_input: Annotated[Usd, Field(ge=0)] | None = Field(
        default=UNSET,
        description="Price of a million prompt tokens found in the prefix cache [$/Mtok]; default: that of "
        "others.",
        examples=[0.05],
    )

    @field_validator("usd_per_mtok_cached_input", mode="before")
    @classmethod
    def _as_other_input(cls, value: object, info: ValidationInfo) -> object:
        return info.data.get("usd_per_mtok_input") if value is None else value
