"""Studies as plain text: tables without lines, rendered to at most a given width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 160


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> Table:
    """A table of `words` columns of text and then numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for i, header in enumerate(headers):
        if i < words:
            made.add_column(header, no_wrap=True)
        else:
            made.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    return made


def as_text(parts: Iterable[RenderableType | str], width: int = WIDTH) -> str:
    """Parts below one another as text without trailing blanks."""
    console = Console(width=width, no_color=True, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(Group(*(Text(p) if isinstance(p, str) else p for p in parts)))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def ratio(found: dict | None) -> str:
    """A ratio with its interval, "0.42 (0.41 to 0.43)"."""
    if not found or found["mean"] is None:
        return "-"
    if found["low"] is None or found["high"] - found["low"] < 5e-4 * found["mean"]:
        return f"{found['mean']:.3g}"
    return f"{found['mean']:.3g} ({found['low']:.3g} to {found['high']:.3g})"
