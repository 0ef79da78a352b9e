"""`simulate validate` and `calibrate`: predictions beside measurements."""

from __future__ import annotations

import datetime

import click

from sim.cli.group import json_option, json_text, main, say
from sim.cli.imports import describe_option, measured_files
from sim.errors import Fault, UserError

_measured = click.argument("files", nargs=-1, required=True, metavar="MEASURED.csv|RESULT.json [...]")


@main.command("validate")
@_measured
@click.option("--power", metavar="DIR", help="Instead, write what accelerators draw to this folder.")
@describe_option
@json_option
def validate_command(
    files: tuple[str, ...], power: str | None, describe: tuple[str, ...], as_json: bool
) -> None:
    """Predict every row of measured files as it was measured, and print the error by group."""
    given = measured_files(files, describe)
    if power is not None:
        from sim.study.power_results import write_power_results

        errors = write_power_results(given, power)
        click.echo(
            json_text({"power": errors}) if as_json else f"tables, pictures and README.md are in {power}"
        )
        return
    from sim.study.validate import validate

    report = validate(given)
    if as_json:
        click.echo(json_text(report))
        return
    from sim.report.validation import render

    click.echo(render(report))


@main.command("calibrate")
@_measured
@click.option("--out", metavar="FILE", help="Calibration file to write. Default: calibration-<date>.toml.")
@click.option("--stack", metavar="NAME", help="Fit one new serving stack of this name to these rows alone.")
@click.option("--like", default="vllm-2025", show_default=True, help="Stack that a new one starts from.")
@click.option("--power", is_flag=True, help="Fit what accelerators draw alone; times stay as they are.")
@click.option("--jobs", is_flag=True, help="Fit image and video generation alone.")
@click.option("--cross-validate", is_flag=True, help="Leave out groups, stacks and generations in turn.")
@click.option(
    "--results", metavar="DIR", help="Folder for tables and plots of --cross-validate. Default: validation."
)
@click.option("--date", metavar="YYYY-MM-DD", help="Date of the calibration. Default: today.")
@describe_option
def calibrate_command(
    files: tuple[str, ...],
    out: str | None,
    stack: str | None,
    like: str,
    power: bool,
    jobs: bool,
    cross_validate: bool,
    results: str | None,
    date: str | None,
    describe: tuple[str, ...],
) -> None:
    """Fit the step cost's coefficients to measured files, and write them with their intervals.

    Runs use the file when DATACENTER_SIM_CALIBRATION names it.
    """
    from sim.study.validation_run import (
        run_calibration,
        run_job_calibration,
        run_power_calibration,
        run_stack_calibration,
    )

    if cross_validate and stack:
        raise UserError(
            Fault("--cross-validate", "is of the whole catalog, not of one stack", "leave out --stack")
        )
    if jobs and (stack or power):
        raise UserError(Fault("--jobs", "is of images and videos alone", "leave out --stack and --power"))
    if power and (stack or cross_validate):
        raise UserError(Fault("--power", "is of the whole catalog's power alone", "use it by itself"))
    day = date or datetime.date.today().isoformat()
    target = out or f"calibration-{day}.toml"
    given = measured_files(files, describe)
    if stack:
        found = run_stack_calibration(given, name=stack, like=like, date=day, out=target, progress=say)
    elif jobs:
        folder = (results or "validation") if cross_validate else None
        found = run_job_calibration(given, date=day, out=target, results=folder, progress=say)
    elif power:
        found = run_power_calibration(given, date=day, out=target, progress=say)
    else:
        folder = (results or "validation") if cross_validate else None
        found = run_calibration(given, date=day, out=target, results=folder, progress=say)
    click.echo(f"{found['answered']:,} of {found['rows']:,} rows were used; coefficients in {target}")
    click.echo(f"to use them: DATACENTER_SIM_CALIBRATION={target} simulate run SCENARIO.toml")
