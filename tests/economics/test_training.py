"""Training that shares a site: its own costs, and with the fleet's the whole of the bill."""

from __future__ import annotations

import math

import pytest

import sim
from sim.economics.ledger import money
from sim.economics.lines import YEAR_S
from sim.economics.prices import prices_of
from sim.economics.training import training_costs
from sim.economics.usage import usage_of
from tests.samples import small

CHANGES = (
    "duration=40 s",
    "warmup=0",
    "training=[{name='llama', accelerator='H100', accelerators=16, end='20 s'}]",
    "site.tariff={kind='flat', usd_per_kwh=0.06, demand_usd_per_kw_month=12}",
)


@pytest.fixture(scope="module")
def summary():
    return sim.run(small(*CHANGES)).summary


def test_fleet_and_training_pay_the_whole_bill(summary):
    cost, (run,) = summary["cost"], summary["cost"]["training_runs"]
    bill = cost["electricity"]
    assert math.fsum(bill["lines"].values()) == pytest.approx(bill["usd"], rel=1e-12)
    assert cost["breakdown"]["electricity"] + run["lines"]["electricity"] == pytest.approx(
        bill["usd"], rel=1e-9
    )
    assert bill["kwh"]["energy"] == pytest.approx(summary["energy"]["site_j"] / 3.6e6, rel=1e-9)
    assert cost["site_usd_total"] == pytest.approx(cost["usd_total"] + run["usd_total"], rel=1e-12)


def test_hardware_of_training_worked_by_hand(summary):
    """Two DGX H100 at $270,000 for the run's seconds."""
    (run,) = summary["cost"]["training_runs"]
    years = (summary["span"]["end_s"] - summary["span"]["start_s"]) / YEAR_S
    assert run["lines"]["server_depreciation"] == pytest.approx(540_000 / 5 * years)
    assert "staff" not in run["lines"]
    exaflops = 16 * 989e12 * 0.4 * 20 / 1e18
    assert run["usd_per_exaflop"] == pytest.approx(run["usd_total"] / exaflops, rel=2e-3)


def test_costs_per_request_are_those_of_serving(summary):
    alone = sim.run(small(*CHANGES[:2])).summary
    flat = small(*CHANGES[:2], "site.electricity_usd_per_kwh=0.06")
    without_peaks = {k: v for k, v in summary["cost"]["breakdown"].items() if k != "electricity"}
    for line, usd in without_peaks.items():
        assert usd == pytest.approx(alone["cost"]["breakdown"][line], rel=1e-9), line
    assert (
        sim.run(flat).summary["cost"]["breakdown"]["electricity"]
        < summary["cost"]["breakdown"]["electricity"]
    )


def test_another_tariff_needs_no_other_run(summary):
    made = small(*CHANGES[:3], "site.electricity_usd_per_kwh=0.2")
    repriced = money(usage_of(summary), prices_of(made))
    again = sim.run(made).summary
    assert repriced["cost"]["breakdown"]["electricity"] == pytest.approx(
        again["cost"]["breakdown"]["electricity"], rel=1e-9
    )
    assert repriced["cost"]["usd_total"] == pytest.approx(again["cost"]["usd_total"], rel=1e-9)


def test_rented_training_pays_by_the_hour(summary):
    rented = prices_of(small(*CHANGES[:3], "cost.basis=rent", "cost.rent_usd_per_accelerator_hour=2"))
    (run,) = training_costs(usage_of(summary), rented)
    hours = (summary["span"]["end_s"] - summary["span"]["start_s"]) / 3600
    assert run["lines"]["rent"] == pytest.approx(16 * 2 * hours)
    assert "electricity" not in run["lines"]
