"""The command line: parse, call, print. Nothing but this module prints or exits.

Exit codes: 0 done; 2 the user's file or words are wrong; 1 a fault of ours; 130 interrupted. What a command needs is
imported when it runs, so that help and checks answer at once.
"""

from __future__ import annotations

import datetime
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.errors import Fault, Interrupted, ScenarioError, UserError, did_you_mean
from sim.run import ENGINES, Result, check, run

if TYPE_CHECKING:
    from sim.scenario import Scenario

DEFAULT_COMMAND = "run"
OURS, THEIRS, INTERRUPTED = 1, 2, 130


class Commands(click.Group):
    """Commands of which `run` is the default: `simulate x.toml` is `simulate run x.toml`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [DEFAULT_COMMAND, *args] if self._means_run(ctx, args) else args)

    def _means_run(self, ctx: click.Context, args: Sequence[str]) -> bool:
        if not args or args[0] in self.commands or args[0] in self.get_help_option_names(ctx):
            return False
        if args[0].startswith("-"):
            return any(arg.endswith(".toml") for arg in args)
        return args[0].endswith(".toml") or "/" in args[0] or Path(args[0]).is_file()

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in self.commands:
            hint = did_you_mean(args[0], self.commands) or f"the commands are {', '.join(self.commands)}"
            raise UserError(Fault("", f'"{args[0]}" is neither a command nor a scenario file', hint))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            _say_faults(error)
            ctx.exit(THEIRS)
        except (Interrupted, KeyboardInterrupt) as stop:
            _say(f"interrupted: {str(stop) or 'nothing was written'}")
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # for click to say, or to end quietly
        except Exception:
            _say(traceback.format_exc() + "\nThis is a fault of the program, not of your file.")
            ctx.exit(OURS)


@click.group("simulate", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Simulate a GPU data center that serves generative AI.

    `simulate SCENARIO.toml` is short for `simulate run SCENARIO.toml`.
    """


_scenario = click.argument("scenario", metavar="SCENARIO.toml")
_set = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the scenario, for example pool.0.replicas=16. May be repeated.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


