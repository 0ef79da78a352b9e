"""[revenue]: what tokens, subscriptions and seats sell for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from sim.scenario.fields import (
    UNSET,
    Fraction,
    Name,
    NotNegative,
    Number,
    Positive,
    Refusal,
    Table,
    Usd,
    is_number,
)
from sim.scenario.show import show

DAY_H = 24.0
_PER_TOKEN = ("usd_per_mtok_input", "usd_per_mtok_output")
_PRICES = (*_PER_TOKEN, "usd_per_request", "plan")


def _hours(value: object) -> tuple[tuple[float, float], ...]:
    """Spans of hours of the day, in order and apart."""
    rows = list(value) if isinstance(value, list | tuple) else []
    if not rows or not all(
        isinstance(r, list | tuple) and len(r) == 2 and all(map(is_number, r)) for r in rows
    ):
        raise Refusal(f"must be pairs [from, to] of hours of the day; given {show(value)}", "[[9, 17]]")
    spans = tuple((float(a), float(b)) for a, b in rows)
    before = 0.0
    for first, last in spans:
        if not before <= first < last <= DAY_H:
            raise Refusal(
                f"must rise within 0 to 24 and not overlap; given {show(value)}",
                "a span over midnight is two: [[0, 2], [22, 24]]",
            )
        before = last
    return spans


Hours = Annotated[
    tuple[tuple[float, float], ...],
    BeforeValidator(_hours),
    WithJsonSchema({"type": "array", "items": {"type": "array", "items": {"type": "number"}}, "minItems": 1}),
]


class Peak(Table):
    """Hours of the day in which tokens sell at another price."""

    hours: Hours = Field(
        description="Spans of hours of the day [h], each [from, to], by the clock of `site.start`.",
        examples=[[[1, 4], [6, 10]]],
    )
    multiplier: Positive = Field(
        description="Token prices within the spans, over those outside [1]; below 1 for a discount.",
        examples=[2.0],
    )


class Plan(Table):
    """Users who pay by the month: a subscription, a company's seats, or a free tier."""

    name: Name = Field(description="Name of the plan, for the ledger.", examples=["individual"])
    usd_per_month: Annotated[Usd, Field(ge=0)] = Field(
        description="Fee of one user or seat for a month [$]; 0 is a free tier.", examples=["$10"]
    )
    share: Fraction = Field(
        default=UNSET,
        description="Share of the run's requests that this plan's users send [1]; what no plan claims sells "
        "at the prices per token. Default: what the plans before it leave.",
        examples=[0.8],
    )
    requests_per_month: Positive = Field(
        description="Requests that a user wants in a month, on average over users who use it at all "
        "[1/month]. With the run's traffic it says how many users pay.",
        examples=[600],
    )
    sigma: NotNegative | None = Field(
        default=None,
        le=5,
        description="Users differ lognormally: standard deviation of the logarithm of their requests [1].",
        examples=[0.9],
    )
    tail: Number | None = Field(
        default=None,
        gt=1,
        le=100,
        description="Users differ by Pareto's law, with this exponent [1]: the smaller, the heavier the tail. "
        "Without `sigma` and `tail` all users are alike.",
    )
    active_share: Number = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of paid seats whose user sends anything [1]; the others pay all the same.",
        examples=[0.7],
    )
    cap_requests: Positive | None = Field(
        default=None, description="Requests in a month that the fee covers. Default: all.", examples=[300]
    )
    beyond_cap: Literal["blocked", "metered"] = Field(
        default=UNSET,
        description="Requests beyond the cap: not served, or paid one by one. Default: metered where "
        "`overage_usd_per_request` is given, else blocked.",
    )
    overage_usd_per_request: Annotated[Usd, Field(ge=0)] | None = Field(
        default=None, description="Price of a request beyond the cap [$].", examples=[0.04]
    )

    @model_validator(mode="before")
    @classmethod
    def _what_is_beyond(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("beyond_cap") is None:
            metered = data.get("overage_usd_per_request") is not None
            return {**data, "beyond_cap": "metered" if metered else "blocked"}
        return data

    @field_validator("tail")
    @classmethod
    def _one_spread(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("sigma") is not None:
            raise Refusal("users differ by `sigma` or by `tail`, not by both", "leave one out")
        return value

    @field_validator("overage_usd_per_request")
    @classmethod
    def _has_a_cap(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("cap_requests") is None:
            raise Refusal("is for requests beyond `cap_requests`, which is not given")
        if value is None and info.data.get("beyond_cap") == "metered":
            raise Refusal('is required where beyond_cap = "metered"', "overage_usd_per_request = 0.04")
        return value


class Revenue(Table):
    """What the fleet's answers sell for: by token, by request, and by month."""

    usd_per_mtok_input: Annotated[Usd, Field(ge=0)] = Field(
        default=0.0, description="Price of a million prompt tokens [$/Mtok].", examples=[0.5]
    )
    usd_per_mtok_output: Annotated[Usd, Field(ge=0)] = Field(
        default=0.0, description="Price of a million generated tokens [$/Mtok].", examples=[1.5]
    )
    usd_per_mtok_cached_input: Annotated[Usd, Field(ge=0)] | None = Field(
        default=UNSET,
        description="Price of a million prompt tokens found in the prefix cache [$/Mtok]; default: that of "
        "others.",
        examples=[0.05],
    )
    usd_per_request: Annotated[Usd, Field(ge=0)] = Field(
        default=0.0, description="Price of a request, besides its tokens [$].", examples=[0.01]
    )
    free_share: Fraction = Field(
        default=0.0,
        description="Share of the requests outside all plans that is given away [1].",
        examples=[0.1],
    )
    peak: Peak | None = Field(
        default=None,
        description="Hours in which tokens sell at another price. The run's tokens count as sold evenly over "
        "its span.",
        examples=[{"hours": [[1, 4], [6, 10]], "multiplier": 2.0}],
    )
    plans: tuple[Plan, ...] = Field(
        default=(),
        alias="plan",
        description="Users who pay by the month: [[revenue.plan]] tables. Their requests do not sell by the "
        "token.",
    )

    @model_validator(mode="before")
    @classmethod
    def _names_a_price(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not any(key in data for key in _PRICES):
            raise Refusal(
                "names no price", "give usd_per_mtok_input and usd_per_mtok_output, or [[revenue.plan]]"
            )
        return data

    @model_validator(mode="before")
    @classmethod
    def _shares_of_plans(cls, data: Any) -> Any:
        plans = data.get("plan") if isinstance(data, Mapping) else None
        if not isinstance(plans, list | tuple):
            return data
        left, filled = 1.0, []
        for plan in plans:
            share = plan.get("share") if isinstance(plan, Mapping) else None
            if isinstance(plan, Mapping) and share is None:
                plan = {**plan, "share": max(left, 0.0)}
            left -= plan["share"] if isinstance(plan, Mapping) and is_number(plan["share"]) else 0.0
            filled.append(plan)
        return {**data, "plan": filled}

    @model_validator(mode="before")
    @classmethod
    def _both_prices(cls, data: Any) -> Any:
        """Tokens in and out are priced together, so that neither is given away by an oversight."""
        given = [key for key in _PER_TOKEN if isinstance(data, Mapping) and key in data]
        return {**dict.fromkeys(_PER_TOKEN), **data} if len(given) == 1 else data

    @field_validator(*_PER_TOKEN, mode="before")
    @classmethod
    def _is_given(cls, value: object, info: ValidationInfo) -> object:
        if value is None:
            raise Refusal("is required", f"for example {info.field_name} = 0.5")
        return value

    @field_validator("usd_per_mtok_cached_input", mode="before")
    @classmethod
    def _as_other_input(cls, value: object, info: ValidationInfo) -> object:
        return info.data.get("usd_per_mtok_input") if value is None else value

    @field_validator("plans")
    @classmethod
    def _share_out(cls, value: tuple[Plan, ...]) -> tuple[Plan, ...]:
        total = sum(plan.share for plan in value)
        if total > 1 + 1e-9:
            raise Refusal(f"shares of requests sum to {total:g}, more than 1")
        names = [plan.name for plan in value]
        if len(set(names)) < len(names):
            raise Refusal(f"two plans have one name: {', '.join(names)}")
        return value
