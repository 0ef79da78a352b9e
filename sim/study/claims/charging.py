"""Claims about users and what they pay: flat fees, heavy users, and whether more users make an answer cheaper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from sim.economics.revenue import Subscriber
from sim.economics.users import Lognormal, sigma_for
from sim.study.claims.finding import Finding, error_band, judge
from sim.study.claims.ledger import Ledger
from sim.study.claims.runs import HOUR_S, Summary, requests_per_replica_s, run_file, throughput_error

DAY_S = 86_400.0
MONTH_H = 730.0
LOAD = 0.8
"""Share of capacity that a fleet is planned for."""
MESSAGES_PER_DAY = 3.7
"""Of a weekly user of ChatGPT in 2025 (NBER working paper 34255)."""
SCALE = (1e3, 1e4, 1e5, 1e6, 1e7, 3e7)
CODEX, LARGE = "Llama-2-13B", "GPT-3-175B"


def planned(requests_per_s: float) -> Summary:
    """A fleet of chat-h100.toml planned for a rate at `LOAD`, and its run: as many requests as tell its cost."""
    capacity = requests_per_replica_s(run_file("chat-h100.toml"))
    replicas = max(1, math.ceil(requests_per_s / (LOAD * capacity)))
    duration_s = min(max(30_000 / requests_per_s, 300.0), 4 * HOUR_S)
    return run_file(
        "chat-h100.toml",
        f"workload.0.arrivals.rate_per_s={requests_per_s!r}",
        f"pool.0.replicas={replicas}",
        f"duration={duration_s!r}",
        "warmup=60",
    )


def usd_per_request(requests_per_s: float) -> float:
    """Cost of the planned fleet per request that arrives [$]: its hourly cost over the rate."""
    return planned(requests_per_s)["cost"]["usd_per_hour"] / HOUR_S / requests_per_s


def elasticity(x: tuple[float, float], y: tuple[float, float]) -> float:
    """d ln y / d ln x between two points."""
    return math.log(y[1] / y[0]) / math.log(x[1] / x[0])


def _cost_not_falling(ledger: Ledger) -> Finding:
    costs = {users: usd_per_request(users * MESSAGES_PER_DAY / DAY_S) for users in SCALE}
    slopes = {a[0][0]: elasticity((a[0][0], a[1][0]), (a[0][1], a[1][1])) for a in pairwise(costs.items())}
    flat = [users for users, slope in slopes.items() if slope > -ledger.tolerance]
    beyond = [slope for users, slope in slopes.items() if flat and users >= min(flat)]
    found = slopes[max(slopes)]
    verdict = "holds" if len(flat) == len(slopes) else "holds only if" if flat else "does not hold"
    return Finding(
        verdict,
        found,
        (min(beyond), max(beyond)) if beyond else (min(slopes.values()), max(slopes.values())),
        "decades of users beyond saturation, each with a fleet planned anew",
        condition=f"there are {min(flat):,.0f} users or more; below, the least fleet stands idle and each tenfold of "
        f"users makes an answer {costs[SCALE[0]] / costs[SCALE[1]]:.1f} times cheaper"
        if flat
        else "",
        flips="staff and other fixed costs, which dilute; prefix caching across users; better prices for larger orders",
        note="Llama-3.1-70B on H100, fleets planned for 80 % of capacity, the same technology at every size",
        figures={f"usd_per_request_at_{u:,.0f}_users": c for u, c in costs.items()},
    )


def _flat_fee(ledger: Ledger) -> Finding:
    uses = (1.0, 2.0, 4.0, 8.0, 16.0)
    per_user = {
        u: usd_per_request(ledger["users"] * u / DAY_S) * u * DAY_S / HOUR_S / 24 * 30.4 for u in uses
    }
    slopes = [elasticity((a, b), (per_user[a], per_user[b])) for a, b in pairwise(uses)]
    found = elasticity((uses[0], uses[-1]), (per_user[uses[0]], per_user[uses[-1]]))
    interval = min(slopes), max(slopes)
    few = 1e3
    idle = elasticity((1, 2), (usd_per_request(few / DAY_S), 2 * usd_per_request(2 * few / DAY_S)))
    return Finding(
        "holds"
        if abs(found - 1) <= ledger.tolerance and idle > 1 - ledger.tolerance
        else "holds only if"
        if abs(found - 1) <= ledger.tolerance
        else "does not hold",
        found,
        interval,
        "doublings of use from 1 to 16 requests a day",
        condition=f"the service is past saturation: with {few:,.0f} users on one idle replica, twice the use costs "
        f"{2**idle:.2f} times as much",
        flips="spare capacity, and prefix caches (DeepSeek found 56 % of its prompt tokens in one)",
        note=f"with {ledger['users']:,.0f} users; a fee of $20 covers {20 / per_user[1.0]:.0f} requests a day here: "
        "the proportion is what the claim is about, not the level",
        figures={f"usd_per_user_month_at_{u:g}_a_day": c for u, c in per_user.items()},
    )


def copilot_usd_per_request(model: str, load: float) -> tuple[float, float, Summary]:
    """Cost of a completion in the fleet's busiest hour [$], expected error [1], and the run at that load."""
    tensor = 8 if model == LARGE else 1
    served = (f"workload.0.model={model}", f"pool.0.model={model}", f"pool.0.tensor_parallel={tensor}")
    capacity = requests_per_replica_s(run_file("copilot.toml", *served))
    rate = load * 16 * capacity
    summary = run_file("copilot.toml", *served, f"workload.0.arrivals.rate_per_s={rate!r}")
    return summary["cost"]["usd_per_hour"] / HOUR_S / rate, throughput_error(summary), summary


