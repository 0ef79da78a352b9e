"""[cost]: what the fleet costs."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from sim.scenario.fields import UNSET, Fraction, NotNegative, Positive, Refusal, Table, Usd, is_number
from sim.scenario.show import show

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")

Depreciation = Literal[
    "straight-line", "declining-balance", "half-in-three-years", "units-of-production", "macrs"
]
Term = Literal["on_demand", "one_year", "three_year"]


def _date(value: object) -> str:
    """A year, a month or a day, as ISO text; TOML's own dates too."""
    text = value.isoformat() if isinstance(value, datetime.date) else value
    text = str(text) if isinstance(text, int) and not isinstance(text, bool) else text  # 2024, without quotes
    if isinstance(text, str) and _DATE.fullmatch(text):
        try:
            datetime.date.fromisoformat((text + "-01-01")[:10])
            return text
        except ValueError:
            pass
    raise Refusal(f'must be a date such as "2024-07-01", "2024-07" or "2024"; given {show(value)}')


def _share_or_curve(value: object) -> float | str:
    if isinstance(value, str) and value:
        return value
    if not isinstance(value, int | float) or not is_number(value) or not 0 <= value <= 1:
        raise Refusal(f"must be a share from 0 to 1, or the name of a curve in quotes; given {show(value)}")
    return float(value)


