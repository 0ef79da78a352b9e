"""Grids and sites: published figures and names."""

from __future__ import annotations

import pytest

from sim.catalog.grids import carbon, embodied_kg, grids, pue, site_overheads
from sim.errors import CatalogError


@pytest.mark.parametrize(
    "name, grams", [("US", 369), ("CN", 582), ("FR", 56), ("DE", 381), ("SE", 41), ("IN", 713), ("IE", 291)]
)
def test_published_carbon_intensities(name, grams):
    assert carbon(name).g_per_kwh == grams


def test_every_grid_is_plausible():
    for grid in grids().values():
        assert 20 < grid.g_per_kwh < 900, grid.grid


def test_states_spread_around_the_nation():
    states = [g.g_per_kwh for g in grids().values() if g.grid.startswith("US-")]
    assert min(states) < carbon("US").g_per_kwh < max(states)
    assert carbon("US-TX").g_per_kwh == pytest.approx(771.179 * 0.45359, abs=0.5)


def test_names():
    assert carbon("usa") is carbon("United States") is carbon("US")
    assert carbon("Virginia") is carbon("US-VA")
    with pytest.raises(CatalogError, match='unknown grid "Frnce"') as caught:
        carbon("Frnce")
    assert "France" in caught.value.faults[0].hint


def test_power_usage_effectiveness():
    assert pue("google") == 1.09
    assert all(1.0 < s.pue < 2.0 for s in site_overheads().values())
    with pytest.raises(CatalogError, match="unknown operator"):
        pue("nobody")


def test_embodied_carbon():
    values, sources = embodied_kg()
    assert values == {"accelerator_kg": 273.0, "server_kg": 5700.0}
    assert set(sources) == set(values)
