"""The report of `simulate validate` as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_GROUPS = 40
MOST_WORST = 10


def render(report: Mapping[str, Any]) -> str:
    """Errors by metric and by group, the worst rows, and what was not answered with why (see `study.validate`)."""
    overall = [[name, *_errors(e)] for name, e in report["overall"].items()]
    groups = sorted(report["groups"], key=lambda g: -g["rows"])
    names = ("source", "accelerator", "model", "stack", "metric")
    shown = [[*(g[n] for n in names), *_errors(g)] for g in groups[:MOST_GROUPS]]
    worst = [_worst(row) for row in report["worst"][:MOST_WORST]]
    missing = [
        [f"{m['rows']:,}", m["source"], m["metric"], m["why"]] for m in report["unanswered"][:MOST_GROUPS]
    ]
    head = ["rows", "answered", "median", "p90"]
    parts = [
        "Error |predicted / measured - 1|, by metric",
        _table([["metric", *head], *overall]),
        f"By group ({min(len(groups), MOST_GROUPS)} largest of {len(groups)}; all with --json)",
        _table([[*names, *head], *shown]),
        "Worst rows",
        _table([["file:line", "source", "accelerator", "model", "metric", "measured", "predicted"], *worst]),
    ]
    if missing:
        parts += ["Not answered", _table([["rows", "source", "metric", "why"], *missing])]
    return "\n\n".join(part for part in parts if part)


def _errors(found: Mapping[str, Any]) -> list[str]:
    shares = ("-" if found[n] is None else f"{100 * found[n]:.1f} %" for n in ("median_ape", "p90_ape"))
    return [f"{found['rows']:,}", f"{found['answered']:,}", *shares]


def _worst(row: Mapping[str, Any]) -> list[str]:
    where = f"{row['file']}:{row['line']}"
    names = [row[n] for n in ("source", "accelerator", "model", "metric")]
    return [where, *names, f"{row['measured']:.4g}", f"{row['predicted']:.4g}"]


def _table(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in lines
    )
