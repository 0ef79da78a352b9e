"""What reports that are written as files have in common: JSON, tables (CSV), pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DOTS_PER_INCH = 110


def write_json(report: Mapping[str, Any], path: Path) -> None:
    """The report as it is. Raises ValueError for a number that JSON has not."""
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Rows whose keys may differ, each number with five digits."""
    keys = list(dict.fromkeys(k for row in rows for k in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows({k: _short(v) for k, v in row.items()} for row in rows)


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, their keys joined; lists of tables by their first."""
    found: dict[str, Any] = {}
    for key, part in value.items():
        if isinstance(part, list) and part and isinstance(part[0], Mapping):
            part = part[0]
        if isinstance(part, Mapping):
            found.update(flat(part, f"{prefix}{key}."))
        elif isinstance(part, list):
            found[prefix + key] = "; ".join(f"{x:.5g}" if isinstance(x, float) else str(x) for x in part)
        else:
            found[prefix + key] = part
    return found


def pyplot() -> Any:
    """matplotlib's pyplot, which draws into files and opens no window. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def save(figure: Any, path: Path, dpi: int = DOTS_PER_INCH, **how: Any) -> None:
    """Write the figure as PNG, and forget it; how: as `savefig` takes it."""
    figure.savefig(path, dpi=dpi, **how)
    pyplot().close(figure)