def _copilot_mean(ledger: Ledger) -> Finding:
    in_tokens, out_tokens = 2048.5, 27.9  # azure-2023-code, means

    def monthly(v: Mapping[str, float], model: str) -> float:
        """The fleet is paid all day, every day; its work is `busy_hours` of the busiest hour on each workday."""
        busiest, _, _ = copilot_usd_per_request(model, v["busiest_load"])
        paid_hours, worked_hours = MONTH_H, v["busy_hours"] * v["workdays"]
        return busiest * v["requests_per_workday"] * v["workdays"] * paid_hours / worked_hours

    found = monthly(ledger.values, CODEX)
    _, error, run = copilot_usd_per_request(CODEX, ledger["busiest_load"])
    low = error_band(ledger.over_ranges(lambda v: monthly(v, CODEX))[0], error)[0]
    high = error_band(ledger.over_ranges(lambda v: monthly(v, LARGE))[1], error)[1]
    published = ledger.published or 0
    large = monthly(ledger.values, LARGE)
    needed = {m: published / c * ledger["requests_per_workday"] for m, c in ((CODEX, found), (LARGE, large))}
    at_api = (in_tokens * ledger["api_in_usd_per_mtok"] + out_tokens * ledger["api_out_usd_per_mtok"]) / 1e6
    at_api_prices = published / at_api / ledger["workdays"]
    return Finding(
        judge(found, (low, high), published, ledger.tolerance),
        found,
        (low, high),
        "ranges of use and load; from a model of 13 B parameters to one of 175 B",
        condition=f"a user asks for {needed[CODEX]:,.0f} completions a workday of a model of Codex's size (12 B), or "
        f"for {needed[LARGE]:,.0f} of one of 175 B; at API prices of the day for {at_api_prices:,.0f}",
        flips="the number of completions a day, which GitHub does not publish, and the size of the model",
        note="Azure's code completions of 2023 as keystroke traffic, A100, software of 2023; no chat, staff, "
        "training",
        figures={
            "usd_per_month_large_model": large,
            "usd_per_month_at_api_prices": at_api * ledger["requests_per_workday"] * ledger["workdays"],
            "requests_per_workday_for_published": needed[CODEX],
            "requests_per_workday_for_published_large_model": needed[LARGE],
            "share_within_2_s_in_the_busiest_hour": run["slo"]["attainment"],
            "margin_usd_per_month": ledger["usd_per_month"] - found,
        },
    )


