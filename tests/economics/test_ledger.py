"""The ledger by hand-worked numbers."""

from __future__ import annotations

import math

import pytest

from sim.economics.ledger import YEAR_S, money
from sim.economics.prices import Price, Prices
from sim.economics.usage import PoolUsage, Usage, usage_of
from sim.scenario.money import Cost
from sim.scenario.revenue import Revenue
from sim.scenario.site import Site

YEAR = Usage(
    span_s=YEAR_S,
    pools=(PoolUsage("a", 16, 2.0, 20_000.0), PoolUsage("b", 4, 0.5, 5_000.0)),
    site_j=100_000 * 3.6e6,
    requests=1_000_000,
    input_tokens=2_000_000_000,
    output_tokens=500_000_000,
)
SERVERS = {"a": Price(100_000.0, "test"), "b": Price(400_000.0, "test")}


def prices(revenue=None, **cost):
    terms = {"depreciation_years": 4.0, "cost_of_capital": 0.1, "network_storage_fraction": 0.25, **cost}
    site = Site(electricity_usd_per_kwh=0.1, colocation_usd_per_kw_month=200.0)
    return Prices(site, Cost(**terms), revenue, SERVERS, {})


def test_a_year_of_owning_worked_by_hand():
    """Servers of $400,000 (2 x 100,000 and half of 400,000), network and storage of $100,000."""
    found = money(YEAR, prices(maintenance_fraction_per_year=0.02, staff_usd_per_year=7_000.0))
    lines = found["cost"]["breakdown"]
    assert lines["server_depreciation"] == pytest.approx(100_000)
    assert lines["network_storage_depreciation"] == pytest.approx(25_000)
    assert lines["cost_of_capital"] == pytest.approx(500_000 * 0.3154708 - 125_000, rel=1e-6)
    assert lines["maintenance"] == pytest.approx(10_000)
    assert lines["colocation"] == pytest.approx(25 * 200 * 12)
    assert lines["electricity"] == pytest.approx(10_000)
    assert lines["staff"] == pytest.approx(7_000)
    assert found["cost"]["capex_usd"] == 500_000


def test_the_lines_sum_to_the_total_and_to_its_shares():
    cost = money(YEAR, prices())["cost"]
    assert math.fsum(cost["breakdown"].values()) == cost["usd_total"]
    assert cost["usd_per_request"] == pytest.approx(cost["usd_total"] / 1e6)
    assert cost["usd_per_mtok_output"] == pytest.approx(cost["usd_total"] / 500)
    assert cost["usd_per_mtok"] == pytest.approx(cost["usd_total"] / 2500)
    assert cost["usd_per_hour"] == pytest.approx(cost["usd_total"] / 8760)


def test_half_the_time_and_energy_cost_half():
    half = Usage(YEAR_S / 2, YEAR.pools, YEAR.site_j / 2, 1, 1, 1)
    assert money(half, prices())["cost"]["usd_total"] == pytest.approx(
        money(YEAR, prices())["cost"]["usd_total"] / 2
    )


def test_renting_pays_by_the_accelerator_hour_and_for_staff():
    rents = {"a": Price(2.0, "test"), "b": Price(3.0, "test")}
    rented = Prices(Site(), Cost(basis="rent", staff_usd_per_year=1000.0), None, {}, rents)
    found = money(YEAR, rented)["cost"]
    assert found["breakdown"] == pytest.approx({"rent": 8760 * (16 * 2 + 4 * 3), "staff": 1000})
    assert found["capex_usd"] is None
    assert found["prices"]["a"] == {"accelerator_usd_per_hour": 2.0, "source": "test"}


def test_tokens_sell_at_their_prices():
    found = money(YEAR, prices(Revenue(usd_per_mtok_input=0.5, usd_per_mtok_output=2.0)))
    assert found["revenue"] == pytest.approx(2000 * 0.5 + 500 * 2.0)
    assert found["margin"] == pytest.approx(found["revenue"] - found["cost"]["usd_total"])
    assert found["margin_fraction"] == pytest.approx(found["margin"] / found["revenue"])


def test_nothing_sold_and_nothing_completed_is_none():
    idle = Usage(YEAR_S, YEAR.pools, 1.0, 0, 0, 0)
    found = money(idle, prices())
    assert (found["revenue"], found["margin"], found["margin_fraction"]) == (None, None, None)
    assert found["cost"]["usd_per_request"] is None
    assert found["cost"]["usd_per_mtok_output"] is None
    free = money(idle, prices(Revenue(usd_per_mtok_input=1.0, usd_per_mtok_output=1.0)))
    assert (free["revenue"], free["margin_fraction"]) == (0.0, None)


def test_usage_is_read_from_a_summary():
    summary = {
        "span": {"start_s": 300.0, "end_s": 3900.0},
        "pools": [
            {"name": "a", "accelerators": 8, "servers": 1.0, "power": {"provisioned_it_w": 10_200.0}},
        ],
        "energy": {"site_j": 5.0},
        "requests": {"completed": 7},
        "tokens": {"input": 70, "output": 30},
    }
    assert usage_of(summary) == Usage(3600.0, (PoolUsage("a", 8, 1.0, 10_200.0),), 5.0, 7, 70, 30)
