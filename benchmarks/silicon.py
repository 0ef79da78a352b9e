"""Both step-cost backends against measured rows: `python -m benchmarks.silicon MEASURED.csv --out FILE.csv`.

Each setup is simulated under its source's protocol with the mechanistic and with the measured-kernel tables; nothing
is fitted here. The mechanistic coefficients were fitted to such rows, the measured kernels were not.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sim.cost.silicon import silicon_cost
from sim.cost.step import step_cost
from sim.cost.types import StepCost
from sim.errors import UserError
from sim.study.cell import observe
from sim.study.protocols import MAX_STEP_TOKENS
from sim.study.setup import Reading
from sim.study.validate import metric_name, read_files

METRICS = ("tpot_ms", "ttft_ms")


class Compared(NamedTuple):
    """One measured value and both predictions of it (nan for none), and why one is missing."""

    group: tuple[str, ...]
    measured: float
    mechanistic: float
    silicon: float
    why: str


def thinned(readings: Iterable[Reading], most: int) -> list[Reading]:
    """At most `most` readings of each chip, model, precision and stack, evenly through their order."""
    groups: dict[tuple, list[Reading]] = defaultdict(list)
    for reading in readings:
        groups[_group(reading)].append(reading)
    picked = []
    for group in groups.values():
        stride = max(1.0, len(group) / most)
        picked += [group[int(i * stride)] for i in range(min(most, len(group)))]
    return picked


def compare(reading: Reading) -> Iterator[Compared]:
    """Both predictions of a reading's rows; what has none carries why."""
    ours: dict[str, float] = {}
    theirs: dict[str, float] = {}
    why = ""
    try:
        base = _mechanistic(reading)
        ours = _seen(base, reading)
        theirs = _seen(_kernels(base, reading), reading)
    except UserError as error:
        why = error.faults[0].message
    for row in reading.case.rows:
        name = metric_name(row.metric)
        if name in METRICS and row.value > 0:
            group = (*_group(reading), name)
            yield Compared(group, row.value, ours.get(name, np.nan), theirs.get(name, np.nan), why)


def _mechanistic(reading: Reading) -> StepCost:
    p = reading.setup.protocol
    return step_cost(
        reading.model,
        reading.chip,
        reading.setup.deployment,
        max_batch=max(1, min(p.max_batch, round(p.size))),
        max_step_tokens=MAX_STEP_TOKENS,
        typical_context=p.input_len + p.output_len / 2,
    )


def _kernels(base: StepCost, reading: Reading) -> StepCost:
    p, d = reading.setup.protocol, reading.setup.deployment
    context = p.input_len + p.output_len / 2
    return silicon_cost(base, reading.model, reading.chip, d, typical_context=context)


def _seen(cost: StepCost, reading: Reading) -> dict[str, float]:
    seen = observe(cost, reading.setup.protocol)
    return {"tpot_ms": seen.tpot_s * 1e3, "ttft_ms": seen.ttft_s * 1e3} if seen.requests else {}


def _group(reading: Reading) -> tuple[str, ...]:
    d = reading.setup.deployment
    return reading.chip.name, reading.model.name, d.precision, d.stack


def table(found: Iterable[Compared]) -> list[dict[str, object]]:
    """Errors by group, then over all rows that both backends answer, per metric."""
    groups: dict[tuple, list[Compared]] = defaultdict(list)
    for c in found:
        groups[c.group].append(c)
        groups[("all", "", "", "", c.group[-1])].append(c)
    return [_line(key, part) for key, part in sorted(groups.items())]


def _line(key: tuple[str, ...], part: list[Compared]) -> dict[str, object]:
    names = ("accelerator", "model", "precision", "stack", "metric")
    both = [c for c in part if np.isfinite(c.mechanistic) and np.isfinite(c.silicon)]
    line: dict[str, object] = {**dict(zip(names, key, strict=True)), "rows": len(part), "both": len(both)}
    for name in ("mechanistic", "silicon"):
        ratios = np.array([getattr(c, name) / c.measured for c in both])
        some = len(ratios) > 0
        line[f"{name}_median_ape"] = f"{np.median(np.abs(ratios - 1)):.4f}" if some else ""
        line[f"{name}_median_ratio"] = f"{np.median(ratios):.4f}" if some else ""
    line["why_not"] = next((c.why for c in part if c.why), "") if key[0] != "all" else ""
    return line


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("measured", type=Path, nargs="+")
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--most", type=int, default=12, help="setups per chip, model, precision and stack")
    given = words.parse_args()
    readings = thinned(read_files(given.measured).answered, given.most)
    lines = table(c for reading in readings for c in compare(reading))
    with given.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    for line in lines:
        print(*line.values(), sep="  ")


if __name__ == "__main__":
    main()
