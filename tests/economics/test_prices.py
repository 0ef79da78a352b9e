"""Prices come from the scenario where it has them, else from the catalog with their source."""

from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerators
from sim.catalog.prices import rental_series
from sim.catalog.servers import server
from sim.economics.prices import prices_of
from sim.errors import ScenarioError
from tests.samples import small


def test_a_server_costs_what_the_catalog_says():
    found = prices_of(small()).servers
    assert found["h100"].usd == server("DGX-H100").price_usd
    assert "DGX-H100" in found["h100"].source


def test_the_scenario_overrules_the_catalog():
    own = prices_of(small("cost.server_price_usd=123_456"))
    assert {p.usd for p in own.servers.values()} == {123_456}
    rent = prices_of(small("cost.basis=rent", "cost.rent_usd_per_accelerator_hour=1.25"))
    assert {(p.usd, p.source) for p in rent.rents.values()} == {(1.25, "scenario")}
    assert rent.servers == {}


def test_the_latest_rent_is_taken():
    rent = prices_of(small("cost.basis=rent")).rents["h100"]
    last = [p for p in rental_series("H100") if p.date == rental_series("H100")[-1].date]
    assert min(p.usd_per_h for p in last) <= rent.usd <= max(p.usd_per_h for p in last)
    assert last[0].date in rent.source


def test_a_chip_nobody_rents_out_is_said():
    unrented = next(n for n in accelerators() if not rental_series(n) and n.startswith("Maia"))
    with pytest.raises(ScenarioError, match="no hourly rent") as caught:
        prices_of(small("cost.basis=rent", f"pool.0.accelerator={unrented}"))
    assert caught.value.faults[0].path == "pool[0].accelerator"