Date = Annotated[str, BeforeValidator(_date), WithJsonSchema({"type": "string", "examples": ["2024-07-01"]})]
ShareOrCurve = Annotated[
    float | str,
    BeforeValidator(_share_or_curve),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string"}]}),
]
Dollars = Annotated[Usd, Field(ge=0)]


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
    purchase_date: Date | None = Field(
        default=None,
        description="When the servers were bought: the catalog's server price is moved to that date along the "
        "dated prices of the accelerator. Default: the catalog's price at its own date.",
        examples=["2024-07-01"],
    )
    price_series: Literal["longest", "server", "average", "card"] = Field(
        default="longest",
        description="Dated prices that purchase_date moves along: shares of a whole server, the vendor's average "
        "selling price, list prices of the card, or whichever has the most points.",
    )
    depreciation: Depreciation = Field(
        default="straight-line",
        description="How servers and network lose book value. straight-line: evenly over depreciation_years. "
        "declining-balance: declining_rate of what is left each year. half-in-three-years: 20.6 % of what is "
        "left each year. units-of-production: by the hours that accelerators have calls to run, of "
        "life_busy_hours. macrs: the US tax table of 5 years (half-year convention).",
    )
    depreciation_years: Positive = Field(
        default=5.0,
        description="Useful life of servers and network [years]. Default 5 (AWS for a subset since 2025 and "
        "Lambda 5, Meta 5.5, Microsoft, Google and CoreWeave 6, Nebius 4; critics argue for 3).",
        examples=[5],
    )
    declining_rate: Fraction = Field(
        default=UNSET,
        lt=1,
        description="Share of the book value lost in a year on a declining balance [1/year]. Default: double "
        "declining, 2 / depreciation_years, at most 0.9.",
        examples=[0.4],
    )
    life_busy_hours: Positive = Field(
        default=UNSET,
        description="Hours of work that an accelerator is good for, for units-of-production [h]. Default: "
        "depreciation_years without a pause.",
        examples=[30_000],
    )
    age_years: NotNegative | None = Field(
        default=None,
        description="Age of the hardware when the run starts [years]; what a straight line with an annuity costs "
        "does not depend on it within the life. Default: the time from purchase_date to site.start; without a "
        "purchase_date 0.",
        examples=[1.5],
    )
    residual_value: ShareOrCurve = Field(
        default=0.0,
        description="Share of the price that the hardware still fetches at the end of depreciation_years [1], or "
        "the name of a curve fitted to dated prices, read at that age (`docs/money.md` lists them). Not used by "
        "macrs. Default 0.",
        examples=[0.25, "h100-average"],
    )
    cost_of_capital: Fraction = Field(
        default=0.1,
        description="Yearly cost of the capital tied up (WACC) [1/year]. Default 0.1 (8 to 13 % are usual; "
        "unverified).",
        examples=[0.1],
    )
    capital_charge: Literal["annuity", "book-value"] = Field(
        default=UNSET,
        description="What the capital costs beyond depreciation. annuity: the level payment over the life less the "
        "straight line, only with straight-line. book-value: cost_of_capital of what is left in the books. "
        "Default: annuity with straight-line, else book-value.",
    )
    tax_rate: Fraction = Field(
        default=0.0,
        description="Tax on profits that depreciation is set against [1]; gives the tax shield of the purchase, "
        "which is no line of the ledger. Default 0: no taxable profit (US federal rate: 0.21, unverified).",
        examples=[0.21],
    )
    network_storage_fraction: NotNegative = Field(
        default=0.2,
        description="Network and storage bought with the servers, as a share of the servers' price [1]. "
        "Default 0.2: all-in clusters cost 35 to 45 % over their servers with the site, which colocation "
        "pays here (estimate).",
        examples=[0.2],
    )
    installation_fraction: NotNegative = Field(
        default=0.0,
        description="Delivery, racks, cabling and commissioning, as a share of the price of servers and network "
        "[1]; depreciated with them. Default 0: not counted (no published figure; briefings speak of 10 to 15 % "
        "for transceivers, switches and insurance together).",
        examples=[0.05],
    )
    spares_fraction: NotNegative = Field(
        default=0.0,
        description="Servers kept as cold spares, as a share of those in use [1]; bought and depreciated like them. "
        "Default 0: repair is in maintenance.",
        examples=[0.03],
    )
    maintenance_fraction_per_year: NotNegative = Field(
        default=0.05,
        description="Support and repair in a year, as a share of the hardware's price [1/year]. "
        "Default 0.05 (estimate, no published figure).",
        examples=[0.05],
    )
    building: Literal["colocation", "own"] = Field(
        default="colocation",
        description="colocation: the room, its power and cooling plant are rented per kW and month "
        "(site.colocation_usd_per_kw_month). own: they were built, at building_usd_per_mw.",
    )
    building_usd_per_mw: Dollars = Field(
        default=11_700_000.0,
        description="Cost of an own building with its power and cooling plant, per MW of IT power [$/MW]. Default "
        "11.7 million: US average 2025, range 9.3 to 15.0 (Cushman & Wakefield, cost guide 2025); AI-optimised up "
        "to 20 and more.",
        examples=["$11.7M"],
    )
    building_years: Positive = Field(
        default=20.0,
        description="Life of an own building, written off in a straight line [years]. Default 20, the middle of 15 "
        "to 25 (estimate).",
        examples=[20],
    )
    staff_usd_per_year: Dollars = Field(
        default=0.0,
        description="Staff that runs the fleet [$/year]. Default 0: not counted unless given.",
        examples=["$1.2M"],
    )
    software_usd_per_accelerator_year: Dollars = Field(
        default=0.0,
        description="Licences and support of software, per accelerator and year [$/year]. Default 0: an open "
        "serving stack (NVIDIA AI Enterprise lists $4,500; unverified).",
        examples=["$4_500"],
    )
    rent_usd_per_accelerator_hour: Usd | None = Field(
        default=None,
        gt=0,
        description="Rent of one accelerator with its share of everything [$/h]; default: the catalog's "
        "latest.",
        examples=[2.49],
    )
    rent_term: Term = Field(
        default="on_demand",
        description="Commitment at which accelerators are rented: on demand, or reserved for one or three years.",
    )
    rent_date: Date | None = Field(
        default=None,
        description="Date whose rents apply: the median over vendors of their last offer in the year before it. "
        "Default: the catalog's last date.",
        examples=["2025-03-17"],
    )
    rent_discount: Fraction = Field(
        default=0.0, description="Negotiated discount on the catalog's rent [1].", examples=[0.3]
    )
    spot_discount: Fraction = Field(
        default=0.5,
        description="What spot capacity costs less than on demand [1]. Default 0.5: AWS's H100 in March 2026; RunPod's "
        "were 0.52 in June 2025 and 0.7 in March 2026 (deploybase.ai, press). Spot prices move by the hour.",
        examples=[0.5],
    )
    training_usd: Dollars = Field(
        default=0.0,
        description="What training the served model cost [$], to be earned back over its commercial life. Default "
        "0: not counted.",
        examples=["$78M"],
    )
    training_life_months: Positive = Field(
        default=12.0,
        description="Commercial life of the trained model [months]. Default 12: list prices of flagships lived 6 "
        "to 14 months (OpenAI, 2023 to 2026).",
        examples=[12],
    )
    training_tokens_per_month: Positive | None = Field(
        default=None,
        description="Tokens, read and written, that the model serves in a month wherever it runs [1/month]; each "
        "bears its part of training_usd. Default: this fleet alone bears it, by time.",
        examples=[1e12],
    )

    @field_validator("declining_rate", mode="before")
    @classmethod
    def _double_declining(cls, value: object, info: ValidationInfo) -> object:
        years = info.data.get("depreciation_years", 5.0)
        return min(2 / years, 0.9) if value is None else value

    @field_validator("life_busy_hours", mode="before")
    @classmethod
    def _a_life_of_work(cls, value: object, info: ValidationInfo) -> object:
        return info.data.get("depreciation_years", 5.0) * 8760.0 if value is None else value

    @field_validator("capital_charge", mode="before")
    @classmethod
    def _charge_that_fits(cls, value: Any, info: ValidationInfo) -> Any:
        straight = info.data.get("depreciation", "straight-line") == "straight-line"
        if value == "annuity" and not straight:
            raise Refusal(
                'a level annuity goes with depreciation = "straight-line" only',
                'write capital_charge = "book-value", or leave it out',
            )
        return ("annuity" if straight else "book-value") if value is None else value
