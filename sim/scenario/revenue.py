"""[revenue]: what tokens sell for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from sim.scenario.fields import UNSET, Table, Usd


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
