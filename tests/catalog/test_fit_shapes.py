"""Harmonics of day and week: found where they are, not where they are not, and judged on a week not fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from sim.catalog._fit_shapes import WEEK_H, Wave, chosen, error, fit, hourly_means, smooth_day, two_weeks
from sim.catalog.workloads import shape

HOURS = np.arange(2.0 * WEEK_H)


def wave(day: float, week: float, noise: float = 0.0, seed: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal(len(HOURS)) * noise
    return 100 * (
        1 + day * np.cos(2 * np.pi * (HOURS - 20) / 24) + week * np.sin(2 * np.pi * HOURS / 168) + drawn
    )


def test_a_fit_finds_the_wave_that_is_there():
    rates = wave(0.3, 0.2)
    assert fit(HOURS, rates, 1, 1).at(HOURS) == pytest.approx(rates, rel=1e-10)
    gaps = np.where(np.arange(len(rates)) % 5 == 0, np.nan, rates)
    assert fit(HOURS, gaps, 2, 3).at(HOURS) == pytest.approx(rates, rel=1e-9)


def test_left_out_days_choose_no_more_harmonics_than_there_are():
    assert chosen(HOURS, wave(0.4, 0.0, 0.05), range(4)) == (1, 0)
    day, week = chosen(HOURS, wave(0.4, 0.4, 0.02), range(4))
    assert day == 1 and week >= 1


def test_a_smooth_fit_beats_a_noisy_last_week_and_the_truth_is_told_where_nothing_repeats():
    found = two_weeks(wave(0.5, 0.0, 0.2))
    errors = found.error_of_shape
    assert errors["harmonics"] < errors["same hour last week"] < errors["flat"]
    noise = two_weeks(wave(0.0, 0.0, 0.3)).error_of_shape
    assert noise["flat"] <= noise["harmonics"] * 1.02 < noise["same hour last week"]


def test_the_level_of_the_second_week_is_told_apart_from_its_shape():
    grown = wave(0.4, 0.0) * np.where(HOURS < WEEK_H, 1.0, 1.5)
    found = two_weeks(grown)
    assert found.second_over_first == pytest.approx(1.5)
    assert found.error["harmonics"] == pytest.approx(1 / 3, rel=0.02)
    assert found.error_of_shape["harmonics"] == pytest.approx(0.0, abs=1e-9)


def test_windows_without_arrivals_are_gaps():
    windows = np.concatenate([[2.0, 0, 4, 0, 0, 0], np.zeros(6), np.full(6, 5.0)])
    assert hourly_means(windows).tolist() == pytest.approx([3.0, np.nan, 5.0], nan_ok=True)


def test_a_smooth_rate_is_never_negative():
    assert Wave(1, 0, np.array([1.0, 2.0, 0.0])).at(HOURS).min() == pytest.approx(0.05)
    assert error(np.array([1.0, 2.0]), np.array([2.0, np.nan])) == pytest.approx(0.5)
    best, smooth = smooth_day(wave(0.3, 0.0)[:24])
    assert best == 1 and smooth.mean() == pytest.approx(1)


def test_smooth_shapes_keep_the_hours_of_the_raw_ones():
    raw, smooth = np.array(shape("diurnal")), np.array(shape("burstgpt-day"))
    assert np.corrcoef(raw, smooth)[0, 1] > 0.97
    day = np.array(shape("weekly")).reshape(7, 24).mean(axis=0)
    assert np.corrcoef(day, shape("servegen-m-small-day"))[0, 1] > 0.95
