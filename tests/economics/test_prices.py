"""Prices come from the scenario where it has them, else from the catalog with their source."""

from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerators
from sim.catalog.prices import rental_series
from sim.catalog.servers import server
from sim.economics.prices import Price, prices_of, rent_on, reserved, server_price_on
from sim.errors import ScenarioError
from sim.scenario import loads
from tests.samples import small

FLEET = """
name = "fleet"
duration = "60 s"
[[workload]]
model = "Llama-3.1-8B"
arrivals = { process = "poisson", rate_per_s = 12 }
lengths = { kind = "fixed", input = 100, output = 100 }
[[pool]]
name = "h100"
accelerator = "H100-SXM-80GB"
model = "Llama-3.1-8B"
"""


def made(*changes: str):
    return prices_of(loads(FLEET, changes))


def fault(*changes: str):
    with pytest.raises(ScenarioError) as caught:
        made(*changes)
    return caught.value.faults[0]


def test_a_server_costs_what_the_catalog_says():
    found = made().servers
    assert found["h100"].usd == server("DGX-H100").price_usd
    assert "DGX-H100" in found["h100"].source


def test_the_scenario_overrules_the_catalog():
    own = made("cost.server_price_usd=123_456", "cost.purchase_date=2024")
    assert {p.usd for p in own.servers.values()} == {123_456}
    rent = made("cost.basis=rent", "cost.rent_usd_per_accelerator_hour=1.25")
    assert {(p.usd, p.source) for p in rent.rents.values()} == {(1.25, "scenario")}
    assert rent.servers == {}


def test_a_server_bought_on_a_day_costs_its_share_of_that_day():
    """$230,000 is 28,750 x 8, beside a DGX at 46,875 x 8 and their geometric mean on that day."""
    found = made("cost.purchase_date=2025-03-03").servers["h100"]
    assert found.usd == pytest.approx(8 * (28_750 * 46_875) ** 0.5)
    assert "2025-03-03" in found.source


def test_a_server_of_which_only_parts_were_priced_moves_with_them():
    """V100 cards fell from 11,458 to 2,500; the DGX-2 of 2019 with them, from its price at its own date."""
    old, new = (
        server_price_on("V100-SXM-32GB", server("DGX-2"), date) for date in ("2018-03-27", "2022-07-01")
    )
    assert new.usd / old.usd == pytest.approx(2500 / 11_458)
    assert "moved to 2022-07-01" in new.source
    assert server_price_on("V100-SXM-32GB", server("DGX-2"), "2019-01-11").usd == pytest.approx(
        server("DGX-2").price_usd
    )


def test_a_series_can_be_chosen():
    """The average selling price of H100 fell by 36.8 % from 2022 to 2025."""
    one, two = (
        made(f"cost.purchase_date={date}", "cost.price_series=average").servers["h100"].usd
        for date in ("2022-07-01", "2025-07-01")
    )
    assert two / one == pytest.approx(0.632, abs=1e-3)


def test_a_date_without_prices_is_said():
    found = fault("pool.0.accelerator=B300", "cost.purchase_date=2026")
    assert found.path == "cost.purchase_date"
    assert "no dated prices" in found.message
    assert (
        'in the series "card"'
        in fault("pool.0.accelerator=H200", "cost.purchase_date=2026", "cost.price_series=card").message
    )


def test_the_latest_rent_is_taken():
    rent = made("cost.basis=rent").rents["h100"]
    last = [p for p in rental_series("H100") if p.date == rental_series("H100")[-1].date]
    assert min(p.usd_per_h for p in last) <= rent.usd <= max(p.usd_per_h for p in last)
    assert last[0].date in rent.source


def test_rents_of_a_date_are_each_vendors_last_in_the_year_before():
    found = rent_on("A100-40GB", date="2022-08-10")
    assert found.usd == pytest.approx(3.09)  # of Google 3.48, Lambda 1.10, Paperspace 3.09
    assert rent_on("H100", date="2020-01-01") is None


def test_reserving_is_cheaper_and_a_discount_cheaper_still():
    terms = ("on_demand", "one_year", "three_year")
    day = ("cost.basis=rent", "pool.0.accelerator=A100-SXM-40GB", "cost.rent_date=2021-06-15")
    usd = [made(*day, f"cost.rent_term={t}").rents["h100"].usd for t in terms]
    assert usd == sorted(usd, reverse=True)
    less = made(*day, "cost.rent_discount=0.25").rents["h100"]
    assert less.usd == pytest.approx(0.75 * usd[0])
    assert "less 25%" in less.source


def test_a_chip_nobody_rents_out_is_said():
    unrented = next(n for n in accelerators() if not rental_series(n) and n.startswith("Maia"))
    found = fault("cost.basis=rent", f"pool.0.accelerator={unrented}")
    assert found.path == "pool[0].accelerator"
    assert "no hourly rent" in found.message


def test_a_curve_of_residual_value_is_read_at_the_end_of_the_life():
    assert made("cost.residual_value=0.3").residual == 0.3
    found = made("cost.residual_value=h100-average", "cost.depreciation_years=3")
    assert found.residual == pytest.approx(0.61, abs=0.01)
    wrong = fault("cost.residual_value=h100-avrage")
    assert (wrong.path, wrong.hint) == (
        "cost.residual_value",
        'did you mean "h100-average", "h100-hgx" or "h100-dgx"?',
    )


def test_hardware_ages_from_its_purchase_to_the_start_of_the_run():
    bought = "cost.purchase_date=2024-01-05"
    assert made(bought, 'site.start="2026-01-05T00:00"').age_years == pytest.approx(2)
    assert made(bought, "cost.age_years=1.25").age_years == 1.25
    assert made().age_years == 0
    assert made("cost.purchase_date=2026", 'site.start="2026-03-01T00:00"').age_years == 0
    wrong = fault("cost.purchase_date=2025-03-03", 'site.start="2024-01-05T00:00"')
    assert (wrong.path, wrong.message) == (
        "cost.purchase_date",
        "is 2025-03-03, after the run starts: 2024-01-05T00:00",
    )


def test_a_commitment_is_the_ratio_of_a_vendor_that_lists_both():
    """Google, 2025-03: $11.06 on demand and $7.67 for a year."""
    found = reserved("H100-SXM-80GB", Price(2.0, "market"), "one_year")
    assert found.usd == pytest.approx(2.0 * 7.67 / 11.06)
    assert "market" in found.source and "Google, 2025-03-17" in found.source


def test_a_commitment_of_an_accelerator_that_nobody_lists_is_the_median_of_all():
    found = reserved("B200-SXM-180GB", Price(2.0, "market"), "three_year")
    assert 0.3 < found.usd / 2.0 < 0.7 and "all accelerators" in found.source


def test_pools_are_had_each_in_its_own_way():
    for kind, factor in (("on-demand", 1.0), ("spot", 0.5), ("reserved", 7.67 / 11.06)):
        found = prices_of(small(f"pool.1.purchase={kind}"))
        assert set(found.servers) == {"a100"} and found.basis == "mixed"
        assert found.rents["h100"].usd == pytest.approx(2.35 * factor)
        assert found.while_powered == (frozenset() if kind == "reserved" else {"h100"})
    own_price = small("pool.1.purchase=spot", "pool.1.usd_per_accelerator_hour=0.9")
    assert prices_of(own_price).rents["h100"].usd == 0.9
    assert prices_of(small("cost.basis=rent", "pool.1.purchase=own")).basis == "mixed"


def test_a_rent_of_what_is_bought_is_refused():
    with pytest.raises(ScenarioError, match="is rented"):
        small("pool.1.usd_per_accelerator_hour=0.9")
