"""Pictures of results/week/demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sim.catalog._fit_shapes import WEEK_H, Wave

COLORS = ("#4c78a8", "#72b7b2", "#eeca3b", "#f58518", "#e45756")


def picture_shapes(
    path: Path,
    rates: Mapping[str, np.ndarray],
    waves: Mapping[str, Wave],
    burst: np.ndarray,
    smooth: np.ndarray,
    harmonics: int,
) -> None:
    """Two recorded weeks of each model with the fitted shape, and BurstGPT's hour-of-day means with theirs."""
    figure, axes = plt.subplots(
        len(rates) + 1, 1, figsize=(9.5, 2.3 * (len(rates) + 1)), layout="constrained"
    )
    hours = np.arange(2 * WEEK_H)
    for axis, (name, seen) in zip(axes, rates.items(), strict=False):
        mean = np.nanmean(seen)
        fitted = waves[name].at(hours.astype(float))
        axis.plot(hours / 24, seen / mean, color="#9aa5b1", lw=0.9, label="recorded, by hour")
        axis.plot(hours / 24, fitted / fitted.mean(), color="#d1495b", lw=1.8, label="shape in the catalog")
        kinds = f"{waves[name].day} of the day, {waves[name].week} of the week"
        axis.set_title(f"ServeGen {name}: harmonics {kinds}", loc="left", fontsize=10)
        axis.set(xlim=(0, 14), ylim=(0, None), ylabel="rate / mean", xticks=range(15))
        axis.axvline(7, color="black", lw=0.6, ls=":")
    axes[0].legend(loc="upper left", fontsize=8, frameon=False, ncols=2)
    axes[-2].set_xlabel("days since the record began (hour 0 is midnight; the weekday is not stated)")
    last = axes[-1]
    last.step(
        np.arange(25), np.append(burst, burst[-1]), where="post", color="#9aa5b1", label="mean of 61 days"
    )
    last.step(
        np.arange(25), np.append(smooth, smooth[-1]), where="post", color="#d1495b", lw=1.8, label="shape"
    )
    last.set_title(f"BurstGPT: harmonics {harmonics} of the day", loc="left", fontsize=10)
    last.set(xlim=(0, 24), ylim=(0, None), ylabel="rate / mean", xlabel="hour of day", xticks=range(0, 25, 3))
    last.legend(loc="upper left", fontsize=8, frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def picture_burstiness(path: Path, rows: Sequence[Mapping[str, Any]], targets_s: Sequence[float]) -> None:
    """TTFT at the 99th percentile by fleet, for each arrival process of the same mean rate."""
    figure, axis = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
    names = list(dict.fromkeys(r["arrivals"] for r in rows))
    for name, color in zip(names, COLORS, strict=True):
        own = [r for r in rows if r["arrivals"] == name]
        fleets = [r["replicas"] for r in own]
        axis.plot(fleets, [float(r["ttft_p99_s"]) for r in own], "o-", ms=3.5, color=color, label=name)
        least, most = ([float(r[f"ttft_p99_{k}_s"]) for r in own] for k in ("least", "most"))
        axis.fill_between(fleets, least, most, color=color, alpha=0.2, lw=0)
    for target in targets_s:
        axis.axhline(target, color="black", lw=0.6, ls=":")
        axis.annotate(f"{target:g} s", (1, target), xytext=(-2, 3), textcoords="offset points", fontsize=8)
    axis.set(
        xscale="log", yscale="log", xlabel="replicas (four A100 each)", ylabel="TTFT, 99th percentile [s]"
    )
    ticks = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.minorticks_off()
    axis.set_title("The same 2.6 requests/s, ever burstier (band: three seeds)", loc="left", fontsize=10)
    axis.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=130)
    plt.close(figure)
