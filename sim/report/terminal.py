"""A result's summary for the terminal: the answer first, then what it rests on. At most 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sim.report.answer import ERRORS, Summary, answers
from sim.report.fleet import fleet_lines
from sim.report.jobs import HEADERS as JOB_HEADERS
from sim.report.jobs import job_rows, makes_jobs
from sim.report.passes import HEADERS as PASS_HEADERS
from sim.report.passes import adapter_lines, governor_lines, pass_rows, session_lines
from sim.report.plans import HEADERS, plan_lines, plan_rows
from sim.report.roles import role_lines
from sim.report.site import site_lines
from sim.report.words import NONE, counted, dollars, duration, figure, percent, rate
from sim.units import format_duration, format_joules, format_power, format_usd, format_watt_hours

WIDTH = 100
_LATENCIES = {
    "ttft_s": "time to first token",
    "tpot_s": "time per output token",
    "e2e_s": "end to end",
    "queue_s": "in queue",
}
_STATISTICS = ("mean", "p50", "p90", "p99")
_BASIS = {"own": "owned hardware", "rent": "rented accelerators", "mixed": "owned and rented"}
_OPTIONAL = {
    "installation_depreciation": "installation",
    "spares_depreciation": "spares",
    "staff": "staff",
    "software": "software",
    "training": "training the model",
}
_SOMETIMES = ("network", "storage", "spare", "training")
"""Parts of the energy that not every site has."""
_ENERGY_PARTS = {
    "accelerators_active": "accelerators, busy",
    "accelerators_idle": "accelerators, idle",
    "host": "hosts, fans, conversion",
    "network": "network switches",
    "storage": "storage, management",
    "spare": "spare servers",
    "training": "training",
    "overhead": "cooling and distribution",
}


def render(summary: Summary) -> RenderableType:
    """Everything that a planner must see of a result, from its summary."""
    return Group(
        *_answer(summary),
        *_section("Latency", [_latency(summary)]),
        *_table_section(
            "Images and videos (energy and cost of one, at the meter)",
            JOB_HEADERS,
            job_rows(summary),
            words=3,
        ),
        *_table_section("Passes (tokens and time of one, in the mean)", PASS_HEADERS, pass_rows(summary)),
        *_named_section("Sessions", session_lines(summary)),
        *_named_section("Adapters", adapter_lines(summary)),
        *_section("Fleet", [_fleet(summary), Text(""), _memory(summary)]),
        *_named_section("Fleet over time", fleet_lines(summary)),
        *_named_section("Hand-overs and drafts", role_lines(summary)),
        *_section("How well the step cost is known (median error to expect)", [_knowledge(summary)]),
        *_section("Energy", [_energy(summary)]),
        *_named_section("Site", site_lines(summary)),
        *_named_section("Power governor", governor_lines(summary)),
        *_section(
            f"Cost ({_BASIS[summary['cost']['basis']]})", [_ledger(summary), Text(""), _spent_on(summary)]
        ),
        *_plans(summary),
        *_section("Assumptions", [_bullets(_assumptions(summary))]),
        *_warnings(summary),
    )


def _section(title: str, parts: Iterable[RenderableType]) -> Iterator[RenderableType]:
    yield Text("")
    yield Text(title, style="bold")
    for part in parts:
        yield Padding(part, (0, 0, 0, 2))


def _table(*headers: str, words: int = 1) -> Table:
    """A table without lines, of `words` columns of text and then numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for i, header in enumerate(headers):
        if i < words:
            table.add_column(header, overflow="fold")
        else:
            table.add_column(header, justify="right", no_wrap=True)
    return table


# ---------------------------------------------------------------- the answer


def _answer(summary: Summary) -> Iterator[RenderableType]:
    fleet, requests = summary["fleet"], summary["requests"]
    yield Text(summary["name"], style="bold")
    yield Text(
        f"{counted(fleet['accelerators'], 'accelerator')} in {counted(fleet['replicas'], 'replica')}; "
        f"{requests['completed']:,} of {requests['arrived']:,} requests completed"
        + (f", {requests['rejected']:,} rejected" if requests["rejected"] else "")
    )
    yield Text("")
    yield Padding(_named(answers(summary)), (0, 0, 0, 2))


