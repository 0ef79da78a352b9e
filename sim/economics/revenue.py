"""What a run's answers sell for, line by line; and what one user of a plan brings in and costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.economics.users import Use, mean_of_top, mean_over, use_of
from sim.scenario.revenue import Peak, Plan, Revenue

HOUR_S = 3600.0
MONTH_S = 8760 * HOUR_S / 12
MILLION = 1e6
PERCENTILES = (10, 50, 90, 99)
"""Of users by use, at which margins are told."""


@dataclass(frozen=True)
class Sold:
    """What completed in a span of time [s]: requests and tokens; cached: prompt tokens that a cache held."""

    span_s: float
    requests: float
    input_tokens: float
    output_tokens: float
    cached_tokens: float = 0.0
    start_hour: float = 0.0
    """Hour of the day at which the span begins [h]."""


def revenue_lines(revenue: Revenue, sold: Sold) -> dict[str, float]:
    """Revenue of the span by line [$]: input, cached input, output, requests, then each plan by name.

    Requests that no plan claims sell by the token, less those given away; users of plans pay for the span's
    part of a month.
    """
    metered = (1 - sum(plan.share for plan in revenue.plans)) * (1 - revenue.free_share)
    metered = max(metered, 0.0)
    tokens = metered * _peak_factor(revenue.peak, sold) / MILLION
    cached = min(sold.cached_tokens, sold.input_tokens)
    cached_usd = revenue.usd_per_mtok_cached_input or 0.0
    lines = {
        "input": tokens * (sold.input_tokens - cached) * revenue.usd_per_mtok_input,
        "cached_input": tokens * cached * cached_usd,
        "output": tokens * sold.output_tokens * revenue.usd_per_mtok_output,
        "requests": metered * sold.requests * revenue.usd_per_request,
    }
    for plan in revenue.plans:
        lines[f"plan {plan.name}"] = _plan_usd(plan, sold)
    return lines


def subscribers(plan: Plan, sold: Sold) -> float:
    """Paid users or seats whose traffic the plan's share of the run's requests is."""
    user = Subscriber.of(plan)
    per_month = sold.requests * plan.share / sold.span_s * MONTH_S
    return per_month / user.mean_served / plan.active_share


def peak_share(hours: Sequence[tuple[float, float]], begin_h: float, length_h: float) -> float:
    """Share of the time from hour `begin_h` of the day, for `length_h` hours, that lies within `hours`."""
    days, rest = divmod(length_h, 24.0)
    begin = begin_h % 24.0
    daily = sum(last - first for first, last in hours)
    inside = sum(
        max(0.0, min(last + shift, begin + rest) - max(first + shift, begin))
        for first, last in hours
        for shift in (0.0, 24.0)
    )
    return (days * daily + inside) / length_h


def plan_margins(revenue: Revenue, sold: Sold, usd_per_request: float) -> list[dict[str, Any]]:
    """Of each plan, in a month: who pays, what the mean user leaves, and how that falls with use.

    usd_per_request: what serving a request cost in the span [$]. Margins are $ per user and month; the break-even
    user's requests are None where no user costs more than he pays.
    """
    found = []
    for plan in revenue.plans:
        user = Subscriber.of(plan)
        edge = user.break_even_requests(usd_per_request)
        found.append(
            {
                "name": plan.name,
                "users": subscribers(plan, sold),
                "usd_per_month": plan.usd_per_month,
                "cost_usd_per_user_month": user.mean_served * usd_per_request,
                "margin_usd": {
                    "mean": user.mean_margin_usd(usd_per_request),
                    **{f"p{p}": user.margin_at(p / 100, usd_per_request) for p in PERCENTILES},
                    "heaviest_percent": user.margin_of_top(0.01, usd_per_request),
                },
                "break_even_requests": None if math.isinf(edge) else edge,
                "share_at_loss": user.share_at_loss(usd_per_request),
            }
        )
    return found


def _peak_factor(peak: Peak | None, sold: Sold) -> float:
    """Mean of the price multiplier over the span."""
    if peak is None:
        return 1.0
    return 1 + (peak.multiplier - 1) * peak_share(peak.hours, sold.start_hour, sold.span_s / HOUR_S)


def _plan_usd(plan: Plan, sold: Sold) -> float:
    user = Subscriber.of(plan)
    months = sold.span_s / MONTH_S
    seats = subscribers(plan, sold)
    return seats * months * (plan.usd_per_month + plan.active_share * user.mean_overage_usd)


@dataclass(frozen=True)
class Subscriber:
    """Who pays a fee by the month: what the heavy and the light users bring in and cost.

    use: requests wanted in a month.  cap: requests that the fee covers.  metered: whether those beyond it are
    served, at `overage_usd` each; else they are not.
    """

    use: Use
    fee_usd: float
    cap: float = math.inf
    metered: bool = False
    overage_usd: float = 0.0

    @classmethod
    def of(cls, plan: Plan) -> Subscriber:
        """The users of a plan of a scenario."""
        use = use_of(plan.requests_per_month, plan.sigma, plan.tail)
        cap = math.inf if plan.cap_requests is None else plan.cap_requests
        return cls(
            use, plan.usd_per_month, cap, plan.beyond_cap == "metered", plan.overage_usd_per_request or 0.0
        )

    @property
    def mean_served(self) -> float:
        """Requests served per user and month, on average."""
        return self.use.mean if self.metered or math.isinf(self.cap) else self.use.capped_mean(self.cap)

    @property
    def mean_overage_usd(self) -> float:
        """Paid for requests beyond the cap, per user and month, on average [$]."""
        return mean_over(self.use, self.cap) * self.overage_usd if self.metered else 0.0

    def paid_usd(self, wanted: float) -> float:
        """What a user who wants `wanted` requests pays in a month [$]."""
        return self.fee_usd + (max(wanted - self.cap, 0.0) * self.overage_usd if self.metered else 0.0)

    def served(self, wanted: float) -> float:
        """Requests that such a user is served."""
        return wanted if self.metered else min(wanted, self.cap)

    def margin_usd(self, wanted: float, usd_per_request: float) -> float:
        """What such a user leaves in a month, at a cost of `usd_per_request` [$]."""
        return self.paid_usd(wanted) - self.served(wanted) * usd_per_request

    def margin_at(self, percentile: float, usd_per_request: float) -> float:
        """Margin on the user at this percentile of use (between 0 and 1) [$/month]."""
        return self.margin_usd(self.use.quantile(percentile), usd_per_request)

    def mean_margin_usd(self, usd_per_request: float) -> float:
        """Margin per user and month, on average [$]."""
        return self.fee_usd + self.mean_overage_usd - self.mean_served * usd_per_request

    def losing_use(self, usd_per_request: float) -> tuple[float, float]:
        """Between which numbers of requests a user costs more than he pays; (inf, inf) where nowhere.

        Beyond a cap, requests sold above their cost bring him back to a profit in the end.
        """
        if usd_per_request <= 0:
            return math.inf, math.inf
        within = self.fee_usd / usd_per_request
        gain = self.overage_usd - usd_per_request if self.metered else 0.0
        if within < self.cap:
            back = self.cap + (self.cap * usd_per_request - self.fee_usd) / gain if gain > 0 else math.inf
            return within, back
        if gain < 0:
            return self.cap + (self.fee_usd - self.cap * usd_per_request) / -gain, math.inf
        return math.inf, math.inf

    def break_even_requests(self, usd_per_request: float) -> float:
        """Requests beyond which a user costs more than he pays; infinite where none does."""
        return self.losing_use(usd_per_request)[0]

    def share_at_loss(self, usd_per_request: float) -> float:
        """Share of users who cost more than they pay."""
        first, last = self.losing_use(usd_per_request)
        return (1.0 if math.isinf(last) else self.use.below(last)) - self.use.below(first)

    def margin_of_top(self, share: float, usd_per_request: float) -> float:
        """Mean margin on the heaviest `share` of users [$ per user and month]: what a flat fee loses on them."""
        if share >= 1:
            return self.mean_margin_usd(usd_per_request)
        edge = self.use.quantile(1 - share)
        mean = mean_of_top(self.use, share)
        over = mean_over(self.use, max(edge, self.cap)) / share + max(edge - self.cap, 0.0)
        if self.metered:
            return self.fee_usd + over * self.overage_usd - mean * usd_per_request
        return self.fee_usd - (mean - over) * usd_per_request
