"""What `simulate calibrate` does: fit, write the calibration file, and with cross-validation the results folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.cost.calibration import packaged_calibration, packaged_calibrations, prior_catalog
from sim.study import validation_results as R
from sim.study.calibrate import Progress, calibrate, calibrate_jobs, calibrate_power, calibrate_stack
from sim.study.calibration_file import write
from sim.study.held_out import summary
from sim.study.jobs_results import write_job_results
from sim.study.validate import answers, read_files
from sim.study.validation_readme import readme


def run_calibration(
    paths: Sequence[str | Path],
    *,
    date: str,
    out: str | Path,
    results: str | Path | None = None,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Calibrate the whole catalog to `paths` and write it to `out`; returns what was written under
    `[calibration]` (rows, answered, in-sample errors).

    results: a folder for tables and plots of in-sample and left-out errors; asks for cross-validation.
    """
    tables, found = calibrate(paths, date=date, cross=results is not None, workers=workers, progress=progress)
    write(tables, out)
    if results is not None:
        folder = Path(results)
        given = answers(read_files(paths), prior_catalog().overlaid(tables))
        R.write_tables(given, folder)
        left_out = summary(found.held_out)
        R.write_rows(left_out, folder / "cross_validation.csv")
        page = readme(given, left_out, date, " ".join(Path(p).name for p in paths))
        (folder / "README.md").write_text(page, encoding="utf-8")
        R.plot(given, folder / "predicted_against_measured.png")
        R.plot_held_out(left_out, R.in_sample_medians(given), folder / "in_sample_and_left_out.png")
    return tables["calibration"]


def run_power_calibration(
    paths: Sequence[str | Path],
    *,
    date: str,
    out: str | Path,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Calibrate power alone and write to `out` the packaged calibration with its power replaced; returns its
    `[calibration]`."""
    like = packaged_calibration(packaged_calibrations()[-1])
    tables, _ = calibrate_power(paths, like=like, date=date, workers=workers, progress=progress)
    write(tables, out)
    return tables["calibration"]


def run_job_calibration(
    paths: Sequence[str | Path],
    *,
    date: str,
    out: str | Path,
    results: str | Path | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Calibrate image and video generation alone and write it to `out`; returns its `[calibration]`.

    results: a folder for tables and pictures of in-sample and left-out errors; asks for leaving out.
    """
    tables, left_out = calibrate_jobs(paths, date=date, cross=results is not None, progress=progress)
    write(tables, out)
    if results is not None:
        write_job_results(paths, tables, left_out, Path(results))
    return tables["calibration"]


def run_stack_calibration(
    paths: Sequence[str | Path],
    *,
    name: str,
    like: str,
    date: str,
    out: str | Path,
    workers: int | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Calibrate one new stack to the user's own rows and write it to `out`; returns its `[calibration]`."""
    tables = calibrate_stack(paths, name=name, like=like, date=date, workers=workers, progress=progress)
    write(tables, out)
    return tables["calibration"]
