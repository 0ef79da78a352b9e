"""Claims about what the industry spends and brings in: arithmetic on published sums."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from sim.economics.capital import annuity_factor, tax_shield_npv
from sim.economics.depreciation import MACRS
from sim.study.claims.finding import Finding, judge
from sim.study.claims.ledger import Ledger

HOURS = 8760.0
BILLION = 1e9


def _spend_17x(ledger: Ledger) -> Finding:
    ratio = ledger["spend_usd"] / ledger["revenue_usd"]
    verdict = judge(ratio, (ratio, ratio), ledger.published or 0, ledger.tolerance)
    return Finding(
        verdict,
        ratio,
        (ratio, ratio),
        "exact arithmetic",
        flips="charging the chips to the years that they serve (see spend-17x-cost)",
        note="cash spent in a year over revenue of that year; without electricity, as the claim says",
    )


def _spend_17x_cost(ledger: Ledger) -> Finding:
    def ratio(v: Mapping[str, float]) -> float:
        yearly = v["spend_usd"] * annuity_factor(v["cost_of_capital"], v["life_years"])
        return yearly / v["revenue_usd"]

    cash = ledger["spend_usd"] / ledger["revenue_usd"]
    found, interval = ratio(ledger.values), ledger.over_ranges(ratio)
    return Finding(
        judge(found, interval, ledger.published or 0, ledger.tolerance),
        found,
        interval,
        "ranges of life and cost of capital",
        flips="a useful life of one year",
        note="one year's purchases serve several years; the ratio 16.7 is of cash, not of cost",
        figures={
            "cash_ratio": cash,
            "straight_line_4_years": cash / 4,
            "straight_line_6_years": cash / 6,
            "annuity_4_years_10_percent": cash * annuity_factor(0.10, 4),
        },
    )


def _spend_13bn(ledger: Ledger) -> Finding:
    yearly = ledger["spend_usd"] / ledger["life_years"] / BILLION
    with_capital = ledger["spend_usd"] * annuity_factor(0.10, ledger["life_years"]) / BILLION
    return Finding(
        judge(yearly, (yearly, yearly), ledger.published or 0, ledger.tolerance),
        yearly,
        (yearly, yearly),
        "exact arithmetic",
        flips=f"counting the cost of capital: at 10 % it is {with_capital:.1f}",
        note="12.5, rounded up in the claim",
        figures={"with_10_percent_capital": with_capital, "over_6_years": ledger["spend_usd"] / 6 / BILLION},
    )


def _copilot_revenue(ledger: Ledger) -> Finding:
    def ceiling(v: Mapping[str, float]) -> float:
        return v["users"] * v["usd_per_month"] * 12 / 1e6

    most, interval = ceiling(ledger.values), ledger.over_ranges(ceiling)
    published = ledger.published or 0
    return Finding(
        "holds" if most >= published else "does not hold",
        most,
        interval,
        "ranges of users and price",
        flips=f"fewer than {published * 1e6 / 12 / ledger['usd_per_month']:,.0f} paying users",
        note="the simulated figure is the ceiling: every counted user pays the list price all year",
    )


def _tax_shield(ledger: Ledger) -> Finding:
    def share(v: Mapping[str, float]) -> float:
        return tax_shield_npv(1.0, MACRS[5], tax_rate=v["tax_rate"], rate=v["discount_rate"])

    found, interval = share(ledger.values), ledger.over_ranges(share)
    without_profit = tax_shield_npv(1.0, MACRS[5], tax_rate=0.0, rate=ledger["discount_rate"])
    worth = found * ledger["price_usd"] / BILLION
    return Finding(
        "holds" if without_profit > 0 else "holds only if" if interval[0] > 0 else "does not hold",
        found,
        interval,
        "range of the discount rate",
        condition=f"the firm has taxable profits to set it against; then {found:.0%} of the price comes back, "
        f"${worth:.1f} B of $50 B, in today's money",
        flips="no taxable profit, as with most start-ups: nothing comes back until there is one",
        note="five-year MACRS; it softens a loss and never makes one profitable, at any tax rate below 100 %",
        figures={"npv_usd_bn": worth, "without_taxable_profit": without_profit},
    )


def _price_down_spend_up(ledger: Ledger) -> Finding:
    from sim.catalog.price_history import day_of, price_history

    def growth(v: Mapping[str, float]) -> float:
        return v["demand_growth"] * v["price_factor"]

    line = [p for p in price_history("OpenAI flagship") if p.model != "text-davinci-003"]
    years = (day_of(line[-1].date) - day_of(line[0].date)).days / 365.25
    flagship = (line[-1].output_usd_per_mtok / line[0].output_usd_per_mtok) ** (1 / years)
    at_flagship = ledger["demand_growth"] * flagship
    found, interval = growth(ledger.values), ledger.over_ranges(growth)
    verdict = "holds" if interval[0] > 1 else "holds only if" if interval[1] > 1 else "does not hold"
    return Finding(
        verdict,
        found,
        interval,
        "range of the yearly fall in price",
        condition="users move on to the newest model, whose list price falls slowly "
        f"(x {flagship:.2f} a year: spending x {at_flagship:.1f}); at constant quality prices fall faster than "
        "messages grow",
        flips=f"prices that fall by more than a factor of {ledger['demand_growth']:.1f} a year, with the tokens of "
        "an answer unchanged",
        note="messages alone; tokens per answer grew as well (reasoning, agents), which raises it",
        figures={"flagship_price_factor_per_year": flagship, "spend_at_flagship_price": at_flagship},
    )


def _training_gpt4(ledger: Ledger) -> Finding:
    from sim.catalog.prices import rental_series

    rents = [
        p.usd_per_h
        for name in ("A100-SXM-40GB", "A100-SXM-80GB")
        for term in ("on_demand", "three_year")
        for p in rental_series(name, term=term)
        if "2022" <= p.date[:4] <= "2023"
    ]
    hours = ledger["accelerators"] * 24 / 1e6
    rented = ledger["days"] * hours * median(rents)
    low, high = (
        ledger.inputs["days"].low * hours * min(rents),
        ledger.inputs["days"].high * hours * max(rents),
    )
    rate = (ledger.published or 0) / (ledger["days"] * hours)
    return Finding(
        judge(rented, (low, high), ledger.published or 0, ledger.tolerance),
        rented,
        (low, high),
        f"days, and {len(rents)} rents of A100 in 2022 and 2023 (the figure takes their median)",
        condition=f"an A100 is rented at ${rate:.2f} an hour, a rate with a commitment; whoever owned them paid "
        f"${ledger.inputs['owned_usd_m'].low:.0f} to ${ledger.inputs['owned_usd_m'].high:.0f} M",
        flips="the basis: rent on demand makes it more, owned hardware less",
        note="the final run alone, without trials, staff or data",
        figures={"implied_usd_per_gpu_hour": rate, "owned_usd_m": ledger["owned_usd_m"]},
    )


def _training_gemini(ledger: Ledger) -> Finding:
    rented = ledger["gemini_rented_usd_m"] / ledger["gpt4_rented_usd_m"]
    owned = ledger["gemini_owned_usd_m"] / ledger["gpt4_owned_usd_m"]
    updated = ledger["gemini_owned_updated_usd_m"] / ledger["gpt4_owned_updated_usd_m"]
    interval = min(owned, updated, rented), max(owned, updated, rented)
    agreed = judge(owned, interval, ledger.published or 0, ledger.tolerance)
    return Finding(
        agreed,
        owned,
        interval,
        "three bases of Epoch AI's estimates; the figure is amortised hardware and energy",
        condition="both are priced at cloud rents; at what the owners paid, GPT-4 was the dearer one",
        flips="the basis: Google's own TPU cost it far less than their rent",
        figures={"rented_ratio": rented, "owned_ratio": owned, "owned_ratio_updated": updated},
    )


def _energy_dollar(ledger: Ledger) -> Finding:
    def ratio(v: Mapping[str, float]) -> float:
        kwh = v["node_w_per_gpu"] / 1e3 * v["pue"] * HOURS * v["life_years"]
        return kwh * v["usd_per_kwh"] / v["gpu_usd"]

    extreme = [
        ratio({**ledger.values, **{k: getattr(ledger.inputs[k], end) for k in ledger.inputs}, "gpu_usd": gpu})
        for end, gpu in (("low", ledger.inputs["gpu_usd"].high), ("high", ledger.inputs["gpu_usd"].low))
    ]
    found = ratio(ledger.values)
    return Finding(
        judge(found, (extreme[0], extreme[1]), ledger.published or 0, ledger.tolerance),
        found,
        (extreme[0], extreme[1]),
        "ranges of all inputs at once",
        condition="everything is at its dearest: the whole nameplate power, California's electricity, a PUE of "
        f"{ledger.inputs['pue'].high}, {ledger.inputs['life_years'].high:.0f} years and a cheap GPU",
        flips=f"electricity at ${ledger['usd_per_kwh'] / found:.2f} per kWh",
        note="over the hardware's life; Sequoia's rewrite of 2024 counts buildings and cooling, not energy alone",
    )


TESTS = {
    "spend-17x": _spend_17x,
    "spend-17x-cost": _spend_17x_cost,
    "spend-13bn-a-year": _spend_13bn,
    "copilot-revenue": _copilot_revenue,
    "tax-shield": _tax_shield,
    "price-down-spend-up": _price_down_spend_up,
    "training-gpt4": _training_gpt4,
    "training-gemini": _training_gemini,
    "energy-dollar": _energy_dollar,
}
