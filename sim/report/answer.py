"""What a planner asks first, in a line each: are targets met, at what cost and power, what headroom is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.report.binding import binding_lines
from sim.report.jobs import cost_words
from sim.report.words import NONE, dollars, percent
from sim.units import format_power, format_usd

Summary = Mapping[str, Any]

SLO_MET = 0.99
"""Share of requests from which the answer says that targets are met."""
ERRORS = {"ttft": "TTFT", "tpot": "TPOT", "throughput": "throughput"}
"""Step-cost errors of a summary's pools, and their names."""


def answers(summary: Summary) -> Iterator[tuple[str, str]]:
    """Lines of the answer, each with its name: targets, cost, margin, power, what binds, headroom, accuracy."""
    yield "targets", _targets_met(summary)
    cost = summary["cost"]
    yield (
        "cost",
        f"{', '.join(cost_words(summary))}, {dollars(cost['usd_per_request'])} per request, "
        f"{format_usd(cost['usd_per_hour'])} per hour",
    )
    if summary["revenue"] is not None:
        yield "margin", _margin(summary)
    power = summary["power"]
    yield (
        "power",
        f"{format_power(power['it_w_mean'])} IT on average, {format_power(power['it_w_peak'])} at most, "
        f"{format_power(power['site_w_mean'])} at the meter",
    )
    yield from binding_lines(summary["binding"])
    yield "accuracy", _accuracy(summary)


def _targets_met(summary: Summary) -> str:
    share = summary["slo"]["attainment"]
    if share is None:
        return "none were given, or nothing arrived"
    verdict = "met" if share >= SLO_MET else "MISSED"
    return (
        f"{verdict}: {percent(share)} of requests attain theirs, {summary['slo']['goodput_rps']:.3g} a second"
    )


def _margin(summary: Summary) -> str:
    share = summary["margin_fraction"]
    part = "" if share is None else f" ({percent(share)})"
    return f"{format_usd(summary['margin'])}{part} on {format_usd(summary['revenue'])} of revenue"


def _accuracy(summary: Summary) -> str:
    """The widest median errors of any pool's step cost."""
    parts = []
    for metric, label in ERRORS.items():
        errors = [pool["step_cost"][f"{metric}_error"] for pool in summary["pools"]]
        parts.append(f"{label} {NONE if None in errors else 'to ' + percent(max(errors))}")
    return f"{', '.join(parts)} (median error of the step cost against measurements)"
