"""What binds a run, how much more it holds, and what to change: from a summary's section `binding`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from sim.report.study_text import as_text, table
from sim.report.words import NONE, percent
from sim.units import format_usd

Section = Mapping[str, Any]
NOTHING = "nothing"


def binding_lines(found: Section) -> Iterator[tuple[str, str]]:
    """Lines of the answer, each with its name: what binds, the headroom, what to change."""
    yield "binds", _binds(found)
    several = len({p["model"] for p in found["pools"]}) > 1 and found["headroom"]["rps"] is not None
    of = f" (of {found['headroom']['model']}, which has the least)" if several else ""
    yield "headroom", headroom_words(found["headroom"]) + of
    yield "change", found["change"]


def _binds(found: Section) -> str:
    if found["resource"] != NOTHING:
        others = [p for p in found["pools"] if p["resource"] != NOTHING and p["pool"] != found["pool"]]
        also = "".join(f"; {p['resource']} in {p['pool']}" for p in others)
        return f"{found['resource']} in {found['pool']}: {found['why']}{also}"
    first = found["first"]
    later = "" if first is None else f". As load grows, {first['resource']} first: {first['why']}"
    return f"nothing: {found['pool']} is {found['why']}{later}"


def headroom_words(found: Section) -> str:
    """How much more load is held, and how that is known."""
    counted = found["counted"]
    if found["known_by"] == "bisection":
        return _measured(found)
    if found["rps"] is None:
        return "not estimated (static batching, or no arrivals over time)"
    if found["rps"] < 0:
        return f"none: the backlog grows by {-found['rps']:.3g} {counted}/s"
    if found["rps"] == 0:
        return "none: more is offered than is held within the targets"
    return (
        f"about {found['likely_rps']:.3g} {counted}/s above {found['busiest_rps']:.4g}, {found['rps']:.3g} at the very "
        f"most (load {percent(1 / found['factor'])}), by the step tables alone; --headroom measures it"
    )


def _measured(found: Section) -> str:
    after = f"; beyond it {found['binds_first']} binds and {found['breaks_first']} breaks first (measured by bisection)"
    if found["rps"] is None:
        return f"{found['factor']:.3g} times the demand is held within the targets{after}"
    return (
        f"{found['rps']:.3g} {found['counted']}/s: {found['held_rps']:.4g} are held within the targets, against "
        f"{found['busiest_rps']:.4g} in the busiest hour{after}"
    )


def binds_word(found: Section) -> str:
    """One word or two for tables: what binds, in brackets what will first where nothing does."""
    if found["resource"] != NOTHING or found["first"] is None:
        return found["resource"]
    return f"({found['first']['resource']})"


def advice_words(report: Mapping[str, Any]) -> str:
    """What was tried, the best first, and what was of no use."""
    return as_text(_advice(report))


def _advice(report: Mapping[str, Any]) -> Iterator[RenderableType | str]:
    counted = report["counted"]
    yield (
        f"What to change (each change alone, simulated; now {report['held_rps']:.4g} {counted}/s held for "
        f"{format_usd(report['usd_per_hour'])} per hour)"
    )
    yield table(
        ("change", "expected", "held", "more", "$/hour more", "$ per million more"),
        (_row(r) for r in report["changes"]),
    )
    for r in report["changes"]:
        note = f" ({r['caution']})" if r["caution"] else ""
        yield f"  {r['change']}: {' '.join(f'--set {key}' for key in r['set'])}{note}"
    if not report["changes"]:
        yield "  no change that was tried raises the load held"
    if report["no_help"]:
        yield "no help: " + "; ".join(f"{r['change']} ({_signed(r['gain_rps'])})" for r in report["no_help"])
    for text in report["not_possible"]:
        yield f"not possible: {text}"


def _row(r: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        r["change"],
        NONE if r["expected_rps"] is None else f"{r['expected_rps']:.3g}",
        f"{r['held_rps']:.4g}",
        f"{_signed(r['gain_rps'])} ({_signed(100 * r['gain_share'])} %)",
        f"{r['more_usd_per_hour']:+.3g}",
        "free" if r["usd_per_million_more"] == 0 else format_usd(r["usd_per_million_more"]),
    )


def _signed(value: float) -> str:
    return f"{value:+.3g}"
