"""`site.pue` as a model: what a building draws beyond its IT, by load and outdoor temperature."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from sim.scenario.fields import Fraction, Number, Positive, Table


class LoadTemperature(Table):
    """Losses of power conversion and cooling, with economiser and chiller.

    Equations: `sim.metrics.site_overhead`. Shares "of rated" are of the IT power provided for.
    """

    model: Literal["load-temperature"] = Field(
        description="Losses by load, cooling by load and outdoor temperature."
    )
    ups_fixed: Fraction = Field(
        default=0.01,
        description="Loss of the uninterruptible supply at no load, of rated IT power [1]. Default 0.01, with "
        "ups_proportional 97 % efficient at full load and 96 % at half (modern double conversion; form of "
        "Rasmussen, Schneider Electric White Paper 113; value unverified).",
    )
    ups_proportional: Fraction = Field(
        default=0.02, description="Loss of the uninterruptible supply that follows its load [1]."
    )
    distribution: Fraction = Field(
        default=0.015,
        description="Loss of transformers, switchgear and cables, of what flows through them [1]. Default "
        "0.015 (estimate).",
    )
    other_fixed: Fraction = Field(
        default=0.005,
        description="Lighting, offices, controls, of rated IT power [1]. Default 0.005 (estimate).",
    )
    air_fixed: Fraction = Field(
        default=0.01,
        description="Fans and pumps that always run, of rated IT power [1]. Default 0.01 (estimate).",
    )
    air_proportional: Fraction = Field(
        default=0.03,
        description="Fans and pumps that follow the heat, of the heat [1]. Default 0.03 (estimate; 0.04 in all at "
        "full load).",
    )
    supply_c: Number = Field(
        default=27.0,
        description="Temperature of the air or water supplied to the servers [deg C]. Default 27: upper end of "
        "ASHRAE TC 9.9's recommended range.",
        ge=5,
        le=60,
    )
    approach_k: Number = Field(
        default=8.0,
        ge=0,
        le=40,
        description="The economiser supplies outdoor temperature plus this [K]. Default 8 (estimate, dry coolers).",
    )
    rise_k: Positive = Field(
        default=12.0,
        description="Rise of the cooling medium through the servers [K]: over it the economiser's share falls from "
        "all to nothing. Default 12 (estimate).",
    )
    chiller_carnot: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.4,
        description="Chiller's efficiency as a share of Carnot's [1]. Default 0.4: COP of 3.5 at 35 deg C outdoors "
        "(estimate).",
    )
    lift_k: Positive = Field(
        default=25.0,
        description="Temperature differences of evaporator and condenser together [K], added to outdoor less supply "
        "temperature. Default 25 (estimate).",
    )
    outdoor_c: Number | None = Field(
        default=None,
        ge=-60,
        le=60,
        description="Outdoor temperature at all hours [deg C]; default: the region's, by hour.",
    )


def pue_form(value: object) -> str:
    """Tag of a value of `pue`."""
    return "load-temperature" if isinstance(value, dict | LoadTemperature) else "number"


Pue = Annotated[
    Annotated[float, Field(ge=1, strict=True), Tag("number")]
    | Annotated[LoadTemperature, Tag("load-temperature")],
    Discriminator(pue_form),
]
