"""`simulate compare`: accelerators or techniques under one demand, or scenarios side by side."""

from __future__ import annotations

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
    set_option,
)
from sim.cli.words import words
from sim.errors import Fault, UserError


@main.command("compare")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIO.toml [OTHER.toml ...]")
@click.option(
    "--accelerators",
    metavar="NAME,NAME,...",
    help="Serve the demand of one scenario with each of these: the deployment is found, the fleet sized to meet the "
    "targets; then all at equal count.",
)
@click.option(
    "--techniques",
    metavar="NAME[:PARAMETER=VALUE],...",
    help="Answer the same users and prompts of one scenario under each of these techniques, and plainly: what each "
    "multiplies, with little demand, saturated and with the fleet resized, with and without prefix cache.",
)
@click.option("--base", metavar="NAME", help="What ratios are to. Default: the first that meets the targets.")
@attainment_option("Share of the requests (with --techniques: of the passes) that must meet their targets.")
@click.option(
    "--replications",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Paired runs of each of several scenarios.",
)
@click.option(
    "--measured", metavar="CSV", help="Measured ratios to print beside (results/validation/generations.csv)."
)
@click.option("--out", metavar="DIR", help="Also write compare.json, compare.csv and compare.png there.")
@set_option
@json_option
def compare_command(
    scenarios: tuple[str, ...],
    accelerators: str | None,
    techniques: str | None,
    base: str | None,
    attainment: float,
    replications: int,
    measured: str | None,
    out: str | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare accelerators or techniques under the demand of one scenario, or several scenarios as they stand."""
    if techniques is not None:
        unused = {"--accelerators": accelerators, "--base": base, "--measured": measured}
        report = _techniques(scenarios, techniques, attainment, changes, unused)
    elif accelerators is not None:
        report = _accelerators(scenarios, accelerators, base, attainment, changes)
        if measured is not None:
            from sim.report.compare_measured import measured_ratios

            report["measured"] = measured_ratios(report, measured)
    else:
        report = _scenarios(scenarios, replications, changes)
    if out is not None:
        _write(report, Path(out))
    click.echo(json_text(report) if as_json else _text(report))


def _write(report: dict[str, Any], place: Path) -> None:
    if report["mode"] == "techniques":
        from sim.report.techniques_files import write_techniques as write
    else:
        from sim.report.compare_files import write_compare as write
    write(report, place)


def _text(report: dict[str, Any]) -> str:
    if report["mode"] == "techniques":
        from sim.report.techniques import render
    else:
        from sim.report.compare import render
    return render(report)


def _techniques(
    scenarios: tuple[str, ...],
    names: str,
    attainment: float,
    changes: tuple[str, ...],
    unused: dict[str, str | None],
) -> dict[str, Any]:
    path, *others = scenarios
    if others:
        raise UserError(Fault("--techniques", "compares them under one scenario", "name one file"))
    for option, value in unused.items():
        if value is not None:
            raise UserError(
                Fault(option, "does not go with --techniques", "ask for them one after the other")
            )
    asked = words(names)
    if not asked:
        raise UserError(Fault("--techniques", "names none", "for example --techniques debate,guardrail"))
    from sim.study.techniques import compare_techniques

    loaded = load_scenario(path, changes)
    with faults_of(path):
        return compare_techniques(loaded, asked, attainment=attainment)


def _accelerators(
    scenarios: tuple[str, ...], names: str, base: str | None, attainment: float, changes: tuple[str, ...]
) -> dict[str, Any]:
    path, *others = scenarios
    if others:
        raise UserError(Fault("--accelerators", "compares them under one scenario", "name one file"))
    from sim.study.compare import compare_accelerators
    from sim.study.plan_deployments import known_accelerators

    asked = words(names)
    if not asked:
        raise UserError(Fault("--accelerators", "names none", "for example --accelerators A100,H100"))
    chips = known_accelerators(asked)
    first = known_accelerators([base])[0] if base is not None else None
    if first is not None and first not in chips:
        raise UserError(Fault("--base", f'"{first}" is not compared', f"one of {', '.join(chips)}"))
    loaded = load_scenario(path, changes)
    with faults_of(path):
        return {
            "mode": "accelerators",
            **compare_accelerators(loaded, chips, attainment=attainment, base=first),
        }


def _scenarios(scenarios: tuple[str, ...], replications: int, changes: tuple[str, ...]) -> dict[str, Any]:
    if len(scenarios) < 2:
        raise UserError(
            Fault(
                "compare",
                "there is nothing to compare with",
                "name a second scenario, or --accelerators A100,H100,...",
            )
        )
    from sim.study.compare_files import compare_scenarios

    loaded = [load_scenario(path, changes) for path in scenarios]
    return {"mode": "scenarios", **compare_scenarios(loaded, scenarios, replications=replications)}
