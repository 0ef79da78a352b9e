"""A scale study in words: cost by size, three elasticities under their own names, what each economy is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from sim.report.binding import binds_word
from sim.report.study_text import as_text, table
from sim.report.words import NONE, counted, duration, percent
from sim.units import format_power

Report = Mapping[str, Any]
_KINDS = {
    "fixed_fleet": "(i) fixed fleet (of the largest size)",
    "planned_serving": "(ii) re-planned fleet, serving alone",
    "planned": "(ii) re-planned fleet, with the economies below",
    "energy": "(ii) energy of the re-planned fleet",
    "conventional": "conventional service, its code included",
    "conventional_running": "conventional, running alone",
    "conventional_running_without_reuse": "conventional, running, answers not reused, flat egress",
}

_LOAD_HEADERS = ("load", "requests/s", "$/Mtok out", "J/token", "batch", "busy")


def render(report: Report) -> str:
    """The report of either mode as text."""
    return as_text(_curves(report) if report["mode"] == "load curve" else _scale(report))


def _scale(report: Report) -> Iterator[RenderableType | str]:
    yield f"{report['scenario']}: fleets planned anew at each size for the busiest hour, then run for a day"
    yield ""
    headers = ("users", "accelerators", "spare", "cells", "busy", "batch", "met", "TTFT p99", "site power")
    yield table((*headers, "Wh/req", "binds (first)"), (_fleet_row(r) for r in report["rows"]))
    yield ""
    yield "US cents per request"
    names = (
        "users",
        "(i) fixed fleet",
        "(ii) serving",
        "(ii) all",
        *report["economies"],
        "conventional",
        "its reuse",
    )
    yield table(names, (_cost_row(r, report["economies"]) for r in report["rows"]))
    yield ""
    yield from _elasticity(report)
    yield from _hour(report["full_hour"])
    yield from _history(report["history"])
    if "mitigated" in report:
        yield f"\nWith {report['mitigated']['technique']} on every workload:\n"
        yield from _scale(report["mitigated"])
    yield f"\n{report['wall_s']:.1f} s"


def _fleet_row(r: Report) -> tuple[str, ...]:
    f, p = r["fleet"], r["planned"]
    return (
        f"{r['users']:,.0f}",
        f"{f['accelerators']:,}",
        f"{f['spare_replicas']:,}",
        f"{f['cells']:,}",
        percent(r["utilization"]),
        f"{r['mean_batch']:.3g}" if r["mean_batch"] is not None else NONE,
        percent(r["attainment_of_day"]),
        duration(r["ttft_p99_s"]),
        format_power(p["site_w_mean"]),
        f"{p['wh_per_request']:.3g}",
        binds_word(r["binding"]),
    )


def _cost_row(r: Report, economies: list[str]) -> tuple[str, ...]:
    daily, p = r["requests_per_day"], r["planned"]

    def cents(usd: float) -> str:
        return f"{100 * usd / daily:.3g}" if abs(usd) > 1e-6 else "0"

    return (
        f"{r['users']:,.0f}",
        cents(r["fixed_fleet"]["usd_per_day"]),
        cents(p["core_usd_per_day"]),
        cents(p["usd_per_day"]),
        *(cents(p["parts_usd_per_day"][e]) for e in economies),
        cents(r["conventional"]["usd_per_day"]),
        percent(r["conventional"]["hit_rate"]),
    )


def _elasticity(report: Report) -> Iterator[RenderableType | str]:
    found = report["elasticity"]
    start = found["saturated_from_users"]
    since = f"from {start:,.0f} users on" if start is not None else "not reached"
    yield f"Elasticity of total cost against users (1: proportional; 95 % interval). Past saturation: {since}"
    rows = [(text, found[key]) for key, text in _KINDS.items()]
    rows += [(f"(ii) all but {name}", kinds) for name, kinds in found["planned_without"].items()]
    yield table(
        ("", "below saturation", "past saturation"),
        ((text, _slope(k["below_saturation"]), _slope(k["past_saturation"])) for text, k in rows),
    )


def _slope(found: Report | None) -> str:
    if found is None:
        return NONE
    if found["low"] is None:
        return f"{found['mean']:.3f}"
    return f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _hour(found: Report | None) -> Iterator[str]:
    if found is None:
        return
    yield (
        f"\nThe busiest hour of {found['users']:,.0f} users, every request: {found['requests']['completed']:,} of "
        f"{found['requests']['arrived']:,} completed on {found['accelerators']:,} accelerators in "
        f"{counted(found['cells'], 'cell')}; {percent(found['attainment'])} met their targets; "
        f"{found['wall_s']:.3g} s, {found['requests_per_wall_s']:,.0f} requests/s"
    )


def _history(records: list[Report]) -> Iterator[RenderableType | str]:
    yield "\n(iii) History: scale, progress and product together. Not a point of the curves above."
    yield table(
        ("service", "kind", "period", "against", "confidence", "elasticity"),
        (
            (r["service"], r["kind"], r["period"], r["use"], r["confidence"], f"{r['elasticity']:.2f}")
            for r in records
        ),
        words=5,
    )


def _curves(report: Report) -> Iterator[RenderableType | str]:
    yield f"{report['scenario']}: cost against offered load, from near idle to saturation"
    for name, curve in report["curves"].items():
        yield ""
        yield (
            f"{name}: {curve['replicas']:,} x {curve['accelerators'] // curve['replicas']} accelerators; saturation at "
            f"{curve['saturation_rps']:.4g} requests/s, {curve['saturation_tokens_per_s']:,.0f} output tokens/s"
        )
        yield from _knee(curve)
        yield table(
            (
                "load",
                "requests/s",
                "$/Mtok out",
                "J/token",
                "batch",
                "busy",
                "TTFT p50",
                "p99",
                "TPOT p50",
                "p99",
                "met",
            ),
            (_point(p) for p in curve["points"]),
        )
    yield f"\n{report['wall_s']:.1f} s"


def _knee(curve: Report) -> Iterator[str]:
    knee = curve["knee"]
    if knee is None:
        yield "knee: cost does not come within 1.5 times its least below saturation"
        return
    yield (
        f"knee (1.5 times the least cost): {percent(knee['share'])} of saturation, {knee['rps']:.3g} requests/s, "
        f"${knee['usd_per_mtok_output']:.3g}/Mtok, TTFT p99 {duration(knee.get('ttft_p99_s'))}, "
        f"TPOT p99 {duration(knee.get('tpot_p99_s'))}"
    )
    if curve["slo_edge_share"] is not None:
        yield f"targets are met by 99 % up to {percent(curve['slo_edge_share'])} of saturation (points simulated)"


def _point(p: Report) -> tuple[str, ...]:
    return (
        percent(p["share"]),
        f"{p['offered_rps']:.3g}",
        f"{p['usd_per_mtok_output']:.3g}",
        f"{p['j_per_output_token']:.3g}",
        f"{p['mean_batch']:.3g}" if p["mean_batch"] is not None else NONE,
        percent(p["utilization"]),
        duration(p["ttft_p50_s"]),
        duration(p["ttft_p99_s"]),
        duration(p["tpot_p50_s"]),
        duration(p["tpot_p99_s"]),
        "overloaded" if p["overloaded"] else percent(p["attainment"]),
    )
