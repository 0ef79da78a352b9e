"""A fleet that demand outgrows, in words: when it fails, by when to order, when the power is out, month by month."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from sim.report.study_text import as_text, table
from sim.report.words import NONE, counted, figure, fine, percent
from sim.units import format_power, format_usd

Report = Mapping[str, Any]
WEEKS_PER_MONTH = 365.25 / 12 / 7


def render(report: Report) -> str:
    """The report as text."""
    return as_text(_lines(report))


def _lines(report: Report) -> Iterator[RenderableType | str]:
    now, start = report["present"], report["start"][:10]
    rate = report["demand_rps"]
    demand = "" if rate is None else f"{fine(rate)} requests/s, "
    yield (
        f"{report['scenario']}: {demand}growing by {percent(report['growth_per_month'])} a month "
        f"(standard deviation {percent(report['growth_spread'])}) from {start} on"
    )
    yield ""
    yield f"  present    {now['fleet']}, {format_power(now['site_w'])} at the site (nameplate)"
    held = "" if now["held_rps"] is None else f" ({fine(now['held_rps'])} requests/s)"
    yield (
        f"  holds      {figure(now['held_factor'])} times the demand{held}; beyond it {now['binds']} binds and "
        f"{now['breaks']} breaks first"
    )
    yield f"  fails      {_span(report['fails'])}"
    yield f"  order by   {_order(report)}"
    yield from _power(report)
    yield (
        f"  early      each replica that is there a month early costs {format_usd(report['usd_per_replica_month'])}"
    )
    yield ""
    yield "What the demand needs, if it grows as expected"
    yield table(
        (
            "date",
            "demand",
            "requests/s",
            "replicas",
            "accelerators",
            "site",
            "energised",
            "to add",
            "order by",
        ),
        (_month(m) for m in report["months"]),
    )
    yield f"\n{report['wall_s']:.1f} s"


def _span(when: Report) -> str:
    date = when["date"]
    if date["expected"] is None:
        return "never, at this growth" + (f"; at fast growth {date['early']}" if date["early"] else "")
    return f"{date['expected']} (between {date['early']} and {date['late'] or 'never'} in nine cases of ten)"


def _order(report: Report) -> str:
    when, weeks = report["order_by"], report["lead_time_weeks"]
    date = when["date"]
    if date["early"] is None:
        return "no order is needed"
    words = [
        f"{date['expected'] or 'never'} with a lead time of {weeks:.3g} weeks; {date['early']} to be in time in "
        "nineteen cases of twenty"
    ]
    for key, text in (("expected", "as expected"), ("early", "fast")):
        months = when["months"][key]
        if months is not None and months < 0:
            words.append(f"already late by {figure(-months * WEEKS_PER_MONTH)} weeks if demand grows {text}")
            break
    return "; ".join(words)


def _power(report: Report) -> Iterator[str]:
    found = report["power"]
    if found is None:
        return
    steps = ", ".join(f"{format_power(e['power_w'])} from {e['from']}" for e in found["energised"])
    yield f"  power      {steps}: exceeded {_span(found['exceeded'])}"
    by = found["request_by"]
    if by["date"]["expected"] is not None:
        late = " (already past)" if by["months"]["expected"] < 0 else ""
        yield (
            f"             more of it takes {found['lead_time_weeks']:.3g} weeks: to be requested by "
            f"{by['date']['expected']}{late}"
        )


def _month(m: Report) -> tuple[str, ...]:
    rate, energised = m["demand_rps"], m["energised_w"]
    over = "" if energised is None or m["site_w"] <= energised else " !"
    return (
        m["date"],
        f"{figure(m['demand_factor'])} times",
        fine(rate),
        f"{m['replicas']:,}",
        f"{m['accelerators']:,}",
        format_power(m["site_w"]) + over,
        NONE if energised is None else format_power(energised),
        counted(m["accelerators_to_add"], "accelerator") if m["accelerators_to_add"] else NONE,
        m["order_by"] or NONE,
    )
