"""A comparison in words: the fleets at equal targets, the ratios, the same count of each, and what did not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from sim.report.binding import binds_word
from sim.report.study_text import as_text, ratio, table
from sim.report.words import NONE, duration, percent
from sim.units import format_power, format_usd

Report = Mapping[str, Any]


def render(report: Report) -> str:
    """The report of either mode as text."""
    return as_text(_accelerators(report) if report["mode"] == "accelerators" else _scenarios(report))


def _accelerators(report: Report) -> Iterator[RenderableType | str]:
    able = [r for r in report["rows"] if r["fits"]]
    rate = report["demand_rps"]
    yield (
        f"{report['scenario']}: {rate:.4g} requests/s, " if rate is not None else f"{report['scenario']}: "
    ) + f"{percent(report['attainment'])} of requests within their targets"
    yield ""
    yield "At equal targets: the smallest fleet of each that meets them"
    headers = (
        "accelerator",
        "deployment",
        "count",
        "racks",
        "site",
        "capex",
        "$/Mtok out",
        "J/token",
        "tok/s each",
    )
    yield table(
        (*headers, "TTFT p99", "TPOT p99", "sure", "binds (first)"),
        (_slo_row(r) for r in able),
        words=2,
    )
    yield ""
    yield f"Ratio to {report['base']} (95 % interval of paired runs)"
    keys = (
        "accelerators",
        "usd_per_mtok_output",
        "j_per_output_token",
        "tokens_per_s_per_accelerator",
        "capex_usd",
    )
    yield table(
        ("accelerator", "count", "$/Mtok out", "J/token", "tok/s each", "capex"),
        ((r["accelerator"], *(ratio(r["ratio_to_base"].get(k)) for k in keys)) for r in able),
    )
    yield ""
    yield f"At equal count: {report['count']:,} accelerators of each"
    yield table(
        ("accelerator", "replicas", "requests/s at the targets", "ratio", "met at this demand"),
        (_count_row(r) for r in able),
    )
    for r in report["rows"]:
        if not r["fits"]:
            yield f"\n{r['accelerator']}: {r['why_not']}"
    if "measured" in report:
        yield from _measured(report["measured"])
    yield ""
    yield from _notes(able)
    yield (
        f"{report['configurations']:,} configurations reckoned, {report['evaluations']:,} runs, "
        f"{report['wall_s']:.1f} s"
    )


def _measured(rows: list[Report]) -> Iterator[RenderableType | str]:
    yield "\nMeasured ratios, the same protocol simulated, and the fleets above (own deployments, equal targets)"
    if not rows:
        yield "  none: this model was not measured on two of these accelerators"
        return
    yield table(
        ("newer / older", "metric", "source", "pairs", "measured", "same protocol", "fleets"),
        (
            (
                f"{r['newer']} / {r['older']}",
                r["metric"],
                r["source"],
                str(r["pairs"]),
                f"{r['measured_ratio']:.3g}",
                f"{r['predicted_ratio']:.3g}",
                NONE if r["fleet_ratio"] is None else f"{r['fleet_ratio']:.3g}",
            )
            for r in rows
        ),
        words=3,
    )


def _notes(rows: list[Report]) -> Iterator[str]:
    """Each warning once, with the accelerators that it is about."""
    about: dict[str, list[str]] = {}
    for r in rows:
        for text in dict.fromkeys(r["warnings"]):
            general = text.replace(r["accelerator"], "the chip").split(" (measured there")[0]
            about.setdefault(general, []).append(r["accelerator"])
    if about:
        yield "How well the step cost is known"
    for text, chips in about.items():
        yield f"  {text}: {', '.join(chips) if len(chips) < len(rows) else 'all'}"
    yield ""


def deployment(d: Report) -> str:
    """Parallel sizes, precision, batch and budget in short."""
    sizes = {
        "TP": "tensor_parallel",
        "PP": "pipeline_parallel",
        "DP": "attention_data_parallel",
        "EP": "expert_parallel",
    }
    cut = " ".join(f"{k}{d[v]}" for k, v in sizes.items() if k == "TP" or d[v] > 1)
    return f"{cut} {d['precision']} b{d['max_batch']}/{d['token_budget']}"


def _slo_row(r: Report) -> tuple[str, ...]:
    e = r["equal_slo"]
    ttft, tpot = e["latency"]["ttft_s"], e["latency"]["tpot_s"]
    return (
        r["accelerator"],
        "; ".join(deployment(d) for d in r["deployment"]),
        f"{e['accelerators']:,}",
        f"{e['racks']:,}",
        format_power(e["site_w_mean"]),
        format_usd(e["capex_usd"]) if e["capex_usd"] is not None else NONE,
        f"{e['usd_per_mtok_output']:.3g}",
        f"{e['j_per_output_token']:.3g}",
        f"{e['tokens_per_s_per_accelerator']:,.0f}",
        duration(ttft["p99"]),
        duration(tpot["p99"]),
        percent(e["probability"]),
        binds_word(e["binding"]),
    )


def _count_row(r: Report) -> tuple[str, ...]:
    e = r["equal_count"]
    if e["rps_at_slo"] is None:
        return (r["accelerator"], "0", "too few for one replica", NONE, NONE)
    met = "overloaded" if e["overloaded_at_demand"] else percent(e["attainment_at_demand"])
    return (r["accelerator"], f"{e['replicas']:,}", f"{e['rps_at_slo']:.4g}", f"{e['ratio_rps']:.3g}", met)


_FIGURES = {
    "accelerators": "accelerators",
    "attainment": "attainment",
    "goodput_rps": "goodput [requests/s]",
    "usd_per_hour": "$ per hour",
    "usd_per_request": "$ per request",
    "usd_per_mtok_output": "$ per million output tokens",
    "j_per_output_token": "J per output token",
    "wh_per_request": "Wh per request",
    "utilization": "utilization",
    "ttft_p50_s": "TTFT p50 [s]",
    "ttft_p99_s": "TTFT p99 [s]",
    "tpot_p50_s": "TPOT p50 [s]",
    "tpot_p99_s": "TPOT p99 [s]",
    "e2e_p99_s": "end to end p99 [s]",
}


def _scenarios(report: Report) -> Iterator[RenderableType | str]:
    rows = report["rows"]
    yield f"{len(rows)} scenarios, {report['replications']} paired runs of each"
    yield ""
    yield table(
        ("mean", *(r["name"] for r in rows)),
        (
            *((text, *(_figure(r["figures"][key]) for r in rows)) for key, text in _FIGURES.items()),
            ("binds (first), seed 1", *(binds_word(r["binding"]) for r in rows)),
        ),
    )
    yield ""
    yield f"Ratio to {report['base']} (95 % interval)"
    yield table(
        ("", *(r["name"] for r in rows[1:])),
        ((text, *(ratio(r["ratio_to_base"].get(key)) for r in rows[1:])) for key, text in _FIGURES.items()),
    )
    yield f"\n{report['wall_s']:.1f} s"


def _figure(found: Report) -> str:
    return NONE if found["mean"] is None else f"{found['mean']:.4g}"
