"""Where the benchmarks leave their figures: results/benchmarks/NAME.json and NAME.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "results" / "benchmarks"


class Table:
    """Rows that print as Markdown."""

    def __init__(self, *header: str):
        self.rows: list[Sequence[str]] = [header]

    def add(self, *cells: object) -> None:
        self.rows.append([_cell(c) for c in cells])

    def markdown(self) -> str:
        head, *rows = ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([head, "|" + "---|" * len(self.rows[0]), *rows])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def machine() -> str:
    """The machine and the versions that matter, in a sentence."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [
            x.split(":", 1)[1].strip() for x in cpuinfo.read_text().splitlines() if x.startswith("model name")
        ]
        name = models[0] if models else name
    return f"Machine: {name}, {os.cpu_count()} cores; Python {platform.python_version()}, numba {version('numba')}."


def write(name: str, results: dict, text: Sequence[str]) -> None:
    """Write the figures as JSON and as a page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (FOLDER / f"{name}.md").write_text("\n\n".join(text) + "\n")
    print(f"wrote {FOLDER / name}.md")
