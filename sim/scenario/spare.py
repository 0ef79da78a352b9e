"""`spare` of a [[pool]]: servers that stand by without a model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sim.scenario.fields import Count, Table


class Spare(Table):
    """Servers kept ready beside a pool's own; they serve nothing in the run."""

    servers: Count = Field(description="How many whole servers.", examples=[2])
    state: Literal["idle", "sleep", "off"] = Field(
        default="idle",
        description="idle: accelerators on without a model, the host at its idle draw. sleep: the server suspended. "
        "off: only its controllers run. Draws: sim.metrics.hall.",
    )
