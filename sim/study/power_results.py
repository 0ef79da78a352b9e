"""Tables, pictures and the page of a power report: `simulate validate FILES --power DIR`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from sim.report.files import pyplot, save
from sim.study import power_errors as E
from sim.study import power_report as R
from sim.study.power_fit import LeftOut
from sim.study.power_report import Table, finite

_PAGE = """# What accelerators draw

Made by `simulate validate MEASURED.csv ... --power results/power` with {files}.

Watts and joules are of accelerators alone unless a server or a site is named. How power is modelled, fitted and
limited: docs/power.md.

## Errors in and out of sample

|predicted / measured - 1|. W: watts with the measured times in place (the error of joules per token is then the same).
J/token: per output token with predicted times. Left out: a model family of a generation's rows; a whole generation,
predicted as one that nobody has measured. Times are not left out. The form and the priors were chosen with these
rows in sight (docs/power.md), so left-out errors are somewhat optimistic.

{errors}
![Predicted against measured watts](predicted_against_measured.png)

## W per GPU and J per token against batch: Llama-3.1-70B, bf16, 4 x H100, chat

Measured: ML.ENERGY leaderboard v3, the batch held full, prompts included; prompts of 400 tokens are assumed, they
are not published. *Held full* predicts that protocol. *Closed loop* runs as many clients from their first to their last
answer on the engine (start and end included). *Decode step* is one step without prompts: its joules per token leave out
what prompts cost, which is why they fall below the measured ones at large batches.

{batch}
![Power and energy per token against batch](power_against_batch.png)

## Phases

{phases}
## One generation against another

Llama-3.1-8B in 16 bits, one accelerator, chat, vLLM of 2025 everywhere (not measured on V100):

{generations}
Measured pairs, newer over older in joules per output token on the same work (ML.ENERGY: V100 to A100 from v1, eager
code at batch 1; A100 to H100 from v2, where the host holds small models up; H100 to B200 from v3):

{pairs}
## One chat answer

Llama-3.1-70B on 4 x H100, 400 tokens in and 350 out; the server by the catalog's DGX H100, the site at a PUE of 1.2.
Published answers differ in model and length: the comparison is of order, not of digits. Fleets run below full
batches most of the day: read up the table.

{query}
## A server of eight H100

{node}
## Power caps

Llama-3.1-70B on 4 x H100, one step under a cap over the same step without (sim/cost/dvfs.py). The law is not fitted;
tests hold it against published points.

![Time and energy under a cap](caps.png)

## Files

errors.csv, power_against_batch.csv, phases.csv, generations.csv, generation_pairs.csv, query.csv, node.csv, caps.csv.
"""


def write_power_results(paths: Sequence[str | Path], folder: str | Path, workers: int | None = None) -> Table:
    """Write tables, pictures and README.md to `folder`; returns the table of errors. Needs matplotlib."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    left_out = E.fitted_and_left_out(paths, workers)
    tables = {
        "errors": E.power_errors(left_out),
        "power_against_batch": R.against_batch(),
        "phases": R.phases(),
        "generations": R.generations(),
        "generation_pairs": E.generation_pairs(left_out),
        "query": R.query(),
        "node": R.node(),
        "caps": R.caps(),
    }
    for name, rows in tables.items():
        _write(place / f"{name}.csv", rows)
    (place / "README.md").write_text(_page(tables, paths), encoding="utf-8")
    plot_against_batch(tables["power_against_batch"], place / "power_against_batch.png")
    plot_errors(left_out, place / "predicted_against_measured.png")
    plot_caps(tables["caps"], place / "caps.png")
    return tables["errors"]


def _page(tables: dict[str, Table], paths: Sequence[str | Path]) -> str:
    batch = [{k: v for k, v in r.items() if "tokens_per_s" not in k} for r in tables["power_against_batch"]]
    query = [{k: v for k, v in r.items() if k != "published_wh"} for r in tables["query"]]
    return _PAGE.format(
        files=", ".join(Path(p).name for p in paths),
        errors=_markdown([_percent(r) for r in tables["errors"]]),
        batch=_markdown(batch),
        phases=_markdown(tables["phases"]),
        generations=_markdown(tables["generations"]),
        pairs=_markdown(tables["generation_pairs"]),
        query=_markdown(query) + f"\nPublished: {R.PUBLISHED_WH}.\n",
        node=_markdown(tables["node"]),
    )


def _percent(row: dict) -> dict:
    shares = ("median_ape", "p90_ape", "aim_median", "aim_p90")
    return {k: (f"{100 * v:.1f} %" if k in shares and v is not None else v) for k, v in row.items()}


