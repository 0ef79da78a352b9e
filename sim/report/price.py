"""A run's money at two sets of prices, line beside line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.report.study_text import as_text, table
from sim.report.words import NONE, dollars, percent

Money = Mapping[str, Any]
WIDTH = 100
_EACH = {
    "usd_per_hour": "per hour",
    "usd_per_request": "per request",
    "usd_per_mtok_output": "per million output tokens",
    "usd_per_mtok": "per million tokens, read or written",
}


def render(name: str, changes: Sequence[str], before: Money, after: Money) -> str:
    """The ledger as the run had it and at the changed prices."""
    changed = ", ".join(changes) or "no change"
    shown = table(("", "as run", "repriced", "change"), _rows(before, after))
    phases = table(("spent on", "as run", "repriced", "change"), _phases(before["cost"], after["cost"]))
    return as_text(
        [f"{name}, repriced: {changed}", "", shown, "", phases, "", *_sources(after["cost"])], WIDTH
    )


def _rows(before: Money, after: Money) -> Iterator[tuple[str, str, str, str]]:
    old, new = before["cost"]["breakdown"], after["cost"]["breakdown"]
    for line in dict.fromkeys((*old, *new)):
        if old.get(line) or new.get(line):
            yield _row(line.replace("_", " "), old.get(line, 0.0), new.get(line, 0.0))
    yield _row("total", before["cost"]["usd_total"], after["cost"]["usd_total"])
    for key, words in _EACH.items():
        yield _row(words, before["cost"][key], after["cost"][key])
    for key in ("revenue", "margin"):
        if before[key] is not None or after[key] is not None:
            yield _row(key, before[key], after[key])


def _phases(before: Money, after: Money) -> Iterator[tuple[str, str, str, str]]:
    old, new = before["by"]["phase"], after["by"]["phase"]
    for phase in dict.fromkeys((*old, *new)):
        yield _row(phase, old.get(phase, 0.0), new.get(phase, 0.0))


def _row(words: str, old: float | None, new: float | None) -> tuple[str, str, str, str]:
    if old is None or new is None:
        return words, dollars(old), dollars(new), NONE
    change = "" if new == old else percent(new / old - 1) if old else NONE
    return words, dollars(old), dollars(new), change


def _sources(cost: Money) -> Iterator[str]:
    for pool, each in cost["prices"].items():
        what = "a server costs" if "server_usd" in each else "an accelerator rents per hour for"
        usd = each.get("server_usd", each.get("accelerator_usd_per_hour"))
        yield f"In {pool} {what} {dollars(usd)} ({each['source']})."
