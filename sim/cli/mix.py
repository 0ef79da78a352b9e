"""`simulate mix`: what capacity to own or reserve, rent by the hour, have on spot, and leave to an API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from sim.cli.group import (
    attainment_option,
    faults_of,
    json_option,
    json_text,
    load_scenario,
    main,
    scenario_argument,
    set_option,
)
from sim.cli.words import above_0, known, quantity, words
from sim.errors import Fault, UserError
from sim.units import parse_duration, parse_money

KINDS = ("own", "reserved", "on-demand", "spot")
HOUR_S = 3600.0


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
    help="Of a spot server, per hour. The default is cautious (an assumption): see pool.spot in the schema.",
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
@attainment_option()
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
            without=frozenset(known("--without", words(without), KINDS)),
            api=api,
            start_h=quantity("--start", start, parse_duration) / HOUR_S,
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


def _prices(given: Sequence[str]) -> dict[str, float]:
    """Dollars of an accelerator-hour by kind."""
    found: dict[str, float] = {}
    for text in given:
        kind, equals, usd = text.partition("=")
        if not equals:
            raise UserError(Fault("--price", f'"{text}" is not KIND=USD', "for example on-demand=2.35"))
        (name,) = known("--price", [kind.strip()], KINDS)
        found[name] = above_0("--price", usd.strip(), parse_money)
    return found
