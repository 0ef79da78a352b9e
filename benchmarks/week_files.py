"""Where the shows of a fleet's week leave their figures: results/week/TOPIC/."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

FOLDER = Path(__file__).parent.parent / "results" / "week"


def write(topic: str, name: str, rows: Sequence[Mapping[str, Any]], figure: Figure | None = None) -> None:
    """Write rows that have the same keys as NAME.csv, numbers with six digits, and a figure as NAME.png beside them."""
    folder = FOLDER / topic
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )
    if figure is not None:
        figure.savefig(folder / f"{name}.png", dpi=130)
    print(f"wrote {folder / name}.csv")
