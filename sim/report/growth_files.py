"""A growing fleet as files: order.json, months.csv, and a picture with the dates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

from sim.report.files import pyplot, save, write_csv, write_json

Report = Mapping[str, Any]
Z90 = NormalDist().inv_cdf(0.95)
"""Standard deviations to either side that hold nine cases of ten."""


def write_growth(report: Report, place: Path) -> None:
    """Write the report into the folder `place`. The picture needs matplotlib."""
    place.mkdir(parents=True, exist_ok=True)
    write_json(report, place / "order.json")
    write_csv(report["months"], place / "months.csv")
    plot(report, place / "order.png")


def plot(report: Report, path: Path) -> None:
    """Demand over today's with its interval, what the present fleet holds and when it fails; below, the power of the
    fleet that the demand needs against what is energised."""
    plt = pyplot()
    power = report["power"]
    figure, axes = plt.subplots(
        2 if power else 1, 1, figsize=(11, 7 if power else 4.2), sharex=True, squeeze=False
    )
    _demand(axes[0][0], report)
    if power:
        _energised(axes[1][0], report)
    axes[-1][0].set_xlabel(f"months from {report['start'][:10]}")
    figure.suptitle(
        f"{report['scenario']}: {100 * report['growth_per_month']:.3g} % growth a month "
        f"(sd {100 * report['growth_spread']:.2g}), lead time {report['lead_time_weeks']:.3g} weeks",
        fontsize=11,
    )
    figure.tight_layout()
    save(figure, path)


def _demand(axis: Any, report: Report) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    months = [m["month"] for m in report["months"]]
    middle, spread = math.log1p(report["growth_per_month"]), Z90 * report["growth_spread"]
    axis.fill_between(
        months,
        [math.exp((middle - spread) * m) for m in months],
        [math.exp((middle + spread) * m) for m in months],
        color="#4c72b0",
        alpha=0.2,
        lw=0,
        label="demand, nine cases of ten",
    )
    axis.plot(months, [math.exp(middle * m) for m in months], color="#4c72b0", label="demand, expected")
    held = report["present"]["held_factor"]
    axis.axhline(held, color="black", lw=1, ls="--", label=f"held by the present fleet: {held:.3g}")
    for key, colour, label in (("order_by", "#c44e52", "order by"), ("fails", "#dd8452", "fails")):
        _dates(axis, report[key], colour, label, months[-1])
    axis.set_yscale("log")
    axis.set_ylabel("demand over today's")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)


def _dates(axis: Any, when: Report, colour: str, label: str, last: float) -> None:
    """A line at the expected month, and a band from early to late, as far as they lie in the picture."""
    months, dates = when["months"], when["date"]
    early = last if months["early"] is None else months["early"]
    late = last if months["late"] is None else months["late"]
    axis.axvspan(max(early, 0.0), min(max(late, 0.0), last), color=colour, alpha=0.1, lw=0)
    if months["expected"] is not None and 0 <= months["expected"] <= last:
        axis.axvline(months["expected"], color=colour, lw=1.5, label=f"{label} {dates['expected']}")


def _energised(axis: Any, report: Report) -> None:
    months = [m["month"] for m in report["months"]]
    axis.plot(
        months,
        [m["site_w"] / 1e6 for m in report["months"]],
        color="#55a868",
        label="fleet that demand needs",
    )
    axis.step(
        months,
        [m["energised_w"] / 1e6 for m in report["months"]],
        where="post",
        color="black",
        lw=1.2,
        label="energised",
    )
    _dates(axis, report["power"]["exceeded"], "#8172b3", "exceeded", months[-1])
    axis.set_ylabel("power at the site, nameplate [MW]")
    axis.set_ylim(bottom=0)
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