def _copilot_worst(ledger: Ledger) -> Finding:
    def at(v: Mapping[str, float], percentile: float = 0.99) -> float:
        return Lognormal(v["mean_usd"], v["sigma"]).quantile(percentile)

    found, interval = at(ledger.values), ledger.over_ranges(at)
    published = ledger.published or 0
    spread = {p: sigma_for(ledger["mean_usd"], published, p) for p in (0.95, 0.99)}
    above = 1 - Lognormal(ledger["mean_usd"], ledger["sigma"]).below(published)
    return Finding(
        judge(found, interval, published, ledger.tolerance),
        found,
        interval,
        "range of the spread between users",
        condition=f"users differ by a sigma of {spread[0.99]:.2f}, or the worst twentieth is meant and sigma is "
        f"{spread[0.95]:.2f}",
        flips="the spread: nobody published Copilot's; a Pareto tail makes the worst user far worse",
        note=f"of lognormal users of mean $30 and sigma {ledger['sigma']:g}, {above:.1%} cost $90 or more",
        figures={"usd_at_p95": at(ledger.values, 0.95), "share_of_users_at_90_or_more": above},
    )


def flat_user(mean_usd: float, sigma: float, fee_usd: float) -> Subscriber:
    """Users measured in dollars of cost: a request that costs $1, so that use is cost."""
    return Subscriber(Lognormal(mean_usd, sigma), fee_usd)


def _pricing_levers(ledger: Ledger) -> Finding:
    def metered(v: Mapping[str, float]) -> float:
        """The fee covers what it pays for, and all beyond is sold at its cost."""
        user = flat_user(v["mean_usd"], v["sigma"], v["fee_usd"])
        return replace(user, cap=v["fee_usd"], metered=True, overage_usd=1.0).mean_margin_usd(1.0)

    flat = flat_user(ledger["mean_usd"], ledger["sigma"], ledger["fee_usd"])
    dear = replace(flat, fee_usd=ledger["higher_fee_usd"])
    capped = replace(flat, cap=ledger["fee_usd"])
    found, interval = metered(ledger.values), ledger.over_ranges(metered)
    return Finding(
        "holds" if interval[0] >= 0 else "holds only if" if found >= 0 else "does not hold",
        found,
        interval,
        "ranges of the mean cost and of the spread",
        flips="selling what is beyond the quota below its cost, or users who leave",
        note=f"flat at $10: {flat.mean_margin_usd(1.0):+.1f} a user, {flat.share_at_loss(1.0):.0%} of users at a loss, "
        f"{flat.margin_of_top(0.01, 1.0):+.0f} on each of the heaviest hundredth; flat at $30: "
        f"{dear.mean_margin_usd(1.0):+.1f}, {dear.share_at_loss(1.0):.0%} at a loss; a quota of what $10 pays: "
        f"{capped.mean_margin_usd(1.0):+.1f}; demand is taken not to answer to the price",
        figures={
            "flat_10": flat.mean_margin_usd(1.0),
            "flat_30": dear.mean_margin_usd(1.0),
            "quota": capped.mean_margin_usd(1.0),
            "metered_at_cost": found,
            "flat_10_share_at_loss": flat.share_at_loss(1.0),
            "flat_10_on_the_heaviest_hundredth": flat.margin_of_top(0.01, 1.0),
        },
    )


def _own_chip(ledger: Ledger) -> Finding:
    lines: Mapping[str, float] = run_file("chat-h100.toml")["cost"]["breakdown"]
    chips = math.fsum(
        v for k, v in lines.items() if any(w in k for w in ("server", "capital", "maintenance", "spares"))
    )
    share = chips / math.fsum(lines.values())
    whole = 100 * (1 - 1 / (1 + ledger["gain"]))
    found = share * whole
    return Finding(
        judge(found, (found, whole), ledger.published or 0, ledger.tolerance),
        found,
        (found, whole),
        "from hardware alone to all costs improved by the 30 %",
        condition=f"the 30 % count every cost; on hardware alone, {share:.0%} of the cost of a token, it is "
        f"{found:.0f} % off",
        flips="the development of the chip, which volume must carry, and the years that it comes late: bought chips "
        "improve by more than that in one generation",
        note="lines of cost of Llama-3.1-70B on H100",
        figures={
            "hardware_share_of_cost": share,
            **{f"share, {k}": v / math.fsum(lines.values()) for k, v in lines.items()},
        },
    )


TESTS = {
    "flat-fee": _flat_fee,
    "cost-not-falling": _cost_not_falling,
    "copilot-mean-loss": _copilot_mean,
    "copilot-worst-loss": _copilot_worst,
    "pricing-levers": _pricing_levers,
    "own-chip": _own_chip,
}
