"""Makes the smooth shapes of the arrival rate in data/workloads.toml; run by hand, never imported by the catalog.

python -m sim.catalog._fit_shapes week FILE            each model's two weeks in ServeGen's rates: fit, choice, errors
python -m sim.catalog._fit_shapes day FILE MODEL       24 hourly rates of a model with one day
python -m sim.catalog._fit_shapes hours FILE           24 hourly rates from BurstGPT's hour-of-day means
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

DAY_H, WEEK_H = 24, 168
WINDOWS_OF_AN_HOUR = 6
LEAST = 0.05
"""Share of its mean that a smooth rate has at least."""
GAP = 0.05
"""Share of the median rate below which a window counts as not recorded."""
MOST_DAY, MOST_WEEK = 4, 4
"""Harmonics to choose from."""


@dataclass(frozen=True)
class Wave:
    """Harmonics of the day and of the week, and their coefficients: constant, then cosine and sine of each."""

    day: int
    week: int
    coefficients: np.ndarray

    def at(self, hours: np.ndarray) -> np.ndarray:
        """The rate at `hours`, at least LEAST of the mean."""
        return np.maximum(
            _terms(hours, self.day, self.week) @ self.coefficients, LEAST * self.coefficients[0]
        )


@dataclass(frozen=True)
class TwoWeeks:
    """What fitting week one and scoring week two found.

    day, week: harmonics of the fit to week one.  error: of week two by guess, mean absolute over the mean.
    error_of_shape: the same with week two's own mean given.  second_over_first: means of the weeks.  wave: fitted to
    both weeks, with harmonics chosen on both.
    """

    day: int
    week: int
    error: Mapping[str, float]
    error_of_shape: Mapping[str, float]
    second_over_first: float
    wave: Wave


def fit(hours: np.ndarray, rates: np.ndarray, day: int, week: int) -> Wave:
    """Least squares over the hours that were recorded (rates not nan)."""
    seen = np.isfinite(rates)
    found = np.linalg.lstsq(_terms(hours[seen], day, week), rates[seen], rcond=None)[0]
    return Wave(day, week, found)


def _terms(hours: np.ndarray, day: int, week: int) -> np.ndarray:
    periods = [DAY_H / k for k in range(1, day + 1)] + [WEEK_H / k for k in range(1, week + 1)]
    columns = [np.ones(len(hours))]
    for period in periods:
        angle = 2 * np.pi * hours / period
        columns += [np.cos(angle), np.sin(angle)]
    return np.column_stack(columns)


def error(predicted: np.ndarray, rates: np.ndarray) -> float:
    """Mean absolute error over the mean rate, of the hours that were recorded."""
    seen = np.isfinite(rates) & np.isfinite(predicted)
    return float(np.abs(predicted[seen] - rates[seen]).mean() / rates[seen].mean())


def chosen(hours: np.ndarray, rates: np.ndarray, weeks: Sequence[int]) -> tuple[int, int]:
    """Harmonics of day and week whose fit predicts each day from the others best."""
    days = (hours // DAY_H).astype(int)

    def left_out(day: int, week: int) -> float:
        predicted = np.full(len(rates), np.nan)
        for d in np.unique(days):
            out = days == d
            predicted[out] = fit(hours[~out], rates[~out], day, week).at(hours[out])
        return error(predicted, rates)

    return min(product(range(MOST_DAY + 1), weeks), key=lambda kw: left_out(*kw))


def hourly_means(windows: np.ndarray) -> np.ndarray:
    """Hourly means of rates by 10 minutes. Windows below GAP of the median are gaps in the record (or outages, which
    are no shape of demand either); hours of gaps alone are nan.
    """
    least = GAP * np.median(windows[windows > 0])
    known = np.where(windows > least, windows, np.nan).reshape(-1, WINDOWS_OF_AN_HOUR)
    counts = np.isfinite(known).sum(axis=1)
    return np.where(counts > 0, np.nansum(known, axis=1) / np.maximum(counts, 1), np.nan)


def two_weeks(rates: np.ndarray) -> TwoWeeks:
    """Fit week one, score week two, against what needs no fit; and the shape of both weeks together.

    rates: float64[336] by hour, nan where nothing was recorded.
    """
    hours = np.arange(WEEK_H, dtype=float)
    first, second = rates[:WEEK_H], rates[WEEK_H : 2 * WEEK_H]
    day, week = chosen(hours, first, range(MOST_WEEK + 1))
    of_day = np.array([np.nanmean(first[h::DAY_H]) for h in range(DAY_H)])
    guesses = {
        "flat": np.full(WEEK_H, np.nanmean(first)),
        "same hour last week": first,
        "mean of the hour of day": np.tile(of_day, 7),
        "harmonics": fit(hours, first, day, week).at(hours),
    }
    both_hours = np.arange(2 * WEEK_H, dtype=float)
    return TwoWeeks(
        day=day,
        week=week,
        error={name: error(g, second) for name, g in guesses.items()},
        error_of_shape={
            name: error(g * np.nanmean(second) / np.nanmean(g), second) for name, g in guesses.items()
        },
        second_over_first=float(np.nanmean(second) / np.nanmean(first)),
        wave=fit(both_hours, rates, *chosen(both_hours, rates, range(MOST_WEEK + 1))),
    )


def smooth_day(means: np.ndarray) -> tuple[int, np.ndarray]:
    """Harmonics chosen by leaving out one hour after another, and the smooth hourly rates of mean 1."""
    hours = np.arange(DAY_H, dtype=float)

    def left_out(day: int) -> float:
        predicted = np.empty(DAY_H)
        for h in range(DAY_H):
            kept = hours != h
            predicted[h] = fit(hours[kept], means[kept], day, 0).at(hours[h : h + 1])[0]
        return error(predicted, means)

    best = min(range(1, MOST_DAY + 1), key=left_out)
    smooth = fit(hours, means, best, 0).at(hours)
    return best, smooth / smooth.mean()


def models(path: str) -> dict[str, np.ndarray]:
    """Rates by 10 minutes of each model in ServeGen's aggregate file."""
    found: dict[str, list[float]] = {}
    with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as file:
        for row in csv.DictReader(file):
            found.setdefault(row["model"], []).append(float(row["total_rate_rps"]))
    return {name: np.array(rates) for name, rates in found.items()}


