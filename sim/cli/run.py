"""`simulate run`: simulate a scenario, print what it means, keep the result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli.group import (
    faults_of,
    json_option,
    json_text,
    load_scenario,
    main,
    say,
    scenario_argument,
    set_option,
)
from sim.errors import Fault, Interrupted, UserError
from sim.run import ENGINES, Result, run

if TYPE_CHECKING:
    from sim.scenario import Scenario


@main.command("run")
@scenario_argument
@click.option("--out", metavar="DIR", help="Directory of the result. Default: runs/<name>-<hash>.")
@click.option("--seed", type=int, help="Seed of every random draw, in place of the scenario's.")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="simpy: slow, for checking.",
)
@click.option(
    "--log-requests", type=click.IntRange(min=0), default=0, metavar="N", help="Requests to keep, one by one."
)
@click.option(
    "--uncertainty",
    type=click.IntRange(min=2),
    metavar="N",
    help="Give every figure its band: N more runs, with drawn coefficients and seeds.",
)
@click.option("--headroom", is_flag=True, help="Measure the headroom to the targets by bisection, too.")
@click.option(
    "--advise", is_flag=True, help="Also try changes to what binds, and rank them by what they cost."
)
@set_option
@json_option
def run_command(
    scenario: str,
    out: str | None,
    seed: int | None,
    engine: str,
    log_requests: int,
    uncertainty: int | None,
    headroom: bool,
    advise: bool,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Simulate a scenario, print what it means, and keep the result in a directory."""
    if as_json and log_requests and out is None:
        raise UserError(
            Fault(
                "--log-requests", "keeps requests in a directory, and --json alone writes none", "give --out"
            )
        )
    loaded = load_scenario(scenario, (*changes, *([f"seed={seed}"] if seed is not None else [])))
    target = _target(loaded, out, as_json)
    with faults_of(scenario):
        result = _run(loaded, engine, log_requests, target)
        if uncertainty:
            result = _with_bands(result, uncertainty)
        if headroom or advise:
            result = _with_headroom(result, advise)
    where = _write(result, target)
    if as_json:
        say(*(f"warning: {text}" for text in result.summary["warnings"]), *([where] if where else []))
        click.echo(json_text(result.summary))
    else:
        _show(result.summary)
        if advise:
            from sim.report.binding import advice_words

            click.echo("\n" + advice_words(result.summary["advice"]))
        if uncertainty:
            from sim.report.sweep import uncertainty_text

            click.echo("\n" + uncertainty_text(result.summary["uncertainty"]))
        click.echo(f"\n{where}")


def _run(scenario: Scenario, engine: str, log_requests: int, target: Path | None) -> Result:
    if engine == "kernel":
        from sim.engine.kernel.jit import is_compiled

        if not is_compiled():
            say("compiling the kernel for this machine (once, about half a minute)")
    try:
        with _progress(scenario.name, scenario.duration_s) as report:
            return run(scenario, engine=engine, log_requests=log_requests, progress=report)
    except Interrupted as stop:
        kept = (
            f"the earlier result in {target} stays" if target and target.exists() else "nothing was written"
        )
        raise Interrupted(f"{stop}; {kept}") from None


def _with_bands(result: Result, draws: int) -> Result:
    """The result with a band for every figure under the summary's key `uncertainty`."""
    from sim.cli.progress import runs_bar
    from sim.study.uncertainty import uncertainty

    with runs_bar("uncertainty") as report:
        found = uncertainty(result.scenario, draws, report=report)
    return replace(result, summary={**result.summary, "uncertainty": found})


def _with_headroom(result: Result, advise: bool) -> Result:
    """The result with the headroom measured, and with `advise` the key `advice`."""
    from sim.study.advice import advise as try_changes
    from sim.study.binding import binding, measured_headroom

    found = binding(result.scenario)
    section = result.summary["binding"]
    summary = {**result.summary, "binding": {**section, "headroom": measured_headroom(section, found)}}
    if advise:
        summary["advice"] = try_changes(result.scenario, found=found)
    return replace(result, summary=summary)


def _target(scenario: Scenario, out: str | None, as_json: bool) -> Path | None:
    """Where the result is to go, refused before the run if it cannot; None for nowhere."""
    if out is None and as_json:
        return None
    from sim.results import check_target, default_directory
    from sim.scenario import scenario_sha256

    target = Path(out) if out is not None else default_directory(scenario.name, scenario_sha256(scenario))
    check_target(target)
    return target


def _write(result: Result, target: Path | None) -> str:
    if target is None:
        return ""
    from sim.results import write

    return f"result in {write(result, target)}"


@contextmanager
def _progress(name: str, duration_s: float) -> Iterator[Callable[[float], None]]:
    """A bar of simulated time on a terminal's standard error; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from sim.units import format_duration

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[at]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=duration_s, at="")

        def report(time_s: float) -> None:
            after = time_s > duration_s
            at = f"{format_duration(time_s)}" + (
                ", draining" if after else f" of {format_duration(duration_s)}"
            )
            bar.update(task, completed=min(time_s, duration_s), at=at)

        yield report


def _show(summary: Mapping[str, Any]) -> None:
    """Print the summary: in colour on a terminal, else as plain text without trailing blanks."""
    from rich.console import Console

    from sim.report.terminal import WIDTH, render

    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        Console(highlight=False, markup=False, width=min(WIDTH, console.width)).print(render(summary))
        return
    console = Console(highlight=False, markup=False, width=WIDTH, no_color=True)
    with console.capture() as capture:
        console.print(render(summary))
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
