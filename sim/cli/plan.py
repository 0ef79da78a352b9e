"""`simulate plan`: the cheapest fleet within targets and limits, or what the scenario's own fleet holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from sim.cli.growing import growth_options, outlook_of
from sim.cli.words import above_0, known, words
from sim.errors import Fault, UserError
from sim.units import parse_money, parse_power

PRECISIONS = ("fp16", "bf16", "fp8", "int8", "fp4", "mxfp4", "int4")
SCHEDULERS = ("chunked-prefill", "prefill-first", "static")


@main.command("plan")
@scenario_argument
@click.option("--fixed-fleet", is_flag=True, help="Do not plan: say how much the scenario's fleet holds.")
@click.option(
    "--disaggregate",
    is_flag=True,
    help="Divide the fleet's accelerators into replicas that prefill and that decode: the best split, beside together.",
)
@click.option("--accelerators", metavar="NAME,NAME,...", help="To choose from. Default: the scenario's.")
@click.option(
    "--precisions", metavar="NAME,...", help="Number formats to choose from. Default: the scenario's."
)
@click.option("--schedulers", metavar="NAME,...", help="Schedulers to choose from. Default: the scenario's.")
@click.option(
    "--objective",
    type=click.Choice(("cost", "accelerators", "energy")),
    default="cost",
    show_default=True,
    help="What to make small: dollars per hour, accelerators, or joules per token.",
)
@click.option("--max-power", metavar="POWER", help='Nameplate power at the site, for example "2 MW".')
@click.option("--max-capex", metavar="USD", help='Purchase of the fleet, for example "$3M".')
@click.option("--max-usd-per-hour", metavar="USD", help="Cost of the fleet per hour.")
@click.option("--max-accelerators", type=click.IntRange(min=1), metavar="N")
@click.option("--max-racks", type=click.IntRange(min=1), metavar="N")
@attainment_option()
@growth_options
@click.option(
    "--out", metavar="DIR", help="With --growth: also write order.json, months.csv and order.png there."
)
@set_option
@json_option
def plan_command(
    scenario: str,
    fixed_fleet: bool,
    disaggregate: bool,
    accelerators: str | None,
    precisions: str | None,
    schedulers: str | None,
    objective: str,
    max_power: str | None,
    max_capex: str | None,
    max_usd_per_hour: str | None,
    max_accelerators: int | None,
    max_racks: int | None,
    attainment: float,
    growth: str | None,
    growth_spread: str | None,
    lead_time: str,
    energised: str | None,
    power_lead_time: str,
    months: int,
    out: str | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Plan the cheapest fleet that meets the scenario's targets within limits, and verify it with fresh seeds.

    The fleet in the file says what to deploy (model, stack); how many and how cut is the answer.
    """
    _one_question({"--fixed-fleet": fixed_fleet, "--disaggregate": disaggregate, "--growth": growth})
    if growth is None:
        _with_growth({"--growth-spread": growth_spread, "--energised": energised, "--out": out})
    loaded = load_scenario(scenario, changes)
    with faults_of(scenario):
        if growth is not None:
            from sim.study.growth import growing

            times = (lead_time, energised, power_lead_time, months)
            outlook = outlook_of(loaded.site.start, growth, growth_spread, *times)
            report = {"mode": "growth", **growing(loaded, outlook, attainment=attainment)}
        elif fixed_fleet:
            from sim.study.plan import fixed_fleet as held

            report = {"mode": "fixed fleet", **held(loaded, attainment=attainment)}
        elif disaggregate:
            from sim.study.disaggregate import disaggregate as divided

            report = {"mode": "disaggregate", **divided(loaded, attainment=attainment)}
        else:
            limits = _limits(max_power, max_capex, max_usd_per_hour, max_accelerators, max_racks)
            space = _space(accelerators, precisions, schedulers)
            from sim.study.plan import plan

            found = plan(loaded, space=space, limits=limits, objective=objective, attainment=attainment)
            report = {"mode": "plan", **found}
    if out is not None:
        from sim.report.growth_files import write_growth

        write_growth(report, Path(out))
    if as_json:
        click.echo(json_text(report))
        return
    if disaggregate:
        from sim.report.disaggregate import render
    elif growth is not None:
        from sim.report.growth import render
    else:
        from sim.report.plan import render

    click.echo(render(report))


def _one_question(options: Mapping[str, object]) -> None:
    asked = [name for name, given in options.items() if given]
    if len(asked) > 1:
        raise UserError(
            Fault(asked[1], f"asks another question than {asked[0]}", "ask them one after the other")
        )


def _with_growth(options: Mapping[str, object]) -> None:
    for name, given in options.items():
        if given is not None:
            raise UserError(Fault(name, "goes with --growth alone", "for example --growth 8%/month"))


def _space(accelerators: str | None, precisions: str | None, schedulers: str | None) -> Any:
    from sim.study.plan import Space
    from sim.study.plan_deployments import known_accelerators

    return Space(
        accelerators=known_accelerators(words(accelerators)),
        precisions=known("--precisions", words(precisions), PRECISIONS),
        schedulers=known("--schedulers", words(schedulers), SCHEDULERS),
    )


def _limits(
    power: str | None,
    capex: str | None,
    usd_per_hour: str | None,
    accelerators: int | None,
    racks: int | None,
) -> Any:
    from sim.study.plan_points import Limits

    return Limits(
        site_w=None if power is None else above_0("--max-power", power, parse_power),
        capex_usd=None if capex is None else above_0("--max-capex", capex, parse_money),
        usd_per_hour=None
        if usd_per_hour is None
        else above_0("--max-usd-per-hour", usd_per_hour, parse_money),
        accelerators=accelerators,
        racks=racks,
    )
