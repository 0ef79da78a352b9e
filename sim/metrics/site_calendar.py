"""The run's span on the calendar: slots that no quarter of an hour, window or training run cuts through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sim.catalog.regions import Region
from sim.metrics.span import Span

QUARTER_S = 900.0
HOUR_S = 3600.0
NEAR_S = 1e-6
"""Marks nearer than this to a window's edge fall on it."""
WARMEST_H = 15.0
"""Hour at which the day is warmest."""
MID_MONTH = np.array([15.5, 45, 74.5, 105, 135.5, 166, 196.5, 227.5, 258, 288.5, 319, 349.5])
"""Days from the start of the year to the middle of each month."""
YEAR_DAYS = 365.0


@dataclass(frozen=True)
class Slots:
    """Pieces of the span in order, M of them, each within one window and one quarter of an hour of the clock.

    start_s, width_s: float64[M] [s] of the run.  window: int64[M], its window in the span.
    quarter, hour: int64[M], counted on the clock from `first_hour`, the full hour in which the span begins.
    """

    start_s: np.ndarray
    width_s: np.ndarray
    window: np.ndarray
    quarter: np.ndarray
    hour: np.ndarray
    first_hour: datetime
    windows: int

    def by_window(self, values: np.ndarray) -> np.ndarray:
        """Sums over the slots of each window, float64[N]."""
        return np.bincount(self.window, weights=values, minlength=self.windows)

    def spread(self, values: np.ndarray, width_s: np.ndarray) -> np.ndarray:
        """A window's amount divided among its slots by their length, float64[M]."""
        return values[self.window] * (self.width_s / width_s[self.window])

    def moment(self, hour: int) -> datetime:
        """Clock time at the start of hour number `hour`."""
        return self.first_hour + timedelta(hours=int(hour))

    def hour_of_day(self) -> np.ndarray:
        """Hour of the day of each slot, int64[M]."""
        return (self.first_hour.hour + self.hour) % 24

    def day_of_year(self) -> np.ndarray:
        """Days from the start of the year to the middle of each slot, float64[M]; years have 365 days here."""
        begun = self.first_hour.timetuple().tm_yday - 1 + self.first_hour.hour / 24
        return (begun + self._hours_in() / 24) % YEAR_DAYS

    def outdoor_c(self, region: Region) -> np.ndarray:
        """Outdoor temperature of each slot [deg C]: monthly means and daily ranges, linear between mid-months, and
        over the day a cosine that peaks at 15 h. Normals: no heat waves and no cold spells."""
        day = self.day_of_year()
        mean = np.interp(day, MID_MONTH, region.monthly_c, period=YEAR_DAYS)
        daily_range = np.interp(day, MID_MONTH, region.daily_range_c, period=YEAR_DAYS)
        hour = (self.first_hour.hour + self._hours_in()) % 24
        return mean + daily_range / 2 * np.cos(2 * np.pi * (hour - WARMEST_H) / 24)

    def _hours_in(self) -> np.ndarray:
        """Hours from `first_hour` to the middle of each slot."""
        quarter = self.quarter // 4 * 4
        within = (self.quarter - quarter + 0.5) / 4
        return self.hour + within


def slots_of(span: Span, start: datetime, marks_s: Iterable[float] = ()) -> Slots:
    """Slots of the span of a run that begins at `start`; marks_s: further times to cut at [s]."""
    offset_s = (start - start.replace(minute=0, second=0, microsecond=0)).total_seconds()
    edges = np.append(span.window_start_s, span.end_s)
    first = np.floor((span.start_s + offset_s) / QUARTER_S) + 1
    last = np.ceil((span.end_s + offset_s) / QUARTER_S)
    quarters = np.arange(first, last) * QUARTER_S - offset_s
    marks = np.append(quarters, [m for m in marks_s if span.start_s < m < span.end_s])
    nearest = np.abs(edges[np.clip(np.searchsorted(edges, marks), 1, len(edges) - 1)] - marks)
    before = np.abs(edges[np.clip(np.searchsorted(edges, marks) - 1, 0, len(edges) - 1)] - marks)
    fresh = marks[np.minimum(nearest, before) > NEAR_S]
    cuts = np.unique(np.concatenate([edges, fresh]))
    begin, width = cuts[:-1], np.diff(cuts)
    middle = begin + width / 2
    quarter = np.floor((middle + offset_s) / QUARTER_S).astype(np.int64)
    base = int((span.start_s + offset_s) // HOUR_S)
    window = np.searchsorted(span.window_start_s, middle, side="right") - 1
    hour_zero = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=base)
    return Slots(
        start_s=begin,
        width_s=width,
        window=window.astype(np.int64),
        quarter=quarter - 4 * base,
        hour=quarter // 4 - base,
        first_hour=hour_zero,
        windows=len(span.width_s),
    )
