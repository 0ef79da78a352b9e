"""[[training]]: training runs that share the site: a block of accelerators at measured training power."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from sim.scenario.fields import Count, Number, Refusal, Seconds, Table
from sim.scenario.names import AcceleratorName


class Training(Table):
    """Accelerators that train for a part of the run, and idle before and after."""

    name: str = Field(default="", description='Unique name; default "training-<i>", counted from 0.')
    accelerator: AcceleratorName = Field(
        description="Accelerator that trains: a name or alias of the catalog.", examples=["H100-SXM-80GB"]
    )
    accelerators: Count = Field(description="How many train.", examples=[1024])
    power_fraction: Number = Field(
        default=0.82,
        gt=0,
        le=1,
        description="Draw of a server while it trains, of its nameplate power [1]. Default 0.82: 8.4 kW of 10.2 kW, "
        "the highest measured on 8 x H100 (Latif et al., arXiv 2412.08602); intensive work averages 0.76 (Newkirk "
        "et al., arXiv 2506.14551).",
        examples=[0.82],
    )
    mfu: Number = Field(
        default=0.4,
        gt=0,
        le=1,
        description="Useful FLOPs over the peak of the 16-bit format (MFU) [1]. Default 0.4 (0.38 to 0.43 for "
        "Llama 3 405B on 16,384 H100, arXiv 2407.21783; unverified).",
        examples=[0.4],
    )
    precision: Literal["bf16", "fp16", "fp8"] = Field(
        default="bf16", description="Arithmetic whose dense peak the MFU is of."
    )
    start_s: Seconds = Field(
        default=0.0, alias="start", ge=0, description="Time at which it begins [s].", examples=["0 s"]
    )
    end_s: Seconds | None = Field(
        default=None,
        alias="end",
        gt=0,
        description="Time at which it ends [s]. Default: the end of the run.",
        examples=["12 h"],
    )

    @field_validator("end_s")
    @classmethod
    def _after_start(cls, value: float | None, info: ValidationInfo) -> float | None:
        start_s = info.data.get("start_s", 0.0)
        if value is not None and value <= start_s:
            raise Refusal(f"must be after start = {start_s:g} s; it is {value:g} s")
        return value
