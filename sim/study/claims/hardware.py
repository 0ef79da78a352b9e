"""Claims about chips and servers: what they do per watt, what they cost, and what they are worth later."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from sim.catalog.accelerators import accelerator
from sim.catalog.prices import price_series
from sim.catalog.servers import server
from sim.economics.capital import annuity_usd
from sim.economics.decisions.machine import Machine, Place
from sim.economics.decisions.replacement import Replacement, break_even_ratio
from sim.study.claims.finding import Finding, compound, judge, within
from sim.study.claims.ledger import Ledger

HOURS, MONTHS = 8760.0, 12.0
DAY_S = 86_400.0
NODE = 8
CLUSTER_SERVERS = (20.0, 130.0)
"""What "twenty or thirty to over a hundred" is taken to mean."""
ASKED = ("v100-aws-rent", "a100-40gb-aws-rent", "a100-80gb-aws-rent", "a100-40gb-lambda-rent")
"""Curves of what one provider asks for an hour: a list that stands still says nothing of the hardware's worth."""
A_YEAR_OF_SERVERS = ("2020", "2021", "2022", "2023")
"""When the hardware that the claims speak of was bought."""


def tflops_per_w(name: str, precision: str) -> float:
    """Dense peak of a server over its nameplate power [TFLOPS/W]; raises CatalogError or KeyError."""
    chip = accelerator(name)
    host = server(chip.server)
    return chip.peak_flops[precision] * host.accelerators / host.max_power_w / 1e12


def _half_in_three_years(ledger: Ledger) -> Finding:
    from sim.economics.residual import curves

    every = {name: c.left(3.0) for name, c in curves().items()}
    left = {name: value for name, value in every.items() if name not in ASKED}
    middle, interval = median(left.values()), (min(left.values()), max(left.values()))
    near = [
        n for n, v in left.items() if judge(v, (v, v), ledger.published or 0, ledger.tolerance) == "holds"
    ]
    verdict = "holds" if len(near) == len(left) else "holds only if" if near else "does not hold"
    return Finding(
        verdict,
        middle,
        interval,
        f"{len(left)} dated series of prices and market rents; the figure is their median",
        condition=f"one goes by {', '.join(near)} ({len(near)} of {len(left)} series)" if near else "",
        flips="the series: lists hardly fall, sold prices fall by a third, rents by four fifths and then rise again; a "
        "provider's own list of rents, left out here, never moves",
        note="no one number; nearest are "
        + " and ".join(f"{n} {left[n]:.2f}" for n in sorted(left, key=lambda n: abs(left[n] - 0.5))[:2])
        + "; a scenario may take any of the curves (cost.residual_value)",
        figures=every,
    )


def _ten_boxes_efficiency(ledger: Ledger) -> Finding:
    pairs = {
        "dgx2_to_dgx_a100": ("V100-SXM-32GB", "fp16", "A100-SXM-40GB", "bf16", 2.1),
        "dgx_a100_to_dgx_h100": ("A100-SXM-80GB", "bf16", "H100-SXM-80GB", "bf16", 1.9),
        "dgx_h100_to_dgx_b200": ("H100-SXM-80GB", "bf16", "B200-SXM-180GB", "bf16", 2.2),
    }
    gains = {
        name: compound(years, tflops_per_w(new, to) / tflops_per_w(old, fro)) ** 2
        for name, (old, fro, new, to, years) in pairs.items()
    }
    found = gains["dgx_a100_to_dgx_h100"]
    return Finding(
        judge(found, (min(gains.values()), max(gains.values())), ledger.published or 0, ledger.tolerance),
        found,
        (min(gains.values()), max(gains.values())),
        "three successions of 16-bit peak over nameplate power, each brought to two years",
        flips="the succession: Hopper to Blackwell gains less in the same number format, more in a smaller one",
        note='"a megawatt a year" in the claim is a slip of units: a megawatt is power',
        figures=gains,
    )


def replacement_case(ledger: Ledger) -> Replacement:
    """An old box of 100 kW, and a new one of 100 kW that does the work of two."""
    new = Machine(
        performance=2.0, power_kw=100.0, price_usd=ledger["box_usd"], life_years=ledger["life_years"]
    )
    return Replacement(Machine(performance=1.0, power_kw=100.0), new)


def replacement_place(ledger: Ledger) -> Place:
    """Boxes at full draw, as the claim has them, without cooling on top."""
    return Place(
        usd_per_kwh=ledger["usd_per_kwh"],
        usd_per_kw_month=ledger["usd_per_kw_month"],
        pue=1.0,
        load=1.0,
        rate=ledger["cost_of_capital"],
    )


def _ten_boxes_cheaper(ledger: Ledger) -> Finding:
    def ratio(v: Mapping[str, float]) -> float:
        """Yearly cost of five new boxes over yearly savings of the megawatt's half."""
        yearly = 5 * annuity_usd(v["box_usd"], v["life_years"], v["cost_of_capital"])
        energy = v["saved_kw"] * HOURS * v["usd_per_kwh"]
        return yearly / (energy + v["saved_kw"] * MONTHS * v["usd_per_kw_month"])

    found, interval = ratio(ledger.values), ledger.over_ranges(ratio)
    yearly = 5 * annuity_usd(ledger["box_usd"], ledger["life_years"], ledger["cost_of_capital"])
    per_mw = yearly / 0.5
    verdict = "holds" if interval[1] <= 1 else "holds only if"
    return Finding(
        verdict,
        found,
        interval,
        "ranges of prices, life, cost of capital, electricity and hosting",
        condition="power is capped and all work sells: a megawatt of new boxes does twice the work, which pays where "
        f"one of old boxes takes in ${per_mw / 1e6:.1f} M a year or more; by what they save alone, the new boxes cost "
        f"{found:.1f} times it",
        flips=f"boxes {found:.1f} times cheaper, or electricity and hosting {found:.1f} times dearer",
        note="old boxes count as paid for; performance per watt doubles as in ten-boxes-efficiency",
        figures={
            "new_boxes_usd_per_year": yearly,
            "saved_usd_per_year": yearly / found,
            "break_even_revenue_usd_per_mw_year": per_mw,
            "break_even_performance_ratio": break_even_ratio(
                replacement_case(ledger), replacement_place(ledger)
            ),
        },
    )


