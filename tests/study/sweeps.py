"""A small sweep for tests: files in a folder, and runs of it."""

from __future__ import annotations

import json
from pathlib import Path

from sim.study.executors import Executor, InProcess
from sim.study.sweep import plan_sweep, run_sweep
from sim.study.sweep_design import Design
from sim.study.sweep_file import Sweep, load_sweep
from tests.samples import SMALL

PLAIN = """
name = "plain"
scenario = "small.toml"
set = { duration = "10 s", warmup = 0 }
[[axis]]
kind = "grid"
keys = { "pool.0.replicas" = [2, 3] }
[[uncertain]]
key = "site.pue"
distribution = { kind = "uniform", low = 1.1, high = 1.3 }
[[uncertain]]
key = "cost.depreciation_years"
distribution = { kind = "empirical", values = [4, 5, 6] }
[calibration]
energy = false
[sampling]
method = "sobol"
points = 4
seed = 5
[sensitivity]
"""
"""Two settings, three factors, indices and tornado: 114 runs of a few milliseconds."""


def written(folder: Path, text: str = PLAIN) -> Path:
    """The sweep file `text` and its base scenario in `folder`."""
    (folder / "small.toml").write_text(SMALL)
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def loaded(folder: Path, text: str = PLAIN) -> tuple[Sweep, Design]:
    sweep = load_sweep(written(folder, text))
    return sweep, plan_sweep(sweep)


def swept(
    folder: Path, text: str = PLAIN, *, out: str = "out", executor: Executor | None = None, **options
) -> dict:
    """Run the sweep into folder/out; its summary."""
    sweep, design = loaded(folder, text)
    place = executor or InProcess()
    try:
        return run_sweep(sweep, design, place, folder / out, **options)
    finally:
        place.close()


def outputs(folder: Path) -> tuple[bytes, dict]:
    """What must be equal however a sweep was run: the bytes of its table, and its summary."""
    return (folder / "results.parquet").read_bytes(), json.loads((folder / "summary.json").read_text())
