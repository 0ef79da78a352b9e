"""What the shows of results/week have in common: where they write, tables, and the look of their pictures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "results" / "week"
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf")


def write_rows(topic: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """results/week/<topic>/<name>.csv, columns of the first row; numbers to four digits."""
    place = FOLDER / topic
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})


def pyplot():
    """matplotlib's pyplot, drawing to files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
    return plt


def save(figure: Any, topic: str, name: str) -> None:
    figure.savefig(FOLDER / topic / f"{name}.png", dpi=130, bbox_inches="tight")
