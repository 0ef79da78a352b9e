"""The site in a result's summary, in words: its power against its limit, its weather, carbon, water and bill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.report.words import NONE, figure, percent
from sim.units import format_duration, format_power, format_usd, format_watt_hours

Summary = Mapping[str, Any]


def site_lines(summary: Summary) -> Iterator[tuple[str, str]]:
    """Lines of the site's section, each with its name; none for results that hold no site."""
    if "site" not in summary:
        return
    yield "power", _power(summary["power"])
    yield "provided for", _provided(summary["power"])
    if summary["power"]["limit_w"] is not None:
        yield "limit", _limit(summary["power"])
    yield "PUE", _pue(summary["site"])
    yield "energy of", _phases(summary["energy"])
    yield "carbon", _carbon(summary["carbon"])
    yield "water", _water(summary["water"])
    if summary["cost"].get("electricity"):
        yield "bill", _bill(summary["cost"]["electricity"])
    costs = {run["name"]: run for run in summary["cost"].get("training_runs", ())}
    for block in summary["site"]["training"]:
        yield "training", _training(block, costs.get(block["name"]))


def _power(power: Summary) -> str:
    return (
        f"{format_power(power['site_w_mean'])} on average, 95 % of the time up to {format_power(power['p95'])}, "
        f"99 % up to {format_power(power['p99'])}, at most {format_power(power['site_w_peak'])} "
        f"(means of {format_duration(power['window_s'])}); load factor {percent(power['load_factor'])}"
    )


def _provided(power: Summary) -> str:
    return (
        f"{format_power(power['provisioned_site_w'])} with all at nameplate in the warmest hour; "
        f"{format_power(power['idle_site_w'])} idle in the coldest"
    )


def _limit(power: Summary) -> str:
    spare, sold = power["headroom_w"], power["oversubscription"]
    over = f"sold {sold:.2f} times over" if sold > 1 else f"{percent(sold)} of it provided for"
    left = f"{format_power(spare)} above the peak" if spare >= 0 else f"exceeded by {format_power(-spare)}"
    return f"{format_power(power['limit_w'])}: {left}; {over}"


def _pue(site: Summary) -> str:
    mean = NONE if site["pue_mean"] is None else f"{site['pue_mean']:.3f}"
    weather = site["outdoor_c"]
    where = f"; {site['region']}" if site["region"] else ""
    warmth = "" if weather is None else f", {weather[0]:.0f} to {weather[1]:.0f} deg C outdoors"
    return f"{mean} over the run{where}{warmth}, from {site['start'].replace('T', ' ')}"


def _phases(energy: Summary) -> str:
    parts = [
        f"{name} {format_watt_hours(energy['by_phase'][name])}" for name in ("prefill", "decode", "idle")
    ]
    return f"accelerators: {', '.join(parts)} (phases divided at mean values)"


def _carbon(carbon: Summary) -> str:
    return (
        f"{figure(carbon['operational_kg'])} kg by electricity at {carbon['g_per_kwh']:.3g} g/kWh, "
        f"{figure(carbon['embodied_kg'])} kg by making the hardware"
    )


def _water(water: Summary) -> str:
    grid = "" if water["grid_litres"] is None else f", {figure(water['grid_litres'])} L at power plants"
    return f"{figure(water['litres'])} L for cooling ({water['wue_l_per_kwh']:g} L/kWh){grid}"


def _bill(bill: Summary) -> str:
    lines = [f"{name} {format_usd(usd)}" for name, usd in bill["lines"].items() if usd]
    each = bill["usd_per_kwh"]
    parts = f" ({'; '.join(lines)})" if len(lines) > 1 else ""
    return f"{format_usd(bill['usd'])}{parts}" + ("" if each is None else f", {format_usd(each)}/kWh in all")


def _training(block: Summary, cost: Summary | None) -> str:
    usd = "" if cost is None else f", {format_usd(cost['usd_total'])}"
    return (
        f"{block['name']}: {block['accelerators']:,} {block['accelerator']} for {format_duration(block['active_s'])}, "
        f"{format_power(block['it_w_mean'])} of IT, {format_watt_hours(block['site_j'])} at the meter, "
        f"{block['flops']:.3g} FLOP{usd}"
    )
