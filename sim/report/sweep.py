"""A sweep's summary as text: bands, probabilities, what drives the outcome, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.report.rows import aligned
from sim.report.words import NONE, figure, percent

Summary = Mapping[str, Any]

HEADLINES = {
    "cost.usd_per_request": "cost per request, $",
    "cost.usd_per_mtok_output": "cost per million output tokens, $",
    "margin_fraction": "margin, share of revenue",
    "latency.ttft_s.p99": "TTFT p99, s",
    "latency.tpot_s.p99": "TPOT p99, s",
    "latency.e2e_s.p50": "end to end p50, s",
    "slo.attainment": "requests within targets, share",
    "slo.goodput_rps": "goodput, requests/s",
    "power.it_w_mean": "IT power, W",
    "energy.wh_per_request": "energy per request, Wh",
    "carbon.kg": "carbon, kg",
}
"""Metrics that text shows; the files hold all."""
LISTED = 10
BINDS = "binding.binds."
"""Before the name of a resource: metrics that are 1 in runs where it binds, else 0."""


def render(summary: Summary) -> str:
    """The summary as plain text."""
    return "\n".join(_lines(summary))


def uncertainty_text(found: Summary) -> str:
    """The bands of one run's headlines, and what they stand for."""
    failed = f", {found['failed']} of which failed" if found["failed"] else ""
    return "\n".join(
        [
            f"Uncertainty over {found['draws']} draws{failed}",
            bands(found["figures"]),
            f"varied: {found['varied']}",
            f"not varied: {found['not_varied']}",
        ]
    )


def bands(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The headlines among `figures`, each with its median and 5 to 95 % band."""
    rows: list[tuple[str, ...]] = [("", "5 %", "median", "95 %")]
    for name, label in HEADLINES.items():
        found = figures.get(name)
        if found is not None and found["median"] is not None:
            rows.append((label, *(figure(found[k]) for k in ("p5", "median", "p95"))))
    return aligned(rows)


def _lines(summary: Summary) -> Iterator[str]:
    early = f", stopped early of {summary['samples_at_most']:,}" if summary["stopped_early"] else ""
    yield f"{summary['name']}: {summary['runs']:,} runs, {summary['samples']:,} samples{early}"
    for setting in summary["settings"]:
        yield ""
        if setting["setting"]:
            yield ", ".join(f"{k} = {v}" for k, v in setting["setting"].items())
        yield bands(setting["metrics"])
        yield from _binds(setting["metrics"])
        yield from _probabilities(setting["probability"])
        yield from _sensitivity(setting["sensitivity"])
        yield from _tornado(setting["tornado"])
    yield from _failures(summary)


def _binds(metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """In what share of the runs each resource binds, the most frequent first."""
    shares = {n.removeprefix(BINDS): m["mean"] for n, m in metrics.items() if n.startswith(BINDS)}
    often = sorted(((share, name) for name, share in shares.items() if share), reverse=True)
    if often:
        yield "binds: " + ", ".join(f"{name} in {percent(share)} of runs" for share, name in often)


def _probabilities(found: Summary) -> Iterator[str]:
    for name, label in (("slo_met", "meets its SLO"), ("profit", "makes a profit")):
        p = found[name]
        told = NONE if p is None else f"{percent(p['p'])} ({percent(p['low'])} to {percent(p['high'])})"
        yield f"probability that it {label}: {told}"


def _sensitivity(found: Summary | None) -> Iterator[str]:
    if found is None:
        return
    yield ""
    yield f"Sobol indices of {found['metric']} (5 to 95 % of a bootstrap over {found['samples']:,} samples)"
    rows: list[tuple[str, ...]] = [("factor", "first", "", "total", "")]
    for f in found["factors"]:
        pairs = ((f"{f[k]:.2f}", f"{f[k + '_p5']:.2f} to {f[k + '_p95']:.2f}") for k in ("first", "total"))
        rows.append((f["factor"], *(cell for pair in pairs for cell in pair)))
    yield aligned(rows)


def _tornado(found: Summary | None) -> Iterator[str]:
    if found is None:
        return
    yield ""
    yield f"{found['metric']}, {figure(found['median'])} at all medians; each factor alone, 5th to 95th percentile"
    rows: list[tuple[str, ...]] = [("factor", "at its low end", "at its high end", "low end", "high end")]
    for bar in found["bars"]:
        ends = ("drawn", "as a group") if bar["inputs"] is None else map(figure, bar["inputs"])
        rows.append((bar["factor"], figure(bar["at_low"]), figure(bar["at_high"]), *ends))
    yield aligned(rows)


def _failures(summary: Summary) -> Iterator[str]:
    if not summary["failed"]:
        return
    yield ""
    yield f"{summary['failed']:,} runs failed:"
    for failure in summary["failures"][:LISTED]:
        yield f"  {failure['key']}  {' '.join(failure['changes'])}"
        yield f"      {failure['error']}"
    if summary["failed"] > LISTED:
        yield f"  and {summary['failed'] - LISTED:,} more, in summary.json and results.parquet"
