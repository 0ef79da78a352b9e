"""What techniques multiply, in words: one table of multipliers, one of waits, one of prices of avoided errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from sim.report.study_text import as_text, table
from sim.report.words import NONE, duration, figure, fine, percent

Report = Mapping[str, Any]
VIEWS = {"light": "little demand", "saturated": "saturated", "resized": "fleet resized"}
_EACH = ("busy_accelerator_s", "joules", "usd")


def render(report: Report) -> str:
    """The report as text."""
    return as_text(_parts(report))


def _parts(report: Report) -> Iterator[RenderableType | str]:
    rows = report["rows"]
    yield f"{report['scenario']}: the same users and prompts under each technique, over plain requests"
    yield f"  little demand: {figure(report['light_rps'])} requests/s on the scenario's fleet"
    yield "  saturated: the same fleet, always with more to do than it can"
    yield (
        f"  fleet resized: the smallest for {fine(report['demand_rps'])} requests/s with "
        f"{percent(report['attainment'])} of passes within TTFT and TPOT targets"
    )
    for cache in (False, True):
        which = "with" if cache else "without"
        yield f"\nMultipliers {which} prefix cache; of busy accelerator-seconds / joules / dollars by view"
        yield _multipliers([r for r in rows if r["prefix_cache"] == cache])
    yield "\nThe user's wait for the whole answer (mean, p50, p99)"
    yield _waits(rows)
    yield "\nBy family: least, median and greatest multiplier; how many are nearer to ten times than to once"
    yield _families(report["families"])
    yield from _prices(rows)
    yield ""
    yield from _notes(report)


def _multipliers(rows: list[Report]) -> RenderableType:
    headers = ("technique", "tokens", "output x 4", "prefill", "decode FLOPs", *VIEWS.values())
    return table(headers, (_multiplier_row(r) for r in rows))


def _multiplier_row(row: Report) -> tuple[str, ...]:
    ratio = row["ratio_to_base"]
    whole = ("tokens", "tokens_output_4", "prefill_flops", "decode_flops")
    views = [" / ".join(f"{figure(ratio[v] and ratio[v][k]):>4}" for k in _EACH) for v in VIEWS]
    return (row["technique"], *(figure(ratio[k]) for k in whole), *views)


def _waits(rows: list[Report]) -> RenderableType:
    def cells(row: Report, view: str) -> tuple[str, ...]:
        found = row[view]
        return tuple(duration(found["e2e_s"][k]) if found else NONE for k in ("mean", "p50", "p99"))

    return table(
        (
            "technique",
            "cache",
            *("little demand: mean", "p50", "p99"),
            *("resized: mean", "p50", "p99"),
            *("accelerators", "hit rate"),
        ),
        (
            (
                r["technique"],
                "yes" if r["prefix_cache"] else "no",
                *cells(r, "light"),
                *cells(r, "resized"),
                f"{r['resized']['accelerators']:,}" if r["resized"] else NONE,
                percent(r["light"]["cache_hit_rate"]) if r["light"]["cache_hit_rate"] is not None else NONE,
            )
            for r in rows
        ),
        words=2,
    )


def _families(families: list[Report]) -> RenderableType:
    def spread(found: Report | None) -> str:
        if found is None:
            return NONE
        if found["techniques"] == 1:
            return figure(found["median"])
        return f"{figure(found['median'])} ({figure(found['least'])} to {figure(found['greatest'])})"

    return table(
        (
            "family",
            "techniques",
            "tokens",
            "dollars, no cache",
            "dollars, cache",
            "nearer to ten: no cache",
            "cache",
        ),
        (
            (
                f["family"],
                f"{f['tokens']['techniques']}",
                spread(f["tokens"]),
                spread(f["usd_without_cache"]),
                spread(f["usd_with_cache"]),
                *(
                    str(f[k]["nearer_to_ten"]) if f[k] else NONE
                    for k in ("usd_without_cache", "usd_with_cache")
                ),
            )
            for f in families
        ),
    )


def _prices(rows: list[Report]) -> Iterator[RenderableType | str]:
    found = [(r, e) for r in rows if r["prefix_cache"] for e in r["effects"]]
    if not found:
        return
    yield "\nCost of an error avoided, as published on other models and benchmarks (with prefix cache)"
    yield table(
        (
            "technique",
            "benchmark and metric",
            "before",
            "after",
            "extra $/1000 requests",
            "$/error avoided",
            "known",
        ),
        (
            (
                r["technique"],
                f"{e['benchmark']}: {e['metric']}"[:56],
                f"{e['before']:g}",
                f"{e['after']:g}",
                figure(1000 * e["extra_usd_per_request"]),
                figure(e["usd_per_error_avoided"])
                if e["usd_per_error_avoided"] is not None
                else f"(with {e['reported_with']})",
                e["confidence"],
            )
            for r, e in found
        ),
        words=2,
    )
    yield (
        "Extra dollars over plain requests. These do not compare with each other: benchmarks, models and years differ; "
        "an error is an answer or a fact."
    )


def _notes(report: Report) -> Iterator[str]:
    added = {m: None for r in report["rows"] for m in r["added_pools"]}
    if added:
        yield (
            f"Judges and reward models are {report['judge']} unless named; for {', '.join(added)} a pool of the same "
            "accelerator was added where a technique asks for it, and is paid for."
        )
    for r in report["rows"]:
        which = f"{r['technique']} {'with' if r['prefix_cache'] else 'without'} prefix cache"
        if r["why_not"]:
            yield f"{which}: no fleet meets the targets: {r['why_not']}"
        if r["light"]["overloaded"]:
            yield f"{which}: overloads the fleet even with little demand"
    yield f"One seed ({report['seed']}), the same requests for all; {report['wall_s']:.1f} s"
