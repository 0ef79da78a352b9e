"""The group of commands, and what they share: options, reading a scenario, saying what is wrong.

Nothing but this package prints or exits. Exit codes: 0 done; 2 the user's file or words are wrong; 1 a fault of ours;
130 interrupted. What a command needs is imported when it runs, so that help and checks answer at once.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.errors import Fault, Interrupted, ScenarioError, UserError, did_you_mean

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
            hint = (
                did_you_mean(args[0], self.commands) or f"the commands are {', '.join(sorted(self.commands))}"
            )
            raise UserError(Fault("", f'"{args[0]}" is neither a command nor a scenario file', hint))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            say_faults(error)
            ctx.exit(THEIRS)
        except (Interrupted, KeyboardInterrupt) as stop:
            say(f"interrupted: {str(stop) or 'nothing was written'}")
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # for click to say, or to end quietly
        except Exception:
            say(traceback.format_exc() + "\nThis is a fault of the program, not of your file.")
            ctx.exit(OURS)


@click.group("simulate", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Simulate a GPU data center that serves generative AI.

    `simulate SCENARIO.toml` is short for `simulate run SCENARIO.toml`.
    """


scenario_argument = click.argument("scenario", metavar="SCENARIO.toml")
set_option = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the scenario, for example pool.0.replicas=16. May be repeated.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def attainment_option(words: str = "Share of the requests that must meet their targets.") -> Any:
    return click.option(
        "--attainment",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.99,
        show_default=True,
        help=words,
    )


def load_scenario(path: str, changes: Sequence[str]) -> Scenario:
    from sim.scenario import load

    return load(path, changes)


@contextmanager
def faults_of(path: str) -> Iterator[None]:
    """Names the file in faults that are found only after it was read."""
    try:
        yield
    except ScenarioError as error:
        raise ScenarioError(error.faults, error.source or path) from None


def json_text(summary: Mapping[str, Any]) -> str:
    return json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)


def say(*lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)


def say_faults(error: UserError) -> None:
    if not error.source:
        say(*map(str, error.faults))
        return
    count = len(error.faults)
    say(f"{error.source}: {count} {'fault' if count == 1 else 'faults'}", *(f"  {f}" for f in error.faults))
