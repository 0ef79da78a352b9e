"""`simulate import`: result files of load generators as rows of the tidy measurement schema."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import click

from sim.cli.group import main, say

describe_option = click.option(
    "--describe",
    multiple=True,
    metavar="KEY=VALUE,... | FACTS.toml",
    help="What result files (.json) do not say: accelerator, tp, precision, framework, model, load. May be repeated.",
)


def measured_files(files: Sequence[str], describe: Sequence[str]) -> list[str]:
    """The files, those of load generators with the facts that describe them."""
    from sim.study.imported import ResultFile, parse_facts

    facts = parse_facts(describe)
    return [ResultFile(f, facts) if f.endswith(".json") else f for f in files]


@main.command("import")
@click.argument("files", nargs=-1, required=True, metavar="RESULT.json [...]")
@click.option("--out", metavar="ROWS.csv", help="File to write. Default: standard output.")
@describe_option
def import_command(files: tuple[str, ...], out: str | None, describe: tuple[str, ...]) -> None:
    """Turn results of guidellm, inference-perf and vllm bench serve into measured rows.

    `validate` and `calibrate` take the rows, or the result files themselves.
    """
    from sim.study.imported import parse_facts, rows
    from sim.study.rows import COLUMNS

    facts = parse_facts(describe)
    found = [row for file in files for row in rows(file, facts)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(map(str, COLUMNS)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    if out is None:
        click.echo(text.getvalue(), nl=False)
        return
    Path(out).write_text(text.getvalue(), encoding="utf-8")
    say(f"{len(found)} rows in {out}")
