"""What another service charges for the requests that found no room: list price by token, as prefill and decode."""

from __future__ import annotations

from sim.economics.split import DECODE, PREFILL, Entry
from sim.economics.usage import WHOLE, Usage

LINE = "spill"
ELSEWHERE = "(another service)"
"""The pool that such a dollar is spent on."""
MILLION = 1e6


def spill_entries(usage: Usage) -> tuple[Entry, ...]:
    """Two amounts [$] for each workload that may be sent away; none where none may."""
    return tuple(
        Entry(LINE, ELSEWHERE, s.workload, f"{s.workload}/{WHOLE}", phase, tokens * price / MILLION)
        for s in usage.spilled
        for phase, tokens, price in (
            (PREFILL, s.input_tokens, s.usd_per_mtok_input),
            (DECODE, s.output_tokens, s.usd_per_mtok_output),
        )
    )
