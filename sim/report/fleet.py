"""A fleet that changed, in a result's summary: accelerator-hours, availability, and replicas over time as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.report.words import counted, figure, percent
from sim.units import format_duration

Summary = Mapping[str, Any]
LEVELS = " ▁▂▃▄▅▆▇█"
"""Characters of a line, from 0 to its top."""


def fleet_lines(summary: Summary) -> Iterator[tuple[str, str]]:
    """Lines of the section, each with its name; none for results whose fleet did not change."""
    fleet = summary["fleet"]
    if "accelerator_hours" not in fleet:
        return
    yield "accelerator-hours", _hours(fleet["accelerator_hours"])
    yield "availability", _availability(fleet)
    for pool in fleet["pools"]:
        yield from _timeline(pool, summary)


def _hours(hours: Summary) -> str:
    parts = [
        f"{figure(hours['powered'])} on, of {figure(hours['static'])} if all were "
        f"({percent(hours['powered'] / hours['static'])})",
        f"{figure(hours['open'])} open to requests",
    ]
    if hours["perfect"] is not None:
        parts.append(f"a perfect scaler needs {figure(hours['perfect'])} at least")
    return "; ".join(parts)


def _availability(fleet: Summary) -> str:
    outages = [
        f"{counted(of['count'], kind)} ({counted(of['replicas'], 'replica')} out, "
        f"{figure(of['replica_hours'])} h in all)"
        for kind, of in fleet["outages"].items()
    ]
    starts = sum(pool["starts"] for pool in fleet["pools"])
    return (
        f"{percent(fleet['availability'])} of the replicas' time without an outage; "
        f"{', '.join(outages) or 'no outage'}; {counted(starts, 'start')}"
    )


def _timeline(pool: Summary, summary: Summary) -> Iterator[tuple[str, str]]:
    """Replicas on and open against the pool's, those that a perfect scaler has, and requests in queues."""
    line, most = pool["timeline"], pool["replicas"]
    start_s, end_s = line["start_s"][0], summary["span"]["end_s"]
    yield (
        pool["name"],
        f"from {format_duration(start_s)} to {format_duration(end_s)}, up to {most:,} replicas",
    )
    for name, label in (("powered", "on"), ("open", "open"), ("needed", "needed")):
        if line[name] is not None:
            yield label, _spark(line[name], most)
    longest = max(line["waiting"])
    yield "waiting", f"{_spark(line['waiting'], longest)}  at most {figure(longest)}"


def _spark(values: Sequence[float], top: float) -> str:
    """One character a value; what is above 0 shows."""
    steps = len(LEVELS) - 1
    if not top:
        return LEVELS[0] * len(values)
    levels = [min(steps, max(round(steps * v / top), int(v > 0))) for v in values]
    return "".join(LEVELS[level] for level in levels)
