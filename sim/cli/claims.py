"""`simulate claims`: the published claims, each tested again."""

from __future__ import annotations

import json

import click

from sim.cli.group import json_option, main, say


@main.command("claims")
@click.argument("ids", nargs=-1, metavar="[ID ...]")
@click.option("--list", "only_list", is_flag=True, help="Name the claims, and test none.")
@click.option("--out", metavar="DIR", help="Also write claims.csv, .json, .md and pictures there.")
@json_option
def claims_command(ids: tuple[str, ...], only_list: bool, out: str | None, as_json: bool) -> None:
    """Test published claims about the cost of generative AI: published, simulated, interval, verdict."""
    from sim.study.claims import claim_ids, run_claims

    if only_list:
        from sim.study.claims.ledger import ledgers

        rows = [{"id": name, "claim": ledgers()[name].claim} for name in claim_ids()]
        lines = [f"{row['id']:22s} {row['claim']}" for row in rows]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))
        return
    found = run_claims(ids, progress=lambda name: say(f"testing {name}"))
    if out is not None:
        from sim.study.claims.pictures import write

        say(*(f"wrote {path}" for path in write(found, out)))
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from sim.report.claims import render

    click.echo(render(found))
