"""[cost]: what the fleet costs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.fields import Fraction, NotNegative, Positive, Table, Usd


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
