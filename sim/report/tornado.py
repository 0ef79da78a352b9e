"""The tornado chart of a sweep's summary. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sim.report.files import pyplot, save
from sim.report.words import figure

PANELS = 4
"""Settings that are drawn, at most."""
DOWN, UP, GROUP = "#2a6f97", "#c1440e", "#8d99ae"


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def plot(summary: Mapping[str, Any], path: Path) -> bool:
    """Draw what each factor alone does to the metric, a panel for each of the first settings, as PNG.

    False where the sweep has no tornado.
    """
    shown = [s for s in summary["settings"] if s["tornado"] and s["tornado"]["bars"]][:PANELS]
    if not shown:
        return False
    plt = pyplot()
    bars = max(len(s["tornado"]["bars"]) for s in shown)
    size = (9.5, (1.6 + 0.42 * bars) * len(shown))
    drawing, axes = plt.subplots(len(shown), 1, figsize=size, squeeze=False, layout="constrained")
    for axis, setting in zip(axes[:, 0], shown, strict=True):
        _panel(axis, setting)
    drawing.suptitle(
        f"{summary['name']}: one factor at a time, the others at their medians\n"
        "blue: its 5th percentile, red: its 95th; grey: 5 to 95 % of the outcome, drawn as a group",
        fontsize=10,
    )
    save(drawing, path, dpi=120)
    return True


def _panel(axis: Any, setting: Mapping[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    tornado = setting["tornado"]
    bars, middle = tornado["bars"][::-1], tornado["median"]
    for y, bar in enumerate(bars):
        colors = (GROUP, GROUP) if bar["inputs"] is None else (DOWN, UP)
        for end, color in zip((bar["at_low"], bar["at_high"]), colors, strict=True):
            axis.barh(y, end - middle, left=middle, color=color, height=0.62)
        right = max(bar["at_low"], bar["at_high"], middle)
        axis.annotate(
            _ends(bar), (right, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8
        )
    axis.set_yticks(range(len(bars)), [bar["factor"] for bar in bars])
    axis.axvline(middle, color="black", lw=0.8)
    axis.margins(x=0.22)  # room for the words beside the bars
    axis.set_xlabel(f"{tornado['metric']} (all at their medians: {figure(middle)})")
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.tick_params(labelsize=9)
    if setting["setting"]:
        axis.set_title(", ".join(f"{k} = {v}" for k, v in setting["setting"].items()), fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)


def _ends(bar: Mapping[str, Any]) -> str:
    if bar["inputs"] is None:
        return f"{bar['runs']} draws of the group"
    low, high = bar["inputs"]
    return f"{figure(low)} to {figure(high)}"
