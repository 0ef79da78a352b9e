"""[site]: where the fleet stands: its overhead, its electricity, its rent."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from sim.scenario.fields import NotNegative, Number, Refusal, Table, is_number
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