def hour_means(path: str) -> tuple[np.ndarray, np.ndarray]:
    """BurstGPT's mean requests by hour of day, float64[24], and daily totals."""
    opener: Callable = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt") as file:
        data = json.load(file)
    return np.array([r["rph"] for r in data["hourly_avg"]]), np.array(
        [r["req"] for r in data["daily"]], float
    )


def _show(name: str, rates: np.ndarray) -> None:
    print(f"{name} = [{', '.join(f'{x:.3f}' for x in rates / rates.mean())}]")


def main(arguments: list[str]) -> None:
    """Prints what the first argument names."""
    what, path, *rest = arguments
    if what == "week":
        for name, windows in models(path).items():
            if len(windows) < 2 * WEEK_H * WINDOWS_OF_AN_HOUR:
                continue
            found = two_weeks(hourly_means(windows))
            print(f"# {name}: week two {found.error_of_shape}, of both {found.wave.day}, {found.wave.week}")
            _show("hourly", found.wave.at(np.arange(WEEK_H, dtype=float)))
    elif what == "day":
        best, smooth = smooth_day(hourly_means(models(path)[rest[0]]))
        print(f"# {rest[0]}: {best} harmonics")
        _show("hourly", smooth)
    elif what == "hours":
        means, daily = hour_means(path)
        best, smooth = smooth_day(means)
        print(f"# {best} harmonics; {len(daily)} days, cv of daily totals {daily.std() / daily.mean():.2f}")
        _show("hourly", smooth)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