def _named(lines: Iterable[tuple[str, str]]) -> Table:
    """Sentences, each beside its name."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(name, text)
    return table


# ---------------------------------------------------------------- tables


def _latency(summary: Summary) -> Table:
    table = _table("workload", "", *_STATISTICS, "target", "met by", words=2)
    for workload in summary["workloads"]:
        slo = workload["slo"]
        made = "denoising_steps" in workload  # an image has no first token before it is done
        for key, label in list(_LATENCIES.items())[2 if made else 0 :]:
            target, latency = slo["targets"].get(key), workload["latency"][key]
            shares = {"ttft_s": slo["ttft_share"], "tpot_s": slo["tpot_share"]}
            table.add_row(
                workload["name"] if key == ("e2e_s" if made else "ttft_s") else "",
                label,
                *(duration(latency[s]) for s in _STATISTICS),
                duration(target),
                percent(shares.get(key)) if target is not None and latency["mean"] is not None else NONE,
            )
    return table


def _fleet(summary: Summary) -> Table:
    table = _table("pool", "accelerators", "batch mean", "max", "busy", "capacity", "IT power", words=2)
    for pool in summary["pools"]:
        table.add_row(
            pool["name"],
            f"{pool['replicas']:,} x {pool['accelerators_per_replica']} {pool['accelerator']}",
            figure(pool["mean_batch"]),
            f"{pool['max_batch']:,}",
            percent(pool["utilization"]),
            rate(pool["capacity"]),
            format_power(pool["power"]["it_w_mean"]),
        )
    return table


def _memory(summary: Summary) -> Table:
    table = _table("pool", "KV room of a replica", "weights", "KV", "work", "reserve", "of GB each", words=2)
    for pool in summary["pools"]:
        memory, kv = pool["memory"], pool["kv"]
        parts = ("weights_bytes", "kv_bytes", "activation_bytes", "reserve_bytes", "total_bytes")
        table.add_row(
            pool["name"],
            NONE
            if makes_jobs(summary, pool["model"])
            else f"{kv['capacity_tokens']:,} tokens: {kv['limited_batch']:,.0f} sequences "
            f"of {kv['mean_context_tokens']:,.0f}",
            *(f"{memory[part] / 1e9:.1f}" for part in parts),
        )
    return table


def _knowledge(summary: Summary) -> Table:
    table = _table("pool", "known by", *ERRORS.values(), words=2)
    for pool in summary["pools"]:
        known = pool["step_cost"]
        note = f" ({known['note']})" if known["note"] else ""
        table.add_row(
            pool["name"],
            f"{known['basis']}, {known['stack']}{note}",
            *(percent(known[f"{metric}_error"]) for metric in ERRORS),
        )
    return table


def _energy(summary: Summary) -> Table:
    energy, span_s = summary["energy"], summary["span"]["end_s"] - summary["span"]["start_s"]
    table = _table("", "energy", "mean power", "share")
    for part, label in _ENERGY_PARTS.items():
        joules = energy["parts"].get(part)
        if not joules and part in _SOMETIMES:
            continue
        share = joules / energy["site_j"] if energy["site_j"] else None
        table.add_row(label, format_watt_hours(joules), format_power(joules / span_s), percent(share))
    table.add_row(
        "at the meter", format_watt_hours(energy["site_j"]), format_power(energy["site_j"] / span_s), "100 %"
    )
    each = energy["wh_per_request"]
    table.add_row("per request", NONE if each is None else format_watt_hours(each * 3600), "", "")
    token = energy["j_per_output_token"]
    table.add_row("per output token", NONE if token is None else format_joules(token), "", "")
    kg = summary["carbon"]["kg"]
    table.add_row("carbon", f"{figure(kg)} kg", "", "")
    return table


def _table_section(
    title: str, headers: Iterable[str], rows: Iterable[Iterable[str]], words: int = 1
) -> Iterator[RenderableType]:
    """Rows under their headers; no section where there are none."""
    found = list(rows)
    if found:
        table = _table(*headers, words=words)
        for row in found:
            table.add_row(*row)
        yield from _section(title, [table])


def _named_section(title: str, lines: Iterable[tuple[str, str]]) -> Iterator[RenderableType]:
    """Lines beside their names; no section where there are none."""
    found = list(lines)
    if found:
        yield from _section(title, [_named(found)])


def _ledger(summary: Summary) -> Table:
    cost, output = summary["cost"], summary["tokens"]["output"]
    table = _table("", "of the run", "per Mtok output", "share")
    lines = {name.replace("_", " "): usd for name, usd in cost["breakdown"].items() if usd}
    for name, usd in {**lines, "total": cost["usd_total"]}.items():
        share = usd / cost["usd_total"] if cost["usd_total"] else None
        per_mtok = usd / output * 1e6 if output else None
        table.add_row(name, format_usd(usd), dollars(per_mtok), percent(share))
    return table


def _spent_on(summary: Summary) -> Table:
    """The same total by what it was for; of the axes but the phase, those that divide it."""
    cost = summary["cost"]
    table = _table("spent on", "", "of the run", "share", words=2)
    for axis, parts in cost["by"].items():
        passes = axis == "pass" and len(parts) == len(cost["by"]["workload"])
        if (len(parts) < 2 and axis != "phase") or passes:
            continue
        for i, (name, usd) in enumerate(parts.items()):
            share = usd / cost["usd_total"] if cost["usd_total"] else None
            table.add_row(axis if i == 0 else "", name, format_usd(usd), percent(share))
    return table


def _plans(summary: Summary) -> Iterator[RenderableType]:
    rows = list(plan_rows(summary))
    if not rows:
        return
    table = _table(*HEADERS)
    for row in rows:
        table.add_row(*row)
    yield from _section("Plans ($ per user and month)", [table, Text(""), _bullets(plan_lines(summary))])


# ---------------------------------------------------------------- what it rests on


def _assumptions(summary: Summary) -> Iterator[str]:
    span, cost = summary["span"], summary["cost"]
    start, end = format_duration(span["start_s"]), format_duration(span["end_s"])
    yield (
        f"Figures cover {start} to {end} of simulated time, until the last answer; requests are those "
        "that arrive in it."
    )
    yield "Quantiles are within 0.8 %. Capacity is an estimate at mean lengths, within about 10 %."
    yield (
        f"Energy per request and token is the site's (PUE {cost['terms']['pue']:.4g}). Hosts draw the same busy or "
        "idle; idle replicas keep their model loaded."
    )
    yield f"Carbon is of electricity alone, at {summary['carbon']['g_per_kwh']:.4g} g/kWh."
    yield from _price_assumptions(cost)


def _price_assumptions(cost: Summary) -> Iterator[str]:
    for pool, price in cost["prices"].items():
        what = "a server costs" if "server_usd" in price else "an accelerator rents per hour for"
        usd = price.get("server_usd", price.get("accelerator_usd_per_hour"))
        paid = f", {price['purchase']}" if "purchase" in price else ""
        paid += ", paid while it is on" if price.get("while_powered") else ""
        yield f"In {pool} {what} {format_usd(usd)} ({price['source']}{paid})."
    terms = cost["terms"]
    if cost["basis"] != "rent":
        hardware_usd = cost["capex_usd"] - cost["building_usd"]
        yield (
            f"Hardware of {format_usd(hardware_usd)} is written off {_schedule(terms)}, at "
            f"{percent(terms['cost_of_capital'])} cost of capital; "
            f"{percent(terms['network_storage_fraction'])} of the servers' price is for network and storage."
        )
        yield f"Electricity costs {format_usd(terms['electricity_usd_per_kwh'])}/kWh, {_building(cost)}."
    unpriced = [name for name, usd in cost["breakdown"].items() if not usd and name in _OPTIONAL]
    if unpriced:
        yield f"Not counted, for want of a price: {', '.join(_OPTIONAL[name] for name in unpriced)}."


def _building(cost: Summary) -> str:
    terms = cost["terms"]
    if terms["building"] == "colocation":
        return f"colocation {format_usd(terms['colocation_usd_per_kw_month'])} per kW of nameplate and month"
    return (
        f"the own building {format_usd(cost['building_usd'])} ({format_usd(terms['building_usd_per_mw'])} per MW of "
        f"nameplate, over {terms['building_years']:g} years)"
    )


def _schedule(terms: Summary) -> str:
    left = terms["residual_value"]
    rest = f" to {percent(left)}" if left else ""
    years, kind = f"{terms['depreciation_years']:g} years", terms["depreciation"]
    if kind == "straight-line":
        return f"over {years}{rest}"
    return f"by {kind.replace('-', ' ')}{rest}, from an age of {terms['age_years']:.2g} years"


def _warnings(summary: Summary) -> Iterator[RenderableType]:
    if summary["warnings"]:
        yield from _section("Warnings", [_bullets(summary["warnings"], "yellow")])


def _bullets(lines: Iterable[str], style: str = "") -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row("-", Text(line, style=style))
    return table
