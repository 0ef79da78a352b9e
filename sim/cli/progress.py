"""Progress of many runs: a bar on a terminal's standard error, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sim.cli.group import say

if TYPE_CHECKING:
    from sim.study.sweep import Progress

EVERY_S = 5.0
"""Between two lines where standard error is no terminal."""


@contextmanager
def runs_bar(name: str) -> Iterator[Callable[[Progress], None]]:
    """Shows the progress that it is called with: runs done, rate, time left, failures."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.completed:,.0f} of {task.total:,.0f} runs, {task.fields[told]}"),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1, told="")
        yield lambda p: bar.update(task, completed=p.done, total=p.total, told=_rate(p))


def _lines() -> Callable[[Progress], None]:
    last_s = time.monotonic()

    def tell(p: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= EVERY_S:
            last_s = time.monotonic()
            say(f"{p.done:,} of {p.total:,} runs, {_rate(p)}")

    return tell


def _rate(p: Progress) -> str:
    from sim.units import format_duration

    failures = f", {p.failures:,} failed" if p.failures else ""
    return f"{p.rate_per_s:,.1f}/s, {format_duration(p.eta_s)} left{failures}"
