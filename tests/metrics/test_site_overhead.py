"""The building's overhead against hand calculations, and its limits."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.catalog.regions import region
from sim.metrics.site_calendar import slots_of
from sim.metrics.site_overhead import chilled_share, cop, load_temperature, overhead_w
from sim.metrics.span import Span
from sim.scenario.pue import LoadTemperature
from sim.scenario.site import Site

MODEL = LoadTemperature(model="load-temperature", outdoor_c=10.0)


def at(it_w, outdoor_c, rated_w=1e6, model=MODEL):
    return load_temperature(model, np.array([it_w]), rated_w, np.array([outdoor_c]))


def test_a_fixed_pue_is_a_factor():
    parts = overhead_w(Site(pue=1.25), np.array([100.0, 0.0]), 400.0, np.array([np.nan, np.nan]))
    assert parts.total == pytest.approx([25.0, 0.0])
    assert parts.unsplit == pytest.approx([25.0, 0.0])


def test_losses_worked_by_hand_in_the_cold():
    """Half load, no chiller: 1 % + 2 % of half, fans 1 % and 3 % of the heat, 1.5 % of all that flows."""
    parts = at(5e5, 0.0)
    ups = 1e4 + 0.02 * 5e5
    heat = 5e5 + ups
    fans = 1e4 + 0.03 * heat
    assert parts.ups[0] == pytest.approx(ups)
    assert parts.cooling[0] == pytest.approx(fans)
    assert parts.distribution[0] == pytest.approx(0.015 * (heat + fans))
    assert parts.other[0] == pytest.approx(5e3)


def test_the_chiller_in_the_heat_worked_by_hand():
    hot = np.array([35.0])
    assert cop(MODEL, hot)[0] == pytest.approx(0.4 * 300.15 / 33)
    assert chilled_share(MODEL, hot)[0] == 1.0
    parts = at(1e6, 35.0)
    heat = 1e6 * 1.03
    fans = 1e4 + 0.03 * heat
    assert parts.cooling[0] == pytest.approx(fans + (heat + fans) / (0.4 * 300.15 / 33))


def test_the_economiser_hands_over_between_two_temperatures():
    share = chilled_share(MODEL, np.array([19.0, 25.0, 31.0]))
    assert share == pytest.approx([0.0, 0.5, 1.0])


def test_typical_effectiveness():
    """Of the size that operators publish: Google's fleet 1.09, warm places above 1.2."""
    assert 1.07 < 1 + at(1e6, 8.0).total[0] / 1e6 < 1.12
    assert 1.2 < 1 + at(1e6, 28.0).total[0] / 1e6 < 1.4


@given(st.floats(1e3, 1e6), st.floats(-30, 45), st.floats(0.1, 10))
def test_overhead_is_positive_and_rises_with_heat_and_load(it_w, outdoor_c, more_k):
    here, warmer = at(it_w, outdoor_c).total[0], at(it_w, outdoor_c + more_k).total[0]
    assert 0 < here <= warmer + 1e-9
    assert at(it_w * 1.1, outdoor_c).total[0] > here
    assert at(it_w / 2, outdoor_c).total[0] / (it_w / 2) > here / it_w  # worse for part load


def year_of(name, share=0.7):
    """Mean PUE of a year at `share` of the rated load."""
    starts = 3600.0 * np.arange(8760)
    span = Span(0.0, 8760 * 3600.0, starts, np.full(8760, 3600.0), np.zeros((1, 8760, 1)))
    outdoor_c = slots_of(span, datetime(2026, 1, 1)).outdoor_c(region(name))
    return (
        1
        + float(load_temperature(MODEL, np.full_like(outdoor_c, share), 1.0, outdoor_c).total.mean()) / share
    )


def test_a_years_effectiveness_by_region():
    """Near what operators publish: 1.14 for Virginia; worst in the tropics, best by the northern sea."""
    found = {name: year_of(name) for name in ("virginia", "texas", "ireland", "singapore")}
    assert found["ireland"] < found["virginia"] < found["texas"] < found["singapore"]
    assert found["virginia"] == pytest.approx(1.14, abs=0.03)
    assert 1.2 < found["singapore"] < 1.4