def _markdown(rows: Table) -> str:
    if not rows:
        return "None.\n"
    head = list(rows[0])
    cells = [["" if r[h] is None else str(finite(r[h])) for h in head] for r in rows]
    lines = [
        " | ".join(h.replace("_", " ") for h in head),
        "|".join("---" for _ in head),
        *map(" | ".join, cells),
    ]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _write(path: Path, rows: Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["empty"])
        writer.writeheader()
        writer.writerows({k: finite(v) for k, v in row.items()} for row in rows)


def plot_against_batch(rows: Table, path: Path) -> None:
    """Watts and joules per token against batch, measured and predicted. Needs matplotlib."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    batch = [r["batch"] for r in rows]
    lines = (
        ("measured", "measured (ML.ENERGY v3)", "ko"),
        ("steady", "predicted, batch held full as measured", "C0-"),
        ("closed", "predicted, closed loop from start to end", "C1--"),
        ("decode_step", "predicted, decode step alone, no prompts", "C2:"),
    )
    for key, label, style in lines:
        axes[0].semilogx(batch, [r[f"{key}_w"] for r in rows], style, label=label)
        axes[1].loglog(batch, [r[f"{key}_j_per_token"] for r in rows], style, label=label)
    axes[0].axhline(700, color="gray", lw=0.8)
    axes[0].text(batch[0], 690, "TDP", color="gray", va="top")
    axes[0].set_ylim(0, 740)
    axes[0].set_ylabel("W per GPU")
    axes[1].set_ylabel("J per output token")
    for axis in axes:
        axis.set_xlabel("sequences running")
        axis.set_xticks(batch, [str(b) for b in batch])
        axis.minorticks_off()
    axes[1].set_yticks([0.3, 0.5, 1, 2, 4], ["0.3", "0.5", "1", "2", "4"])
    axes[0].legend(loc="lower right", fontsize=8)
    figure.suptitle("Llama-3.1-70B, bf16, 4 x H100, chat")
    figure.tight_layout()
    save(figure, path)


def plot_errors(left_out: Sequence[LeftOut], path: Path) -> None:
    """Predicted against measured W per GPU: in sample, and with the generation left out. Needs matplotlib."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(10, 5), sharex=True, sharey=True)
    for axis, way, title in zip(
        axes, ("nothing", "generation"), ("in sample", "its generation left out"), strict=True
    ):
        for i, generation in enumerate(E.GENERATIONS):
            part = [
                x for x in left_out if (x.of, x.way, x.observation.place.generation) == ("W", way, generation)
            ]
            gpus = [
                x.observation.reading.setup.deployment.accelerators
                * x.observation.reading.setup.protocol.replicas
                for x in part
            ]
            measured = [x.measured / g for x, g in zip(part, gpus, strict=True)]
            predicted = [x.predicted / g for x, g in zip(part, gpus, strict=True)]
            axis.loglog(measured, predicted, ".", ms=4, alpha=0.6, color=f"C{i}", label=generation)
        for factor, style in ((1.0, "k-"), (0.8, "k:"), (1.2, "k:")):
            axis.plot([90, 1100], [90 * factor, 1100 * factor], style, lw=0.8)
        axis.set_title(title)
        axis.set_xlabel("measured W per GPU")
        ticks = [100, 200, 400, 700, 1000]
        axis.set_xticks(ticks, [str(t) for t in ticks])
        axis.set_yticks(ticks, [str(t) for t in ticks])
        axis.minorticks_off()
    axes[0].set_ylabel("predicted W per GPU, measured times in place")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    save(figure, path)


def plot_caps(rows: Table, path: Path) -> None:
    """Time and energy of steps against a power cap. Needs matplotlib."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharex=True)
    for i, step in enumerate(dict.fromkeys(r["step"] for r in rows)):
        part = [r for r in rows if r["step"] == step]
        for axis, key in zip(axes, ("time", "energy"), strict=True):
            axis.plot(
                [r["cap_w"] for r in part], [r[key] for r in part], color=f"C{i}", marker=".", label=step
            )
    for axis, key in zip(axes, ("time", "energy"), strict=True):
        axis.set_xlabel("cap, W per GPU")
        axis.set_ylabel(f"{key} of a step, over no cap")
    axes[0].legend(fontsize=8)
    figure.suptitle("Llama-3.1-70B, bf16, 4 x H100 under a power cap")
    figure.tight_layout()
    save(figure, path)
