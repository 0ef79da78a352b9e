"""Pools that do a part of each request, and drafts, in a result's terminal text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.report.words import counted, duration, figure

Summary = Mapping[str, Any]


def role_lines(summary: Summary) -> Iterator[tuple[str, str]]:
    """A name and a sentence for each pool that hands prompts on, and for each that verifies drafts."""
    for pool in summary["pools"]:
        found = pool.get("handover")
        if found and found["prompts"]:
            yield (
                pool["name"],
                f"hands {counted(found['prompts'], 'prompt')} on ({figure(found['bytes'] / 1e9)} GB of KV), "
                f"{duration(found['mean_s'])} on the way in the mean",
            )
        drafts = pool.get("speculation")
        if drafts:
            by = drafts.get("draft", drafts["method"])
            yield (
                pool["name"],
                f"verifies {counted(drafts['length'], 'token')} of {by} a step, {100 * drafts['acceptance']:.0f} % "
                f"accepted (given): {drafts['tokens_per_step']:.3g} tokens a step",
            )
