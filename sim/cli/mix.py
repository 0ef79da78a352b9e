"""`simulate mix`: what capacity to own or reserve, rent by the hour, have on spot, and leave to an API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sim.cli.group import (
    faults_of,
    json_option,
    json_text,
    load_scenario,
    main,
    scenario_argument,
    set_option,
)
from sim.errors import Fault, UserError, did_you_mean

KINDS = ("own", "reserved", "on-demand", "spot")


@main.command("mix")
@scenario_argument
@click.option(
    "--api", metavar="MODEL", help="API that takes what is spilled, at its list price in the catalog."
)
@click.option("--without", metavar="KIND,...", help=f"Not to be had: of {', '.join(KINDS)}.")
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="KIND=USD",
    help="Price of an accelerator-hour, for example on-demand=2.35. May be repeated. Default: ledger and catalog.",
)
@click.option(
    "--start", default="6 min", show_default=True, metavar="TIME", help="A replica is on before it serves."
)
@click.option(
    "--reclaims",
    type=click.FloatRange(min=0),
    default=0.01,
    show_default=True,
    help="Of a spot server, per hour.",
)
@click.option(
    "--spot-most",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the busiest hour's replicas that may be on spot: reclaims come together.",
)
@click.option(
    "--spread",
    type=click.FloatRange(min=0, max=2),
    default=0.0,
    show_default=True,
    help="The load itself is uncertain: standard deviation of its logarithm.",
)
@click.option(
    "--attainment",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.99,
    show_default=True,
    help="Share of the requests that must meet their targets.",
)
@click.option("--replay", is_flag=True, help="Also simulate the mix, beside a fleet for the busiest hour.")
@click.option("--out", metavar="DIR", help="Also write mix.json, tables (CSV) and a picture (PNG) there.")
@set_option
@json_option
def mix_command(
    scenario: str,
    api: str | None,
    without: str | None,
    prices: tuple[str, ...],
    start: str,
    reclaims: float,
    spot_most: float,
    spread: float,
    attainment: float,
    replay: bool,
    out: str | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find the cheapest mix of capacity for the scenario's demand over its duration, a day or a week."""
    loaded = load_scenario(scenario, changes)
    with faults_of(scenario):
        from sim.study.mix import Offers, mix

        given = {f"{k.replace('-', '_')}_usd": usd for k, usd in _prices(prices).items()}
        offers = Offers(
            **given,
            without=frozenset(_kinds("--without", without)),
            api=api,
            start_h=_hours(start),
            reclaims_per_h=reclaims,
            spot_most=spot_most,
            spread=spread,
        )
        report = mix(loaded, offers, attainment=attainment)
        if replay:
            from sim.study.mix_play import replay as simulated

            report["replay"] = simulated(loaded, report)
    if out is not None:
        from sim.report.mix_files import write_mix

        write_mix(report, Path(out))
    if as_json:
        click.echo(json_text(report))
        return
    from sim.report.mix import render

    click.echo(render(report))


def _prices(given: tuple[str, ...]) -> dict[str, float]:
    from sim.units import parse_money

    found: dict[str, float] = {}
    for text in given:
        kind, _, usd = text.partition("=")
        (known,) = _kinds("--price", kind)
        try:
            found[known] = parse_money(usd.strip())
        except ValueError as error:
            raise UserError(Fault("--price", str(error))) from None
        if found[known] <= 0:
            raise UserError(Fault("--price", f"must be above 0; given {text}"))
    return found


def _kinds(option: str, text: str | None) -> list[str]:
    words = [w.strip() for w in (text or "").split(",") if w.strip()]
    for word in words:
        if word not in KINDS:
            hint = did_you_mean(word, KINDS) or f"one of {', '.join(KINDS)}"
            raise UserError(Fault(option, f'"{word}" is no way to have capacity', hint))
    if not words and option == "--price":
        raise UserError(Fault(option, "names nothing", "for example --price on-demand=2.35"))
    return words


def _hours(text: str) -> Any:
    from sim.units import parse_duration

    try:
        return parse_duration(text) / 3600
    except ValueError as error:
        raise UserError(Fault("--start", str(error))) from None
