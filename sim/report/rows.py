"""Rows of text under a header, as the catalogs give them: found by name, aligned, or one by one."""

from __future__ import annotations

from collections.abc import Sequence

from sim.errors import Fault, UserError, did_you_mean


def matching(
    kind: str, header: tuple[str, ...], found: Sequence[tuple[str, ...]], name: str
) -> tuple[tuple[str, ...], ...]:
    """Rows with `name` in one of the columns that name things. Raises UserError where there is none."""
    named = [i for i, h in enumerate(header) if h in ("name", "aliases", "of", "description")]
    hits = tuple(row for row in found if any(name.lower() in row[i].lower() for i in named))
    if not hits:
        names = dict.fromkeys(row[named[0]] for row in found)
        raise UserError(
            Fault(f"catalog {kind}", f'no entry has "{name}" in its name', did_you_mean(name, names))
        )
    return hits


def entry(header: Sequence[str], row: Sequence[str]) -> str:
    """One row, a line for each column."""
    width = max(map(len, header))
    return "\n".join(f"{h:{width}s}  {value}" for h, value in zip(header, row, strict=True))


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells of which each column is as wide as its widest."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}s}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
