"""Users who pay by the month: what plans bring in, and how the margin falls with use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.report.words import NONE, counted, percent
from sim.units import format_usd

HEADERS = ("plan", "users", "fee", "cost", "margin", "median", "heaviest 1 %", "at a loss")


def plan_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row for each plan, in dollars per user and month: fee, mean cost, and margins from the mean to the heaviest."""
    for plan in summary.get("plans", ()):
        margins = plan["margin_usd"]
        yield (
            plan["name"],
            f"{plan['users']:,.0f}",
            format_usd(plan["usd_per_month"]),
            format_usd(plan["cost_usd_per_user_month"]),
            *(format_usd(margins[key]) for key in ("mean", "p50", "heaviest_percent")),
            percent(plan["share_at_loss"]),
        )


def plan_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """For each plan, the user who costs what he pays."""
    for plan in summary.get("plans", ()):
        edge = plan["break_even_requests"]
        words = NONE if edge is None else f"{counted(round(edge), 'request')} a month"
        yield f"break-even user of {plan['name']}: {words}"
