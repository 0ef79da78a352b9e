"""The page that goes with the tables of a validation: what was run, the errors, the worst rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.study.held_out import metric_kind
from sim.study.validate import Answer, by, errors
from sim.study.validation_results import generation_ratios, worst_rows

TARGETS = {
    "in sample": {"tpot": 0.05, "throughput": 0.07, "latency": 0.06, "ttft": 0.15},
    "accelerator x model": {"tpot": 0.12, "throughput": 0.12, "ttft": 0.25},
    "stack": {"tpot": 0.14, "ttft": 0.30},
    "generation": {"tpot": 0.22, "ttft": 0.30},
}
"""Median errors aimed at."""
_KINDS = ("tpot", "ttft", "latency", "throughput")
_HEAD = """# How well measured rows are predicted

Made by `simulate calibrate {files} --cross-validate` on {date}. Errors are |predicted / measured - 1|, median and
90th percentile. How rows are read and fitted: docs/calibration.md.

"In sample" is over all rows of the files, percentiles of latency included. Left out: of a chip and model, of a measured
stack (predicted as the family it is like), of a generation (predicted as one that nobody has measured). The prior
values that fits start from were set with these rows in sight, so left-out errors are somewhat optimistic.
"""


def readme(found: Sequence[Answer], left_out: Sequence[Mapping[str, Any]], date: str, files: str) -> str:
    """The page as Markdown."""
    parts = [
        _HEAD.format(date=date, files=files),
        "## In sample and left out\n",
        _against_targets(found, left_out),
        "## In sample, by metric\n",
        _markdown(_by_metric(found)),
        "## Left out, by what was left out\n",
        _markdown(
            [_slice(r) for r in left_out if r["by"] == "left out" and r["left_out"] != "accelerator x model"]
        ),
        "## The ten worst configurations in sample\n",
        _markdown(worst_rows(found)),
        "## One generation against another on the same work\n\n"
        "Medians over pairs of rows that differ in the chip only: newer over older.\n",
        _markdown(generation_ratios(found)),
        "## Files\n\nby_source.csv, by_generation.csv, by_stack.csv: errors in sample. cross_validation.csv: errors "
        "left out. generations.csv, worst.csv: as above. unanswered.csv: rows without a prediction, and why.\n",
        "![predicted against measured](predicted_against_measured.png)\n",
        "![in sample and left out](in_sample_and_left_out.png)\n",
    ]
    return "\n".join(parts)


def _against_targets(found: Sequence[Answer], left_out: Sequence[Mapping[str, Any]]) -> str:
    good = by((a for a in found if not a.why), lambda a: metric_kind(a.row.metric))
    rows = []
    for way, aims in TARGETS.items():
        for kind in _KINDS:
            if way == "in sample":
                e = errors(good.get(kind, []))
                count, median, p90 = e["answered"], e["median_ape"], e["p90_ape"]
            else:
                hit = next(
                    (r for r in left_out if (r["left_out"], r["by"], r["metric"]) == (way, "all", kind)), None
                )
                if hit is None:
                    continue
                count, median, p90 = hit["rows"], hit["median_ape"], hit["p90_ape"]
            rows.append(
                {
                    "rows left out": way,
                    "kind": kind,
                    "rows": count,
                    "median": _percent(median),
                    "p90": _percent(p90),
                    "aim": _percent(aims[kind]) if kind in aims else "",
                }
            )
    return _markdown(rows)


def _by_metric(found: Sequence[Answer]) -> list[dict[str, Any]]:
    rows = []
    for metric, part in sorted(by(found, lambda a: a.row.metric).items()):
        e = errors(part)
        if e["answered"]:
            medians = {"median": _percent(e["median_ape"]), "p90": _percent(e["p90_ape"])}
            rows.append({"metric": metric, "rows": e["rows"], "answered": e["answered"], **medians})
    return rows


def _slice(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "left out": row["left_out"],
        "which": row["group"],
        "kind": row["metric"],
        "rows": row["rows"],
        "median": _percent(row["median_ape"]),
        "p90": _percent(row["p90_ape"]),
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "None.\n"
    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(str(r[h]).replace('|', '/') for h in head)} |" for r in rows]
    return "\n".join(lines) + "\n"
