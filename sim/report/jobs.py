"""Images and videos in a result's terminal text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.report.words import NONE, dollars, duration, figure
from sim.units import format_watt_hours

Summary = Mapping[str, Any]
HEADERS = ("workload", "model", "job", "made", "a second", "p50", "p99", "energy", "cost")
"""Of the table of jobs; the first three are words."""


def job_rows(summary: Summary) -> Iterator[tuple[str, ...]]:
    """A row for each workload of images or videos; energy and cost are those of one, the site's included."""
    for job in summary.get("jobs", ()):
        each_wh, latency = job["wh_per_item"], job["latency_s"]
        frames = f" x {job['frames']}" if job["frames"] > 1 else ""
        yield (
            job["workload"],
            job["model"],
            f"{job['width']} x {job['height']}{frames}, {job['steps']} steps",
            f"{job['completed']:,}",
            figure(job["per_s"]),
            duration(latency["p50"]),
            duration(latency["p99"]),
            NONE if each_wh is None else format_watt_hours(each_wh * 3600),
            dollars(job["usd_per_item"]),
        )


def makes_jobs(summary: Summary, model: str) -> bool:
    """Whether `model` makes images or videos in this result."""
    return any(job["model"] == model for job in summary.get("jobs", ()))


def cost_words(summary: Summary) -> list[str]:
    """What one output token, and one image or video of each workload, costs."""
    usd, jobs = summary["cost"]["usd_per_mtok_output"], summary.get("jobs", ())
    words = [] if usd is None and jobs else [f"{dollars(usd)} per million output tokens"]
    for job in jobs:
        of = f" of {job['workload']}" if len(jobs) > 1 else ""
        words.append(f"{dollars(job['usd_per_item'])} per {job['kind']}{of}")
    return words
