"""One model on one accelerator, where no ratio of two was measured: absolute figures beside the simulated ones.

python -m benchmarks.one_chip MEASURED.csv ... --model DeepSeek-V3 --accelerator H200 --out FILE.csv

Every measured run with closed clients is simulated under its own protocol (same clients, lengths, parallelism, stack),
and output tokens/s per accelerator follow from both alike: clients x output / (TTFT + (output - 1) x TPOT), over the
accelerators of the replica.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Table
from sim.study.setup import Reading
from sim.study.validate import Answer, Readings, answers, metric_name, read_files

METRICS = ("ttft_ms", "tpot_ms")
SHOWN = ("ttft_ms", "tpot_ms", "tokens_per_s")


def chosen(readings: Readings, model: str, accelerator: str) -> list[Reading]:
    """Runs of closed clients of that model on accelerators whose name begins so."""
    return [
        r
        for r in readings.answered
        if r.model.name == model and r.chip.name.startswith(accelerator) and r.setup.protocol.kind == "closed"
    ]


def compared(readings: Sequence[Reading]) -> Iterator[dict[str, Any]]:
    """A row for each run that has TTFT and TPOT, both as measured and as simulated."""
    runs: dict[int, dict[str, Answer]] = defaultdict(dict)
    for answer in answers(Readings(tuple(readings), ())):
        runs[id(answer.reading)][metric_name(answer.row.metric)] = answer
    for found in runs.values():
        if not found.keys() >= set(METRICS) or any(found[m].why for m in METRICS):
            continue
        reading = found["tpot_ms"].reading
        assert isinstance(reading, Reading)
        yield _row(reading, {m: found[m] for m in METRICS})


def _row(reading: Reading, found: dict[str, Answer]) -> dict[str, Any]:
    text, protocol, deployment = reading.case.text, reading.setup.protocol, reading.setup.deployment
    row: dict[str, Any] = {
        "stack": text["framework"].strip(),
        "measured_on": found["tpot_ms"].row.notes.get("measured", "")[:10],
        "accelerators": deployment.accelerators * protocol.replicas,
        "clients": round(protocol.size),
        "input_tokens": round(protocol.input_len),
        "output_tokens": round(protocol.output_len),
    }
    for side in ("measured", "simulated"):
        ttft_ms, tpot_ms = (found[m].row.value if side == "measured" else found[m].predicted for m in METRICS)
        answer_s = (ttft_ms + (protocol.output_len - 1) * tpot_ms) / 1e3
        rate = protocol.size * protocol.output_len / answer_s / row["accelerators"]
        row |= {f"{side}_ttft_ms": ttft_ms, f"{side}_tpot_ms": tpot_ms, f"{side}_tokens_per_s": rate}
    return row


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Medians of simulated over measured by stack and clients, as Markdown."""
    groups: dict[tuple, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: (r["stack"], r["clients"])):
        groups[row["stack"], row["clients"]].append(row)
    head = ("measured tokens/s each", "simulated", "TPOT, simulated / measured", "TTFT, simulated / measured")
    shown = Table("stack", "clients", "runs", *head)
    for (stack, clients), group in groups.items():
        rate, tpot, ttft = (
            median(_ratio(r, m) for r in group) for m in ("tokens_per_s", "tpot_ms", "ttft_ms")
        )
        measured = median(r["measured_tokens_per_s"] for r in group)
        shown.add(stack, clients, len(group), measured, measured * rate, tpot, ttft)
    return shown.markdown()


def _ratio(row: dict[str, Any], name: str) -> float:
    return row[f"simulated_{name}"] / row[f"measured_{name}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--accelerator", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = list(compared(chosen(read_files(given.files), given.model, given.accelerator)))
    if not rows:
        raise SystemExit(
            f"no run of {given.model} on {given.accelerator} with closed clients has TTFT and TPOT"
        )
    with given.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in r.items()} for r in rows)
    print(table(rows))
    for name in SHOWN:
        errors = sorted(abs(_ratio(r, name) - 1) for r in rows)
        print(f"{name}: median error {median(errors):.1%}, largest {errors[-1]:.1%}, of {len(rows)} runs")


if __name__ == "__main__":
    main()
