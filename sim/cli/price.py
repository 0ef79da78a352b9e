"""`simulate price`: other prices for a result that is there, without simulating again."""

from __future__ import annotations

import click

from sim.cli.group import faults_of, json_option, json_text, main


@main.command("price")
@click.argument("result", metavar="RESULT_DIR")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a price, for example cost.depreciation_years=3, revenue.usd_per_mtok_output=2 or "
    "site.electricity_usd_per_kwh=0.12. May be repeated.",
)
@json_option
def price_command(result: str, changes: tuple[str, ...], as_json: bool) -> None:
    """Apply other prices to the result in a directory, without simulating again; the result stays as it is."""
    from sim.study.price import price

    with faults_of(result):
        found = price(result, changes)
    if as_json:
        named = {"name": found.name, "scenario_sha256": found.scenario_sha256, "changes": list(found.changes)}
        click.echo(json_text({**named, **found.money}))
        return
    from sim.report.price import render

    click.echo(render(found.name, found.changes, found.before, found.money))
