"""What requests made the models compute, how sessions and adapters fared, what a governor did: lines of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.report.words import duration, figure, percent
from sim.units import format_power

HEADERS = ("", "passes a request", "input", "cached", "output", "mean time")


def pass_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row for each stage of each workload that runs a program; means per pass."""
    for workload in summary["workloads"]:
        completed = workload["requests"]["completed"]
        for stage in workload.get("stages", ()):
            passes = stage["passes"]
            if passes and completed:
                yield (
                    f"{workload['name']}/{stage['name']}",
                    figure(passes / completed),
                    figure(stage["input"] / passes),
                    percent(stage["cached"] / stage["input"] if stage["input"] else None),
                    figure(stage["output"] / passes),
                    duration(stage["e2e_s"]),
                )


def session_lines(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How the sessions of each workload went."""
    for workload in summary["workloads"]:
        sessions = workload.get("sessions")
        if sessions:
            ends = [f"{sessions['ended']:,} of {sessions['started']:,} ended of themselves"]
            ends += [f"{sessions['failed']:,} by a rejected turn"] if sessions["failed"] else []
            ends += [f"{sessions['cut']:,} cut by the end of the run"] if sessions["cut"] else []
            means = f"{figure(sessions['turns_mean'])} turns and {duration(sessions['length_s_mean'])} in the mean"
            found = f"{percent(sessions['input_found'])} of what turns read was cached"
            yield workload["name"], f"{', '.join(ends)}: {means}; {found}"


def adapter_lines(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How often the adapters of each pool were there when they were asked for."""
    for pool in summary["pools"]:
        adapters = pool.get("adapters")
        if adapters:
            loads = f"{adapters['loads']:,} loads of {duration(adapters['load_s'])}"
            places = f"{adapters['count']:,} adapters, {adapters['resident']:,} at once on a replica"
            yield pool["name"], f"{places}: there for {percent(adapters['hit_rate'])} of admissions, {loads}"


def governor_lines(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the governor did while requests arrived."""
    governor = summary.get("governor")
    if not governor:
        return
    for rung in governor["rungs"]:
        if rung["time_share"] > 0:
            yield percent(rung["time_share"]), f"of the time {_rung(rung)}"
    excess = f", at most {format_power(governor['excess_w'])} above" if governor["excess_w"] else ""
    yield percent(governor["above_limit_share"]), f"of its readings above the limit{excess}"


def _rung(rung: Mapping[str, Any]) -> str:
    does = []
    if rung["holds"]:
        does.append("demand that can wait held")
    if rung["cap"] is not None:
        does.append(f"accelerators capped at {percent(rung['cap'])} of TDP")
    if rung["sheds"]:
        does.append("demand turned away")
    return ", ".join(does) or "nothing held down"
