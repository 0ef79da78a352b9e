"""`simulate plan`: the cheapest fleet within targets and limits, or what the scenario's own fleet holds."""

from __future__ import annotations

from collections.abc import Callable
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
from sim.cli.growing import growth_options, outlook_of
from sim.errors import Fault, UserError

PRECISIONS = ("fp16", "bf16", "fp8", "int8", "fp4", "mxfp4", "int4")
SCHEDULERS = ("chunked-prefill", "prefill-first", "static")


@main.command("plan")
@scenario_argument
@click.option("--fixed-fleet", is_flag=True, help="Do not plan: say how much the scenario's fleet holds.")
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
@click.option(
    "--attainment",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.99,
    show_default=True,
    help="Share of the requests that must meet their targets.",
)
@growth_options
@click.option(
    "--out", metavar="DIR", help="With --growth: also write order.json, months.csv and order.png there."
)
@set_option
@json_option
def plan_command(
    scenario: str,
    fixed_fleet: bool,
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
        else:
            limits = _limits(max_power, max_capex, max_usd_per_hour, max_accelerators, max_racks)
            space = _space(accelerators, precisions, schedulers)
            from sim.study.plan import plan

            found = plan(loaded, space=space, limits=limits, objective=objective, attainment=attainment)
            report = {"mode": "plan", **found}
    if out is not None and growth is not None:
        from sim.report.growth_files import write_growth

        write_growth(report, Path(out))
    if as_json:
        click.echo(json_text(report))
        return
    if growth is not None:
        from sim.report.growth import render
    else:
        from sim.report.plan import render

    click.echo(render(report))


def _space(accelerators: str | None, precisions: str | None, schedulers: str | None) -> Any:
    from sim.study.plan import Space
    from sim.study.plan_deployments import known_accelerators

    return Space(
        accelerators=known_accelerators(_words(accelerators)),
        precisions=_known("--precisions", _words(precisions), PRECISIONS),
        schedulers=_known("--schedulers", _words(schedulers), SCHEDULERS),
    )


def _limits(
    power: str | None,
    capex: str | None,
    usd_per_hour: str | None,
    accelerators: int | None,
    racks: int | None,
) -> Any:
    from sim.study.plan_points import Limits
    from sim.units import parse_money, parse_power

    return Limits(
        site_w=_read("--max-power", power, parse_power),
        capex_usd=_read("--max-capex", capex, parse_money),
        usd_per_hour=_read("--max-usd-per-hour", usd_per_hour, parse_money),
        accelerators=accelerators,
        racks=racks,
    )


def _read(option: str, text: str | None, parse: Callable[[object], float]) -> float | None:
    if text is None:
        return None
    try:
        value = parse(text)
    except ValueError as error:
        raise UserError(Fault(option, str(error))) from None
    if value <= 0:
        raise UserError(Fault(option, f"must be above 0; given {text}"))
    return value


def _words(text: str | None) -> list[str]:
    return [w.strip() for w in (text or "").split(",") if w.strip()]


def _known(option: str, words: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [w for w in words if w not in known]
    if wrong:
        from sim.errors import did_you_mean

        hint = did_you_mean(wrong[0], known) or f"known: {', '.join(known)}"
        raise UserError(Fault(option, f'"{wrong[0]}" is not known', hint))
    return tuple(words)
