"""A plan in words: the fleet, how sure it is, what binds, what one server's loss does, and what else there was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from sim.report.study_text import as_text, table
from sim.report.words import NONE, counted, dollars, duration, percent
from sim.units import format_power, format_usd

Report = Mapping[str, Any]
_LIMITS = {
    "site_w": ("power at the site", format_power),
    "capex_usd": ("capex", format_usd),
    "usd_per_hour": ("cost per hour", format_usd),
    "accelerators": ("accelerators", lambda n: f"{n:,.0f}"),
    "racks": ("racks", lambda n: f"{n:,.0f}"),
}
_TARGETS = {"ttft": "time to first token", "tpot": "time per output token", "e2e": "end-to-end time"}


def render(report: Report) -> str:
    """The report of either mode as text."""
    return as_text(_plan(report) if report["mode"] == "plan" else _fixed(report))


def _plan(report: Report) -> Iterator[RenderableType | str]:
    fleet, sure = report["fleet"], report["verification"]
    rate = report["demand_rps"]
    demand = f"{rate:.4g} requests/s, " if rate is not None else ""
    yield f"{report['scenario']}: {demand}{percent(report['attainment'])} of requests within their targets"
    yield ""
    yield f"  {'fleet' if report['feasible'] else 'nearest'}      {fleet['description']}"
    yield f"             {_size(fleet)}"
    yield (
        f"  cost       {format_usd(fleet['usd_per_hour'])} per hour, {dollars(fleet['usd_per_mtok_output'])} per "
        f"million output tokens; {_number(fleet['j_per_output_token'])} J per output token"
    )
    yield (
        f"  latency    TTFT p99 {duration(fleet['ttft_p99_s'])}, TPOT p99 {duration(fleet['tpot_p99_s'])}, "
        f"end to end p90 {duration(fleet['e2e_p90_s'])}"
    )
    met = [a for a in sure["attainment"] if a is not None]
    span = f"{percent(min(met))} to {percent(max(met))} attain in" if met else "no backlog in"
    yield (
        f"  verified   {span} {sure['runs']} longer runs with fresh seeds; a further one meets the targets\n"
        f"             with probability {percent(sure['probability'])}"
    )
    yield from _binding(report["binding"])
    yield from _node(report["one_node"])
    yield from _infeasible(report)
    yield ""
    yield "Cost, latency, energy: fleets that none other beats in all three (all meet the targets)"
    yield table(
        ("fleet", "$/hour", "end to end p90", "J/token", "TTFT p99", "TPOT p99", "accelerators"),
        (
            (
                p["description"],
                f"{p['usd_per_hour']:,.4g}",
                duration(p["e2e_p90_s"]),
                _number(p["j_per_output_token"]),
                duration(p["ttft_p99_s"]),
                duration(p["tpot_p99_s"]),
                f"{p['accelerators']:,.0f}",
            )
            for p in report["front"]
        ),
    )
    for text in report["why_not"]:
        yield f"not possible: {text}"
    yield ""
    speed = report["configurations_per_s"]
    yield (
        f"{report['configurations']:,} configurations reckoned at {speed:,.0f} a second, {report['points']} fleets "
        f"sized in {report['evaluations']:,} runs; {report['wall_s']:.1f} s in all"
    )


def _size(fleet: Report) -> str:
    return (
        f"{counted(round(fleet['accelerators']), 'accelerator')}, {counted(round(fleet['racks']), 'rack')}, "
        f"{format_power(fleet['site_w'])} at the site (nameplate), {dollars(fleet['capex_usd'])} to buy"
    )


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}"


def _binding(found: Report) -> Iterator[str]:
    target = _TARGETS.get(found["target"], found["target"])
    yield f"  binds      {found['resource']}: {found['why']};\n             beyond it the {target} breaks first"
    if found.get("limits"):
        names = ", ".join(_LIMITS[n][0] for n in found["limits"])
        yield f"             the {found['larger_fleet']} keeps it from growing: one more replica would exceed {names}"
    if found["headroom_rps"] is not None:
        yield f"  headroom   {found['headroom_rps']:.3g} requests/s, to {found['held_rps']:.4g} at the targets"


def _node(found: Report) -> Iterator[str]:
    lost = f"{found['replicas_lost']} {'replica' if found['replicas_lost'] == 1 else 'replicas'}"
    after = "the backlog grows" if found.get("backlog_grows") else f"{percent(found['attainment'])} attain"
    yield f"  one server lost: {lost} gone, {after}" + (
        ""
        if found["meets"]
        else "; to survive it, add "
        f"{found['spare_replicas']}, {format_usd(found['usd_per_hour_with_spare'])} per hour"
    )


def _infeasible(report: Report) -> Iterator[str]:
    if report["feasible"]:
        return
    yield ""
    yield "No fleet is within the limits. The nearest, above, exceeds"
    for name, over in report["exceeds"].items():
        label, show = _LIMITS[name]
        yield f"  {label}: {show(report['fleet'][name])} against {show(report['limits'][name])} ({over:.2f} times)"
    part = report["within_limits"]
    if part["replicas"]:
        held = f"{part['held_rps']:.4g} requests/s, " if part["held_rps"] is not None else ""
        yield (
            f"Within the limits, {part['description']} holds {held}"
            f"{percent(part['share_of_demand'])} of the demand."
        )
    else:
        yield "Not one replica of any of them is within the limits."


def _fixed(report: Report) -> Iterator[RenderableType | str]:
    holds = report["holds"]
    yield f"{report['scenario']}: {report['fleet']}"
    yield ""
    parts = [f"{holds['rps']:.4g} requests/s"]
    if holds["users"] is not None:
        parts.append(f"{holds['users']:,.0f} users")
    if holds["clients"] is not None:
        parts.append(f"{holds['clients']:,} clients")
    if holds["requests_in_flight"] is not None:
        parts.append(f"{holds['requests_in_flight']:,.0f} requests at once")
    yield f"  holds      {', '.join(parts)} with {percent(report['attainment'])} within their targets"
    if report["demand_rps"] is not None:
        yield (
            f"  demand     {report['demand_rps']:.4g} requests/s: "
            f"{'held' if report['meets_demand'] else 'more than it holds'}"
        )
    yield f"  cost       {dollars(holds['usd_per_request'])} per request at that load"
    yield from _binding(report["binding"])
    yield f"\n{report['evaluations']} runs, {report['wall_s']:.1f} s"
