"""Regions and tariffs: complete, consistent with the other catalogs, and plausible."""

from __future__ import annotations

import numpy as np
import pytest

from sim.catalog.grids import carbon
from sim.catalog.prices import electricity
from sim.catalog.regions import region, regions
from sim.catalog.tariffs import DAYS, tariff, tariffs
from sim.errors import CatalogError

WANTED = (
    *("virginia", "oregon", "washington", "texas", "iowa", "ohio", "california", "ireland", "sweden"),
    *("france", "germany", "china-north", "singapore", "india"),
)


def test_the_regions_that_were_asked_for_are_there():
    assert set(WANTED) <= set(regions())


@pytest.mark.parametrize("name", WANTED)
def test_a_region_refers_to_what_exists(name):
    found = region(name)
    assert carbon(found.grid).grid == found.grid
    assert electricity(found.electricity).region == found.electricity
    assert not found.tariff or tariff(found.tariff).name == found.tariff
    for key in ("grid", "wue_l_per_kwh", "monthly_c"):
        assert found.provenance[key].source
        assert found.provenance[key].date


@pytest.mark.parametrize("name", WANTED)
def test_climates_are_plausible(name):
    found = region(name)
    assert -15 < min(found.monthly_c) <= max(found.monthly_c) < 35
    assert 3 < min(found.daily_range_c) <= max(found.daily_range_c) < 20
    steps = np.diff([*found.monthly_c, found.monthly_c[0]])
    assert np.abs(steps).max() < 10


def test_names_and_aliases():
    assert region("Ashburn") is region("virginia")
    with pytest.raises(CatalogError, match="unknown region"):
        region("atlantis")
    with pytest.raises(CatalogError, match="unknown tariff"):
        tariff("free")


def test_tariffs_are_well_formed():
    for entry in tariffs().values():
        assert 0 < entry.usd_per_kwh < 1
        for period in entry.periods:
            assert period.days in DAYS
            assert 0 <= period.hours[0] < period.hours[1] <= 24
            assert set(period.months) <= set(range(1, 13))


def test_the_hourly_carbon_of_california():
    shape = carbon("US-CA").hourly
    assert sum(shape) == pytest.approx(24)
    assert np.argmin(shape) in (11, 12, 13)
    assert np.argmax(shape) in (18, 19, 20)
    assert carbon("US-VA").hourly == ()
