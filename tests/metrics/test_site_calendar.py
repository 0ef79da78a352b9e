"""Slots: the span cut at quarters of the clock, windows and marks; nothing lost, every slot in one hour."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.catalog.regions import region
from sim.metrics.site_calendar import QUARTER_S, slots_of
from sim.metrics.span import Span


def span(start_s, end_s, width_s):
    count = max(1, int(np.ceil((end_s - start_s) / width_s - 1e-9)))
    starts = start_s + width_s * np.arange(count)
    return Span(start_s, end_s, starts, np.minimum(starts + width_s, end_s) - starts, np.zeros((1, count, 1)))


@settings(max_examples=60, deadline=None)
@given(
    begin=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    start_s=st.floats(0, 5000),
    length_s=st.floats(1.5, 40_000),
    width_s=st.sampled_from([1.0, 60.0, 700.0, 900.0, 5400.0]),
    mark_s=st.floats(0, 50_000),
)
def test_slots_tile_the_span_and_cross_no_quarter(begin, start_s, length_s, width_s, mark_s):
    width_s = max(width_s, length_s / 500)
    made = span(start_s, start_s + length_s, width_s)
    slots = slots_of(made, begin, [mark_s])
    assert slots.width_s.sum() == pytest.approx(length_s, rel=1e-12)
    assert (slots.width_s > 0).all()
    assert slots.by_window(slots.width_s) == pytest.approx(made.width_s, rel=1e-9)
    middle = slots.start_s + slots.width_s / 2
    for place in np.unique(np.linspace(0, len(middle) - 1, 20).astype(int)):
        moment = begin + timedelta(seconds=float(middle[place]))
        hour = slots.moment(slots.hour[place])
        assert hour - timedelta(milliseconds=1) <= moment < hour + timedelta(hours=1, milliseconds=1)
        assert slots.quarter[place] // 4 == slots.hour[place]
        assert slots.hour_of_day()[place] == hour.hour
    ends = slots.start_s + slots.width_s
    inside = (slots.start_s + 1e-5 < mark_s) & (mark_s < ends - 1e-5)
    assert not inside.any()


def test_amounts_of_windows_are_spread_and_come_back():
    made = span(100.0, 10_000.0, 2000.0)
    slots = slots_of(made, datetime(2026, 7, 1, 23, 50))
    energy = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert slots.by_window(slots.spread(energy, made.width_s)) == pytest.approx(energy, rel=1e-12)
    assert slots.moment(0) == datetime(2026, 7, 1, 23)
    assert slots.moment(slots.hour[-1]) == datetime(2026, 7, 2, 2)
    assert (slots.width_s <= QUARTER_S + 1e-9).all()


def test_the_weather_has_the_months_means_and_ranges():
    virginia = region("virginia")
    day = span(0.0, 86_400.0, 3600.0)
    july = slots_of(day, datetime(2026, 7, 16)).outdoor_c(virginia)
    assert july.mean() == pytest.approx(virginia.monthly_c[6], abs=0.1)
    assert july.max() - july.min() == pytest.approx(virginia.daily_range_c[6], rel=0.02)
    slots = slots_of(day, datetime(2026, 7, 16))
    assert slots.hour_of_day()[np.argmax(july)] in (14, 15)
    year = slots_of(span(0.0, 365 * 86_400.0, 3600.0), datetime(2026, 1, 1)).outdoor_c(virginia)
    assert year.mean() == pytest.approx(np.mean(virginia.monthly_c), abs=0.2)