def _thousandfold(ledger: Ledger) -> Finding:
    chip = accelerator("GB200")
    fp4 = chip.peak_flops["fp4"] / 1e12
    keynote = fp4 * ledger["sparsity"] / ledger["pascal_fp16_tflops"]
    alike = accelerator("B200").peak_flops["bf16"] / 1e12 / ledger["pascal_fp16_tflops"]
    per_w = alike * ledger["pascal_w"] / accelerator("B200").tdp_w
    return Finding(
        judge(alike, (alike, keynote), ledger.published or 0, ledger.tolerance),
        alike,
        (alike, keynote),
        "from dense 16 bits on both sides to sparse 4 bits on one",
        condition="16-bit operations of 2016 are set against sparse 4-bit ones of 2024; in the same format it is "
        f"{alike:.0f} times per chip and {per_w:.0f} times per watt",
        flips="the number format: 4 of the factors are precision, 2 sparsity",
        note="and a Blackwell chip is two dies",
        figures={"keynote_ratio": keynote, "dense_16_bit_ratio": alike, "dense_16_bit_per_watt": per_w},
    )


def _blackwell_training(ledger: Ledger) -> Finding:
    old, new = accelerator("H100").peak_flops, accelerator("GB200").peak_flops
    same, smaller = new["fp8"] / old["fp8"], new["fp4"] / old["fp8"]
    power = ledger["hopper_mw"] / ledger["blackwell_mw"]
    return Finding(
        judge(same, (same, smaller), ledger.published or 0, ledger.tolerance),
        same,
        (same, smaller),
        "ratio of dense peaks: the same number format on both, or FP8 against FP4",
        condition="Blackwell trains in half the bits (FP4 against FP8), or Hopper's scaling over its network is "
        "the worse; dense peaks in one format allow "
        f"{same:.2f} times per GPU",
        flips="the number format",
        note=f"by the claim's own figures power falls {power:.2f} times, less than the count of GPUs; training over a "
        "network is not simulated here",
        figures={"peak_ratio_same_format": same, "peak_ratio_fp4_to_fp8": smaller, "power_ratio": power},
    )


def _eight_gpus(ledger: Ledger) -> Finding:
    prices = {
        f"{p.accelerator} {p.date}": 8 * p.usd
        for name in ("A100-SXM-40GB", "A100-SXM-80GB", "H100-SXM-80GB")
        for p in price_series(name, "server")
        if p.date[:4] in A_YEAR_OF_SERVERS
    }
    launch = prices["A100-SXM-40GB 2020-05-21"]
    interval = min(prices.values()), max(prices.values())
    return Finding(
        judge(launch, interval, ledger.published or 0, ledger.tolerance),
        launch,
        interval,
        f"{len(prices)} dated prices of servers of eight A100 or H100, 2020 to 2023; the figure is the DGX A100's",
        flips="taking H100 for the GPUs meant",
        note="with their server; eight bare A100 cost less",
        figures=prices,
    )


def _a800_server(ledger: Ledger) -> Finding:
    prices = [p.usd * 8 for p in price_series("A100-SXM-80GB", "server")]

    def yuan(v: Mapping[str, float], usd: float) -> float:
        return usd * v["yuan_per_usd"] / 1e6

    central = yuan(ledger.values, median(prices))
    low = ledger.inputs["yuan_per_usd"].low * min(prices) / 1e6
    high = ledger.inputs["yuan_per_usd"].high * max(prices) / 1e6
    return Finding(
        within(central, (low, high), 1.0, 1.5),
        central,
        (low, high),
        "dated prices of servers of eight A100 80 GB, and the exchange rate",
        flips="a price of the A100 server below $138,000",
        note="the A800 is an A100 with slower links; sold in China at a premium or a discount that is not known",
    )


def _pretraining_cluster(ledger: Ledger) -> Finding:
    peak = accelerator("A800").peak_flops["bf16"]

    def servers(v: Mapping[str, float]) -> float:
        """6 FLOPs per parameter and token (Kaplan et al., arXiv 2001.08361)."""
        work = 6 * v["parameters"] * v["tokens"]
        return work / (peak * v["peak_share"] * v["days"] * DAY_S) / NODE

    found, interval = servers(ledger.values), ledger.over_ranges(servers)
    return Finding(
        within(found, interval, *CLUSTER_SERVERS),
        found,
        interval,
        "ranges of parameters, tokens, days and utilization",
        condition="the model is neither of the smallest nor of the largest, or the run neither very long nor short",
        flips="the model: GPT-4's leaked 25,000 A100 are 3,125 servers",
        note="dense models; arithmetic, training over a network is not simulated",
    )


TESTS = {
    "pretraining-cluster": _pretraining_cluster,
    "half-in-three-years": _half_in_three_years,
    "ten-boxes-efficiency": _ten_boxes_efficiency,
    "ten-boxes-cheaper": _ten_boxes_cheaper,
    "thousandfold": _thousandfold,
    "blackwell-training-4x": _blackwell_training,
    "eight-gpus-200k": _eight_gpus,
    "a800-server": _a800_server,
}
