"""`simulate scale`: what a service costs from few users to many, and what a fleet costs from idle to saturation."""

from __future__ import annotations

import math
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
    say,
    scenario_argument,
    set_option,
)
from sim.cli.words import quantity, words
from sim.errors import Fault, UserError

FEWEST, MOST = 1.0, 1e11


@main.command("scale")
@scenario_argument
@click.option("--users", default="1e3:1e9", show_default=True, metavar="FROM:TO", help="Sizes, by decades.")
@click.option(
    "--per-decade", type=click.IntRange(1, 10), default=1, show_default=True, help="Sizes in each decade."
)
@click.option(
    "--economies",
    default="headroom,spare,training,cache,discount",
    show_default=True,
    metavar="NAME,...",
    help='Economies of scale to count; "none" for none.',
)
@click.option("--training-usd", metavar="USD", help="What making the model cost. Default: $14M (unverified).")
@click.option(
    "--mitigation",
    metavar="TECHNIQUE",
    help="Also with this technique on every workload; there TTFT and TPOT targets are of each pass.",
)
@click.option(
    "--full-hour", is_flag=True, help="Also the busiest hour of the largest size, every request of it."
)
@click.option("--load-curve", is_flag=True, help="Instead: the fleet as it is, from near idle to saturation.")
@attainment_option()
@click.option(
    "--out", metavar="DIR", help="Also write tables (CSV), a picture (PNG) and the report (JSON) there."
)
@set_option
@json_option
def scale_command(
    scenario: str,
    users: str,
    per_decade: int,
    economies: str,
    training_usd: str | None,
    mitigation: str | None,
    full_hour: bool,
    load_curve: bool,
    attainment: float,
    out: str | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Plan a fleet at each number of users and say what scale does to its cost: fixed fleet, re-planned fleet and
    history apart, with a conventional service beside them."""
    loaded = load_scenario(scenario, changes)
    with faults_of(scenario):
        if load_curve:
            from sim.study.loadcurve import load_curve as curve

            report: dict[str, Any] = {"mode": "load curve", **curve(loaded)}
        else:
            sizes = _sizes(users, per_decade)
            on, terms = _economies(economies), _terms(training_usd)
            report = _scale(loaded, sizes, on, terms, attainment, full_hour)
            if mitigation is not None:
                mitigated = load_scenario(
                    scenario, (*changes, *_mitigated(len(loaded.workloads), mitigation))
                )
                report["mitigated"] = _mitigated_report(mitigated, mitigation, sizes, on, terms, attainment)
    if out is not None:
        from sim.report.scale_files import write_scale

        write_scale(report, Path(out))
    if as_json:
        click.echo(json_text(report))
        return
    from sim.report.scale import render

    click.echo(render(report))


def _scale(
    loaded: Any,
    sizes: list[float],
    on: tuple[str, ...],
    terms: Any,
    attainment: float,
    full_hour: bool,
    by_pass: bool = False,
) -> dict[str, Any]:
    from sim.study.scale import scale
    from sim.study.sizing_verdict import PASSES, REQUESTS

    found = scale(
        loaded,
        sizes,
        economies=on,
        terms=terms,
        attainment=attainment,
        full_hour=full_hour,
        rule=PASSES if by_pass else REQUESTS,
    )
    return {"mode": "scale", **found}


def _mitigated(workloads: int, name: str) -> list[str]:
    return [f"workload.{i}.mitigation={name}" for i in range(workloads)]


def _mitigated_report(
    loaded: Any, name: str, sizes: list[float], on: tuple[str, ...], terms: Any, attainment: float
) -> dict[str, Any]:
    found = _scale(loaded, sizes, on, terms, attainment, False, by_pass=True)
    if all(r["passes_per_request"] <= 1 for r in found["rows"]):
        say(f"warning: {name} made no more than one pass a request: it adds no computing in this simulation")
    return {"technique": name, **found}


def _sizes(text: str, per_decade: int) -> list[float]:
    """Sizes from `FROM:TO`, evenly on the logarithmic scale, both ends included."""
    low_text, colon, high_text = text.partition(":")
    try:
        low, high = float(low_text), float(high_text if colon else low_text)
    except ValueError:
        raise UserError(Fault("--users", f'"{text}" is not FROM:TO', "for example 1e3:1e9")) from None
    if not FEWEST <= low <= high <= MOST:
        raise UserError(Fault("--users", f"needs {FEWEST:g} <= FROM <= TO <= {MOST:g}; given {text}"))
    steps = max(0, math.ceil(math.log10(high / low) * per_decade - 1e-9))
    return [min(low * 10 ** (i / per_decade), high) for i in range(steps + 1)]


def _economies(text: str) -> tuple[str, ...]:
    from sim.study.scale_economies import known_economies

    asked = words(text)
    return () if asked == ["none"] else known_economies(asked)


def _terms(training_usd: str | None) -> Any:
    from sim.study.scale_economies import Terms
    from sim.units import parse_money

    if training_usd is None:
        return Terms()
    return Terms(training_usd=quantity("--training-usd", training_usd, parse_money))
