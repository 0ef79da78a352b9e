"""The claims as files: a table, the same as JSON, and pictures. Needs matplotlib for the pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.economics.decisions.replacement import (
    CappedSite,
    break_even_ratio,
    capped_break_even_ratio,
)
from sim.economics.users import Lognormal
from sim.report.claims import csv_text, markdown
from sim.report.files import pyplot, save
from sim.study.claims.blackwell import (
    GPT_MOE,
    GPT_MOE_GB200,
    GPT_MOE_H100,
    R1,
    R1_GB200,
    R1_H200,
    Point,
    frontier,
)
from sim.study.claims.charging import flat_user
from sim.study.claims.hardware import replacement_case, replacement_place
from sim.study.claims.ledger import ledgers

BLUE, RED, GREEN, GREY = "#1f5fa8", "#b8432f", "#2f8a5b", "#777777"
DOTS_PER_INCH = 130


def write(found: Sequence[Mapping[str, Any]], folder: str | Path) -> list[Path]:
    """claims.csv, claims.json, claims.md and the pictures of the claims that were tested; the paths written."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    table, plain = target / "claims.csv", target / "claims.json"
    table.write_text(csv_text(found), encoding="utf-8")
    plain.write_text(
        json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    shown = target / "claims.md"
    shown.write_text("# Published claims, tested\n\n" + markdown(found), encoding="utf-8")
    written = [table, plain, shown]
    tested = {row["id"] for row in found}
    for name, needs, draw in (
        ("copilot_margin.png", "copilot-worst-loss", _copilot),
        ("replacement.png", "ten-boxes-cheaper", _replacement),
        ("blackwell.png", "blackwell-30x", _blackwell),
    ):
        if needs in tested:
            written.append(target / name)
            _save(draw, target / name)
    return written


def _save(draw: Any, path: Path) -> None:
    plt = pyplot()
    with plt.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        save(draw(plt), path, dpi=DOTS_PER_INCH, bbox_inches="tight")


def _copilot(plt: Any) -> Any:
    """Margin on the user at each percentile of use, under four ways of charging."""
    ledger = ledgers()["copilot-worst-loss"]
    levers = ledgers()["pricing-levers"]
    fee, mean = levers["fee_usd"], ledger["mean_usd"]
    figure, axis = plt.subplots(figsize=(7.2, 4.4))
    percentiles = [i / 1000 for i in range(5, 996)]
    x = [100 * p for p in percentiles]
    for sigma, style in ((0.53, ":"), (0.93, "-"), (1.2, "--")):
        user = flat_user(mean, sigma, fee)
        axis.plot(
            x,
            [user.margin_at(p, 1.0) for p in percentiles],
            style,
            color=RED,
            label=f"flat $10, sigma {sigma}",
        )
    user = flat_user(mean, ledger["sigma"], fee)
    dear = replace(user, fee_usd=levers["higher_fee_usd"])
    axis.plot(x, [dear.margin_at(p, 1.0) for p in percentiles], color=GREEN, label="flat $30, sigma 0.93")
    metered = replace(user, cap=fee, metered=True, overage_usd=1.0)
    axis.plot(
        x, [metered.margin_at(p, 1.0) for p in percentiles], color=BLUE, label="$10, then metered at cost"
    )
    axis.axhline(0, color=GREY, lw=0.8)
    axis.axhline(-80, color=GREY, lw=0.8, ls=(0, (1, 3)))
    axis.annotate("published worst: -$80", (2, -77), color=GREY)
    even = 100 * Lognormal(mean, ledger["sigma"]).below(fee)
    axis.annotate(
        f"break-even user at $10:\npercentile {even:.0f}",
        (even, 0),
        (even - 8, 22),
        arrowprops={"arrowstyle": "->"},
    )
    axis.set(
        xlim=(0, 100),
        ylim=(-160, 36),
        xlabel="percentile of users, by use",
        ylabel="margin [$ per user and month]",
        title="A flat fee against heavy-tailed use: users who cost $30 a month on average",
    )
    axis.legend(loc="lower left", frameon=False)
    return figure


def _replacement(plt: Any) -> Any:
    """Performance at which new boxes pay, against the price of a box: by what they save, and where power is capped."""
    ledger = ledgers()["ten-boxes-cheaper"]
    case, place = replacement_case(ledger), replacement_place(ledger)
    prices = [1e5 * 10 ** (i / 50) for i in range(0, 91)]
    figure, axis = plt.subplots(figsize=(7.2, 4.4))
    for usd, hosting, words, style in (
        (0.08, 0.0, r"\$0.08/kWh, hall paid for", ":"),
        (0.08, 184.0, r"\$0.08/kWh and \$184/kW-month", "-"),
        (0.186, 250.0, r"\$0.186/kWh and \$250/kW-month", "--"),
    ):
        where = replace(place, usd_per_kwh=usd, usd_per_kw_month=hosting)
        ratios = [break_even_ratio(replace(case, new=replace(case.new, price_usd=p)), where) for p in prices]
        axis.plot([p / 1e6 for p in prices], ratios, style, color=RED, label=f"same work: {words}")
    for per_mw, style in ((5e6, ":"), (10e6, "-"), (30e6, "--")):
        # One old box of 100 kW takes in a tenth of what its megawatt does.
        site = CappedSite(place, 1000.0, per_mw / 10)
        ratios = [
            capped_break_even_ratio(replace(case, new=replace(case.new, price_usd=p)), site) for p in prices
        ]
        label = rf"power capped: old MW takes in \${per_mw / 1e6:.0f} M/year"
        axis.plot([p / 1e6 for p in prices], ratios, style, color=BLUE, label=label)
    axis.axhline(2, color=GREY, lw=0.8)
    axis.annotate("claim: twice", (0.103, 2.12), color=GREY, fontsize=8)
    axis.axvspan(2.2, 5.0, color=GREY, alpha=0.15, lw=0)
    axis.annotate("boxes of 100 kW\nas sold", (2.3, 9.0), color=GREY)
    axis.set(
        xscale="log",
        xlim=(0.1, 6.3),
        ylim=(0, 11),
        xlabel="price of a new box of 100 kW [$ million]",
        ylabel="performance of new over old, to break even",
        title="Keep or replace: above its line, buying the new box pays",
    )
    axis.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
    axis.minorticks_off()
    axis.legend(loc="upper left", frameon=False, fontsize=8)
    return figure


def _blackwell(plt: Any) -> Any:
    """Tokens per GPU against the speed for the user, all deployments' upper edge, and the ratio."""
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.0))
    moe = (GPT_MOE, GPT_MOE_H100, GPT_MOE_GB200)
    r1 = (R1, R1_H200, R1_GB200)
    for axis, (shape, old, new), ticks, title, olds in (
        (axes[0], moe, (2, 5, 10, 20, 50), "GPT-MoE 1.8T, 32,768 in, 1,024 out", "H100, FP8, 32 GPUs"),
        (axes[1], r1, (50, 100, 200, 500, 1000), "DeepSeek-R1, 8,192 in, 1,024 out", "H200, FP8, 8 GPUs"),
    ):
        for side, color, label in ((old, GREY, olds), (new, BLUE, "GB200 NVL72, FP4")):
            curves = frontier(side, shape)
            for curve in curves:
                points = sorted(curve, key=lambda p: p.speed)
                axis.plot(
                    [p.speed for p in points],
                    [p.per_gpu for p in points],
                    "o-",
                    ms=3,
                    lw=1,
                    color=color,
                    alpha=0.9 if _leads(points, curves) else 0.35,
                    label=label if _leads(points, curves) else None,
                )
        axis.axvline(20, color=RED, lw=0.8, ls=":", label="50 ms")
        axis.set(
            xscale="log",
            yscale="log",
            xlabel="speed for the user [tokens/s]",
            ylabel="output per GPU, prefill counted [tokens/s]",
            title=title,
        )
        axis.set_xticks([10, 20, 50, 100], ["10", "20", "50", "100"])
        axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.legend(
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.15),
            ncols=3,
            fontsize=8,
            columnspacing=1.2,
        )
    figure.tight_layout()
    return figure


def _leads(points: Sequence[Point], curves: Sequence[Sequence[Point]]) -> bool:
    """Whether the fullest batch of a deployment is the best of all deployments'."""
    return math.isclose(max(p.per_gpu for p in points), max(p.per_gpu for c in curves for p in c))
