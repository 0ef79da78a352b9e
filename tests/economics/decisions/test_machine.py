"""A year of a DGX H100 by hand."""

from __future__ import annotations

import pytest

from sim.economics.decisions.machine import (
    Machine,
    Place,
    electricity_usd,
    owning_usd,
    running_usd,
    unit_cost_usd,
)

DGX = Machine(performance=8.0, power_kw=10.2, price_usd=270_000.0)
PLACE = Place(usd_per_kwh=0.08, pue=1.2, usd_per_kw_month=184.0, load=0.76, rate=0.10)


def test_a_server_that_draws_76_percent_of_its_nameplate():
    """10.2 kW x 0.76 x 1.2 x 8,760 h x $0.08 = $6,519; 10.2 x 184 x 12 = $22,522 of hosting."""
    assert electricity_usd(DGX, PLACE) == pytest.approx(6_519, abs=1)
    assert running_usd(DGX, PLACE) == pytest.approx(6_519 + 22_522, abs=1)


def test_electricity_is_a_tenth_of_depreciation_and_electricity():
    """Of four years' straight depreciation and electricity, 9 %."""
    electricity = electricity_usd(DGX, PLACE)
    assert electricity / (electricity + 270_000 / 4) == pytest.approx(0.088, abs=0.001)


def test_owning_is_the_annuity():
    assert owning_usd(DGX, PLACE) == pytest.approx(270_000 * 0.3154708, rel=1e-6)


def test_half_the_use_is_twice_the_cost():
    assert unit_cost_usd(DGX, PLACE, 0.5) == pytest.approx(2 * unit_cost_usd(DGX, PLACE))
