"""The table of tested claims, as text and as comma-separated values."""

from __future__ import annotations

import csv
import io
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    "id",
    "claim",
    "source",
    "published",
    "unit",
    "simulated",
    "low",
    "high",
    "interval_basis",
    "verdict",
    "condition",
    "flips",
    "note",
)
WIDTH = 110


def render(found: Sequence[Mapping[str, Any]]) -> str:
    """Each claim in a few lines, and how many hold."""
    counts = Counter(row["verdict"] for row in found)
    total = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return "\n\n".join([*map(_entry, found), f"{len(found)} claims: {total}"])


def csv_text(found: Sequence[Mapping[str, Any]]) -> str:
    """One line per claim, with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in found:
        low, high = row["interval"] or ("", "")
        whole = {**row, "low": low, "high": high}
        writer.writerow([_plain(whole[column]) for column in COLUMNS])
    return text.getvalue()


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """The table for reading: published, simulated, interval, verdict with its condition."""
    head = "| claim | published | simulated | interval | verdict |\n|---|---|---|---|---|"
    return "\n".join([head, *map(_table_row, found)]) + "\n"


def _table_row(row: Mapping[str, Any]) -> str:
    low_high = "-" if not row["interval"] else " to ".join(map(number, row["interval"]))
    verdict = f"**{row['verdict']}** {row['condition']}".strip()
    cells = (
        f"**{row['id']}**: {row['claim']}",
        number(row["published"]),
        f"{number(row['simulated'])} {row['unit']}" if row["simulated"] is not None else "-",
        f"{low_high}; {row['interval_basis']}" if row["interval"] else "-",
        verdict,
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def number(value: object) -> str:
    """Four digits, with thousands; text as it is; a dash for nothing."""
    if value is None or value == "":
        return "-"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def _plain(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _entry(row: Mapping[str, Any]) -> str:
    low_high = ""
    if row["interval"]:
        low, high = row["interval"]
        low_high = f", {number(low)} to {number(high)} by {row['interval_basis']}"
    unit = f" {row['unit']}" if row["unit"] else ""
    published = row["published"] if isinstance(row["published"], str) else number(row["published"]) + unit
    lines = [
        f"{row['id']}: {row['verdict']}{' ' + row['condition'] if row['condition'] else ''}",
        f"claim      {row['claim']}",
        f"published  {published}; {row['source']}",
        f"simulated  {number(row['simulated'])}{unit}{low_high}",
        *([f"flips      {row['flips']}"] if row["flips"] else []),
        *([f"note       {row['note']}"] if row["note"] else []),
    ]
    return "\n".join([lines[0], *(_wrapped(line) for line in lines[1:])])


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent=" " * 13)
