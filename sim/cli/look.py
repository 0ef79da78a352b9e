"""`simulate check`, `schema` and `catalog`: what is valid, and what there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from sim.cli.group import faults_of, json_option, load_scenario, main, scenario_argument, set_option
from sim.run import check

if TYPE_CHECKING:
    from sim.cost.types import StepCost
    from sim.scenario.pool import Pool


def _room(pool: Pool, cost: StepCost) -> str:
    """What a replica holds at once, in words."""
    if cost.memory.kv_bytes_per_token:
        return f"KV room for {cost.memory.kv_capacity_tokens:,} tokens"
    return f"batches of up to {pool.scheduler.max_batch}"


@main.command("check")
@scenario_argument
@set_option
def check_command(scenario: str, changes: tuple[str, ...]) -> None:
    """Validate a scenario without running it: every fault at once, and whether its models fit."""
    loaded = load_scenario(scenario, changes)
    with faults_of(scenario):
        costs = check(loaded)
    click.echo(f"{scenario} is a valid scenario: {loaded.name}")
    for pool, cost in zip(loaded.pools, costs, strict=True):
        click.echo(
            f"  pool {pool.name}: {pool.replicas:,} x {pool.accelerators_per_replica} {pool.accelerator}, "
            f"{pool.model} in {pool.precision}; {_room(pool, cost)} in each "
            f"replica; step cost: {cost.knowledge.basis}"
        )
        for text in cost.warnings:
            click.echo(f"    warning: {text}")


@main.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of scenario files."""
    from sim.scenario import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@main.command("catalog")
@click.argument("kind", required=False)
@click.argument("name", required=False)
@json_option
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
