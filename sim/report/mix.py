"""A capacity mix in words: what to own, rent, have on spot and leave to an API, and what each level costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from sim.report.study_text import as_text, table
from sim.report.words import dollars, duration, figure, fine, percent
from sim.units import format_usd

Report = Mapping[str, Any]
_HAD = {"fixed": "all the time", "spot": "spot", "on demand": "on demand", "spill": "left to the API"}
_PRICE = {
    "fixed_usd": "paid all the time",
    "on_demand_usd": "on demand",
    "spot_usd": "spot",
    "spill_usd": "API",
}


def render(report: Report) -> str:
    """The report as text."""
    return as_text(_lines(report))


def _lines(report: Report) -> Iterator[RenderableType | str]:
    found, best = report["mix"], report["mix"]["usd_per_h"]
    yield (
        f"{report['scenario']}: {report['hours']:,} hours, {fine(report['busiest_rps'])} requests/s in the busiest, "
        f"{percent(report['mean_over_busiest'])} of it in the mean; {report['replicas_busiest']:,} replicas of "
        f"{report['accelerators_per_replica']} {report['accelerator']} at the busiest"
    )
    yield ""
    yield f"  mix        {_words(report)}"
    yield (
        f"  cost       {format_usd(best)} per hour, {format_usd(report['usd_per_week'])} per week, "
        f"{format_usd(report['usd_per_request'])} per request"
    )
    if found["spilled_per_h"]:
        share = found["spilled_per_h"] / (report["mean_rps"] * 3600)
        yield f"  spilled    {percent(share)} of the requests, {format_usd(found['spill_usd_per_h'])} per hour"
    yield from _break_even(report)
    yield ""
    yield "Levels of the load-duration curve, and what the mean replica of each would cost an hour in each way"
    yield table(
        ("replicas", "had", "in use", "all the time", "on demand", "spot", "API"),
        (_level(level) for level in report["levels"]),
        words=2,
    )
    yield ""
    yield "Other ways"
    yield table(("", "$/hour", "over the mix"), _ways(report, best))
    yield ""
    yield "One price changed, the best mix then"
    yield table(
        ("price", "times", "all the time", "spot", "on demand", "spilled/h", "$/hour"),
        (
            (
                _PRICE[r["price"]],
                f"{r['times']:g}",
                f"{r['fixed']:,}",
                f"{r['spot']:,} + {r['spot_spare']:,}",
                f"{r['on_demand']:,}",
                f"{r['spilled_per_h']:,.0f}",
                fine(r["usd_per_h"]),
            )
            for r in report["sensitivity"]
        ),
    )
    yield from _prices(report)
    if "replay" in report:
        yield from _replay(report["replay"])
    yield f"\n{report['wall_s']:.1f} s"


def _words(report: Report) -> str:
    found = report["mix"]
    parts = []
    if found["fixed"]:
        parts.append(f"{found['fixed']:,} {report['fixed_by']}")
    if found["spot"]:
        parts.append(f"{found['spot']:,} spot (and {found['spot_spare']:,} to spare)")
    if found["on_demand"]:
        parts.append(f"up to {found['on_demand']:,} on demand")
    if found["spilled_per_h"]:
        parts.append("the rest to the API")
    return ", ".join(parts)


def _break_even(report: Report) -> Iterator[str]:
    """In what share of the hours a replica must be in use for what is paid all the time to be the cheaper."""
    shares = report["break_even"]
    others = {"on_demand": "renting on demand", "spot": "spot", "spill": "the API at full load"}
    parts = [
        f"cheaper than {words} above {percent(share)} of the hours"
        if share < 1
        else f"never cheaper than {words}"
        for key, words in others.items()
        if (share := shares[key]) is not None
    ]
    if parts:
        yield f"  break-even {report['fixed_by']} is {', '.join(parts)}"


def _level(level: Report) -> tuple[str, ...]:
    def usd(key: str) -> str:
        return figure(level[key])

    first, last = percent(level["used_first"]), percent(level["used_last"])
    return (
        f"{level['from']:,} to {level['to']:,}",
        _HAD[level["had"]],
        first if first == last else f"{first} to {last}",
        usd("fixed_usd"),
        usd("on_demand_usd"),
        usd("spot_usd"),
        usd("spill_usd"),
    )


def _ways(report: Report, best: float) -> Iterator[tuple[str, ...]]:
    for name, found in report["strategies"].items():
        yield name, fine(found["usd_per_h"]), f"{figure(found['usd_per_h'] / best)} times"


def _prices(report: Report) -> Iterator[str]:
    yield ""
    for kind, price in report["prices"].items():
        yield f"{kind}: {format_usd(price['usd_per_accelerator_hour'])} per accelerator-hour ({price['source']})"
    spill = report["spill"]
    if spill is not None:
        yield (
            f"API: {spill['api']} of {spill['vendor']}, {spill['date']}: ${spill['usd_per_mtok_input']:g} in, "
            f"${spill['usd_per_mtok_output']:g} out per million tokens ({spill['source']})"
        )


def _replay(found: Report) -> Iterator[RenderableType | str]:
    yield ""
    yield "Simulated: the mix, and as many replicas as the busiest hour needs all the time"
    yield table(
        (
            "",
            "targets met",
            "TTFT p99",
            "TPOT p99",
            "requests",
            "turned away",
            "spilled",
            "$/hour",
            "$/request",
        ),
        (
            (
                name,
                percent(r["attainment"]),
                duration(r["ttft_p99_s"]),
                duration(r["tpot_p99_s"]),
                f"{r['arrived']:,}",
                f"{r['rejected']:,}",
                f"{r['spilled']:,}",
                fine(r["usd_per_hour"]),
                dollars(r["usd_per_request"]),
            )
            for name, r in found.items()
        ),
    )
