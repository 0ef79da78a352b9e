"""Claims about prices of tokens: what a list price has to do with what serving costs."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from sim.catalog.price_history import flagship_months, list_price_months, successions
from sim.catalog.prices import api_prices
from sim.catalog.types import ApiPrice
from sim.study.claims.finding import Finding, error_band, judge
from sim.study.claims.ledger import Ledger
from sim.study.claims.runs import Steady, steady

AZURE = (1155.0, 211.0)
"""Mean tokens in and out of Azure's conversation trace, which the runs use."""
MILLION = 1e6


def _sells_for(price: ApiPrice) -> float:
    """List price of a mean request, nothing cached [$]."""
    return (AZURE[0] * price.input_usd_per_mtok + AZURE[1] * price.output_usd_per_mtok) / MILLION


def _gpt4o_quarter(ledger: Ledger) -> Finding:
    old, new = steady("gpt4-a100.toml"), steady("gpt4-h100.toml")
    found = old.usd_per_request / new.usd_per_request
    interval = error_band(found, old.error, new.error)
    before, after = api_prices()["gpt-4"][0], api_prices()["gpt-4o"][0]
    falls = {
        "input": before.input_usd_per_mtok / after.input_usd_per_mtok,
        "output": before.output_usd_per_mtok / after.output_usd_per_mtok,
        "request": _sells_for(before) / _sells_for(after),
    }
    return Finding(
        judge(found, interval, ledger.published or 0, ledger.tolerance),
        found,
        interval,
        "error of unmeasured step costs, 40 % on either side",
        condition="costs are fallen as chips, number format and software made them fall for the same model; what "
        "OpenAI paid for GPT-4o is not known",
        flips="the size of GPT-4o, which is not public: a smaller model makes it cost far less",
        note=f"what fell is a price: {falls['input']:.0f} times for prompts, {falls['output']:.0f} for answers. The "
        "simulated figure is the cost of the same leaked GPT-4, on A100 in 16 bits in 2023 over H100 in FP8 in 2024",
        figures={f"price_fall_{k}": v for k, v in falls.items()},
    )


def _margin(ledger: Ledger, price: ApiPrice, run: Steady, rent_scale: float | None) -> Finding:
    """Price over cost; `rent_scale` is the $/GPU-hour that the run was reckoned at, where the ledger ranges it."""

    def ratio(v: Mapping[str, float]) -> float:
        dearer = v["usd_per_gpu_hour"] / rent_scale if rent_scale else 1.0
        return _sells_for(price) * v["utilization"] / (run.usd_per_request * dearer)

    found, ends = ratio(ledger.values), ledger.over_ranges(ratio)
    interval = error_band(ends[0], run.error)[0], error_band(ends[1], run.error)[1]
    needed = ledger["utilization"] / found
    return Finding(
        "holds" if interval[0] > 1 else "holds only if" if interval[1] > 1 else "does not hold",
        found,
        interval,
        "ranges of the inputs, and the error of unmeasured step costs, 40 %",
        condition=f"the fleet sells more than {needed:.0%} of its capacity",
        flips="the share of capacity that is sold, an outcome of demand and not of the technology",
        note="Azure's conversation lengths, nothing from a cache; without training, staff and research",
        figures={
            "price_usd_per_request": _sells_for(price),
            "cost_usd_per_request_at_full_load": run.usd_per_request,
            "cost_usd_per_mtok_output_at_full_load": run.usd_per_mtok_output,
            "break_even_utilization": needed,
        },
    )


def _gpt4_price(ledger: Ledger) -> Finding:
    return _margin(ledger, api_prices()["gpt-4"][0], steady("gpt4-a100.toml"), None)


def _deepseek_v2_price(ledger: Ledger) -> Finding:
    return _margin(ledger, api_prices()["deepseek-v2"][0], steady("deepseek-v2-h800.toml"), 2.0)


def _models_depreciate(ledger: Ledger) -> Finding:
    lines = [n for n in successions() if n.endswith("flagship")]
    lives = [m for n in lines for m in flagship_months(n)]
    prices = [m for n in lines for m in list_price_months(n)]
    found, interval = median(lives), (min(lives), max(lives))
    slowest = ledger.inputs["hardware_months"].low
    return Finding(
        "holds" if interval[1] < slowest else "holds only if" if found < slowest else "does not hold",
        found,
        interval,
        f"{len(lives)} flagships of {len(lines)} vendors",
        condition="half of them are meant, not all",
        flips="a flagship that stays at the head of its line for three years",
        note="from one model's first list price to the next one's, dates of launch partly unverified; an older model "
        "may sell on, but not as the best",
        figures={
            "median_months_of_a_list_price": median(prices),
            **{n: median(flagship_months(n)) for n in lines},
        },
    )


TESTS = {
    "gpt4o-quarter": _gpt4o_quarter,
    "gpt4-price": _gpt4_price,
    "deepseek-v2-price": _deepseek_v2_price,
    "models-depreciate": _models_depreciate,
}
