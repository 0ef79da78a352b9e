"""`simulate sweep`: many runs of one scenario, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from sim.cli.group import OURS, faults_of, json_option, json_text, main, say
from sim.cli.progress import runs_bar
from sim.errors import Interrupted


@main.command("sweep")
@click.argument("file", metavar="SWEEP.toml")
@click.option("--out", metavar="DIR", help="Directory of the sweep. Default: runs/<name>.")
@click.option(
    "--resume", is_flag=True, help="Go on with the sweep in the directory: do only what is missing."
)
@click.option(
    "--processes", type=click.IntRange(min=1), metavar="N", help="Local processes. Default: one per core."
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="A local Dask cluster of N workers.")
@click.option(
    "--cluster", metavar="ADDRESS", help="An existing Dask scheduler, for example tcp://10.0.0.5:8786."
)
@json_option
@click.pass_context
def sweep_command(
    ctx: click.Context,
    file: str,
    out: str | None,
    resume: bool,
    processes: int | None,
    workers: int | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Run a scenario over axes and uncertain inputs, and say what drives its outcome.

    Every finished batch is kept at once: after whatever was killed, --resume goes on. Exit code 1 if runs failed.
    """
    from sim.engine.kernel.jit import is_compiled
    from sim.study.executors import ExecutorFailed, executor_of
    from sim.study.sweep import compile_kernel, plan_sweep, run_sweep
    from sim.study.sweep_file import load_sweep

    sweep = load_sweep(file)
    with faults_of(file):
        design = plan_sweep(sweep)
    target = Path(out) if out is not None else Path("runs") / _slug(sweep.name)
    executor = executor_of(processes=processes, workers=workers, cluster=cluster)
    try:
        if not is_compiled():
            say("compiling the kernel for this machine (once, about half a minute)")
        compile_kernel(design)
        say(f"{sweep.name}: at most {design.tasks:,} runs on {executor.describe()}")
        with runs_bar(sweep.name) as report:
            summary = run_sweep(sweep, design, executor, target, resume=resume, report=report)
    except ExecutorFailed as failure:
        say(f"stopped: {failure}", f"what was done is kept in {target}; go on with --resume")
        ctx.exit(OURS)
    except Interrupted as stop:
        raise Interrupted(f"{stop} --out {target}") from None
    finally:
        executor.close()
    _tell(summary, target, as_json)
    if summary["failed"]:
        ctx.exit(OURS)


def _tell(summary: Mapping[str, Any], target: Path, as_json: bool) -> None:
    from sim.report.sweep import render
    from sim.report.tornado import can_plot, plot

    drawn = can_plot() and plot(summary, target / "tornado.png")
    if as_json:
        click.echo(json_text(summary))
    else:
        click.echo(render(summary))
    missing = any(s["tornado"] for s in summary["settings"]) and not can_plot()
    say(*(["no tornado.png: it needs matplotlib (pip install matplotlib)"] if missing else []))
    say(f"runs, summary{' and tornado.png' if drawn else ''} in {target}")


def _slug(name: str) -> str:
    from sim.results import slug

    return slug(name)