@main.command("run")
@_scenario
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
@_set
@_json
def run_command(
    scenario: str,
    out: str | None,
    seed: int | None,
    engine: str,
    log_requests: int,
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
    loaded = _load(scenario, (*changes, *([f"seed={seed}"] if seed is not None else [])))
    target = _target(loaded, out, as_json)
    with _faults_of(scenario):
        result = _run(loaded, engine, log_requests, target)
    where = _write(result, target)
    if as_json:
        _say(*(f"warning: {text}" for text in result.summary["warnings"]), *([where] if where else []))
        click.echo(_json_text(result.summary))
    else:
        _show(result.summary)
        click.echo(f"\n{where}")


def _run(scenario: Scenario, engine: str, log_requests: int, target: Path | None) -> Result:
    if engine == "kernel":
        from sim.engine.kernel.jit import is_compiled

        if not is_compiled():
            _say("compiling the kernel for this machine (once, about half a minute)")
    try:
        with _progress(scenario.name, scenario.duration_s) as report:
            return run(scenario, engine=engine, log_requests=log_requests, progress=report)
    except Interrupted as stop:
        kept = (
            f"the earlier result in {target} stays" if target and target.exists() else "nothing was written"
        )
        raise Interrupted(f"{stop}; {kept}") from None


def _load(path: str, changes: Sequence[str]) -> Scenario:
    from sim.scenario import load

    return load(path, changes)


@contextmanager
def _faults_of(path: str) -> Iterator[None]:
    """Names the file in faults that are found only after it was read."""
    try:
        yield
    except ScenarioError as error:
        raise ScenarioError(error.faults, error.source or path) from None


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


@main.command("check")
@_scenario
@_set
def check_command(scenario: str, changes: tuple[str, ...]) -> None:
    """Validate a scenario without running it: every fault at once, and whether its models fit."""
    loaded = _load(scenario, changes)
    with _faults_of(scenario):
        costs = check(loaded)
    click.echo(f"{scenario} is a valid scenario: {loaded.name}")
    for pool, cost in zip(loaded.pools, costs, strict=True):
        click.echo(
            f"  pool {pool.name}: {pool.replicas:,} x {pool.accelerators_per_replica} {pool.accelerator}, "
            f"{pool.model} in {pool.precision}; KV room for {cost.memory.kv_capacity_tokens:,} tokens in each "
            f"replica; step cost: {cost.knowledge.basis}"
        )
        for text in cost.warnings:
            click.echo(f"    warning: {text}")


@main.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of scenario files."""
    from sim.scenario import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


_measured = click.argument("files", nargs=-1, required=True, metavar="MEASURED.csv [...]")


@main.command("validate")
@_measured
@_json
def validate_command(files: tuple[str, ...], as_json: bool) -> None:
    """Predict every row of measured files as it was measured, and print the error by group."""
    from sim.study.validate import validate

    report = validate(files)
    if as_json:
        click.echo(_json_text(report))
        return
    from sim.report.validation import render

    click.echo(render(report))


@main.command("calibrate")
@_measured
@click.option("--out", metavar="FILE", help="Calibration file to write. Default: calibration-<date>.toml.")
@click.option("--stack", metavar="NAME", help="Fit one new serving stack of this name to these rows alone.")
@click.option("--like", default="vllm-2025", show_default=True, help="Stack that a new one starts from.")
@click.option("--cross-validate", is_flag=True, help="Leave out groups, stacks and generations in turn.")
@click.option(
    "--results", metavar="DIR", help="Folder for tables and plots of --cross-validate. Default: validation."
)
@click.option("--date", metavar="YYYY-MM-DD", help="Date of the calibration. Default: today.")
def calibrate_command(
    files: tuple[str, ...],
    out: str | None,
    stack: str | None,
    like: str,
    cross_validate: bool,
    results: str | None,
    date: str | None,
) -> None:
    """Fit the step cost's coefficients to measured files, and write them with their intervals.

    Runs use the file when DATACENTER_SIM_CALIBRATION names it.
    """
    from sim.study.validation_run import run_calibration, run_stack_calibration

    if cross_validate and stack:
        raise UserError(
            Fault("--cross-validate", "is of the whole catalog, not of one stack", "leave out --stack")
        )
    day = date or datetime.date.today().isoformat()
    target = out or f"calibration-{day}.toml"
    if stack:
        found = run_stack_calibration(files, name=stack, like=like, date=day, out=target, progress=_say)
    else:
        folder = (results or "validation") if cross_validate else None
        found = run_calibration(files, date=day, out=target, results=folder, progress=_say)
    click.echo(f"{found['answered']:,} of {found['rows']:,} rows were used; coefficients in {target}")
    click.echo(f"to use them: DATACENTER_SIM_CALIBRATION={target} simulate run SCENARIO.toml")


@main.command("catalog")
@click.argument("kind", required=False)
@click.argument("name", required=False)
@_json
def catalog_command(kind: str | None, name: str | None, as_json: bool) -> None:
    """List a catalog, or its entries that have NAME in their name; without KIND, what there is to list."""
    from sim.catalog.tables import kinds, rows
    from sim.report.rows import aligned, entry, matching

    if kind is None:
        counts = {k: len(rows(k)[1]) for k in kinds()}
        lines = [f"{k:14s}{count:6,d} entries" for k, count in counts.items()]
        click.echo(json.dumps(counts) if as_json else "\n".join(lines))
        return
    header, found = rows(kind)
    if name is not None:
        found = matching(kind, header, found, name)
    if as_json:
        click.echo(
            json.dumps([dict(zip(header, row, strict=True)) for row in found], ensure_ascii=False, indent=1)
        )
    elif name is not None and len(found) <= 3:
        click.echo("\n\n".join(entry(header, row) for row in found))
    else:
        click.echo(aligned([header, *found]))


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


def _json_text(summary: Mapping[str, Any]) -> str:
    return json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)


def _say_faults(error: UserError) -> None:
    if not error.source:
        _say(*map(str, error.faults))
        return
    count = len(error.faults)
    _say(f"{error.source}: {count} {'fault' if count == 1 else 'faults'}", *(f"  {f}" for f in error.faults))
