"""Money at other prices is what a run at those prices would have found."""

from __future__ import annotations

import json
import shutil

import pytest

import sim
from sim import results
from sim.errors import ScenarioError, UserError
from sim.study.price import price
from tests.samples import small

SHORT = ("duration=20 s", "warmup=2 s")
CHANGES = [
    ("cost.depreciation_years=3", "cost.cost_of_capital=0.05"),
    ("cost.depreciation=half-in-three-years", "cost.age_years=2"),
    ("cost.depreciation=declining-balance", "cost.depreciation_years=6"),
    ("cost.depreciation=units-of-production", "cost.residual_value=h100-average"),
    ("cost.basis=rent", "cost.rent_discount=0.2"),
    ("cost.building=own", "cost.tax_rate=0.21", "cost.training_usd=$78M"),
    ("site.tariff=dominion-gs3",),
    ("site.electricity_usd_per_kwh=0.2", "site.colocation_usd_per_kw_month=0"),
    ("revenue.usd_per_mtok_input=2",),
]


@pytest.fixture(scope="module")
def result():
    return sim.run(small(*SHORT))


@pytest.fixture(scope="module")
def stored(result, tmp_path_factory):
    return results.write(result, tmp_path_factory.mktemp("price") / "out")


def test_unchanged_prices_give_what_the_run_found(result, stored):
    found = price(stored)
    assert found.money == {
        key: result.summary[key]
        for key in ("cost", "revenue", "revenue_breakdown", "plans", "margin", "margin_fraction")
    }
    assert found.money == found.before
    assert found.scenario_sha256 == result.summary["scenario_sha256"]


@pytest.mark.parametrize("changes", CHANGES)
def test_changed_prices_give_what_a_run_at_them_finds(stored, changes):
    again = sim.run(small(*SHORT, *changes)).summary
    found = price(stored, changes).money
    assert found == {key: again[key] for key in found}
    assert found != price(stored).money


@pytest.mark.parametrize("change", ["pool.0.replicas=3", "site.pue=1.1", "duration=1 h", "nonsense"])
def test_what_was_simulated_cannot_be_repriced(stored, change):
    with pytest.raises(UserError, match="is not a price"):
        price(stored, [change])


def test_a_misspelt_price_is_met_with_the_right_one(stored):
    with pytest.raises(UserError, match=r"cost\.depreciation_years"):
        price(stored, ["depreciation_years=3"])
    with pytest.raises(ScenarioError, match="is not a key of"):
        price(stored, ["cost.depreciation_yers=3"])


def test_the_result_stays_as_it_is(stored):
    before = {p.name: p.read_bytes() for p in stored.iterdir()}
    price(stored, ["cost.depreciation_years=3"])
    assert {p.name: p.read_bytes() for p in stored.iterdir()} == before


def test_a_folder_that_is_no_result_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not a result"):
        price(tmp_path)


def test_a_result_of_an_earlier_version_is_said_to_be_one(stored, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(stored, old)
    summary = json.loads((old / results.SUMMARY).read_text())
    for pool in summary["pools"]:
        del pool["token_time_s"]
    (old / results.SUMMARY).write_text(json.dumps(summary))
    with pytest.raises(UserError, match="earlier version: its summary lacks 'token_time_s'"):
        price(old)
