"""The bill by hand: periods, seasons, weekends, demand charges, hourly files; and its identities."""

from __future__ import annotations

import math
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.catalog.tariffs import tariff, tariffs
from sim.economics.electricity import (
    MONTH_S,
    Demand,
    Meter,
    bill,
    billed,
    check_prices,
    period_at,
    site_terms,
)
from sim.errors import ScenarioError
from sim.scenario.site import Site

KWH_J = 3.6e6


def meter(start, kwh, demand=(), months=None, serving=1.0):
    return Meter(start, tuple(k * KWH_J for k in kwh), months or {}, tuple(demand), serving)


def tou(*periods, base=0.05, demand=0.0):
    return Site(
        tariff={
            "kind": "time-of-use",
            "usd_per_kwh": base,
            "demand_usd_per_kw_month": demand,
            "periods": list(periods),
        }
    )


EVENING = {"name": "peak", "hours": [16, 21], "months": [6, 7, 8, 9], "days": "weekdays", "usd_per_kwh": 0.25}


def test_a_flat_price_is_a_product():
    found = bill(meter(datetime(2026, 1, 5), [10.0, 20.0]), Site(electricity_usd_per_kwh=0.1))
    assert found.lines == pytest.approx({"energy": 3.0})
    assert found.usd == pytest.approx(3.0)


def test_a_day_of_time_of_use_worked_by_hand():
    """Wednesday 1 July: 5 hours dear, 19 cheap, 1 kWh in each."""
    found = bill(meter(datetime(2026, 7, 1), [1.0] * 24), tou(EVENING))
    assert found.lines == pytest.approx({"energy, peak": 5 * 0.25, "energy, otherwise": 19 * 0.05})
    assert found.kwh == pytest.approx({"energy, peak": 5.0, "energy, otherwise": 19.0})


@pytest.mark.parametrize("start", [datetime(2026, 7, 4), datetime(2026, 12, 2)])
def test_no_peak_on_a_saturday_or_in_winter(start):
    found = bill(meter(start, [1.0] * 24), tou(EVENING))
    assert found.lines == pytest.approx({"energy, otherwise": 24 * 0.05})


def test_the_first_period_that_fits_counts():
    noon = {"name": "noon", "hours": [12, 13], "usd_per_kwh": 1.0}
    day = {"name": "day", "hours": [8, 20], "usd_per_kwh": 2.0}
    found = bill(meter(datetime(2026, 1, 5, 11), [1.0, 1.0]), tou(noon, day))
    assert found.lines == pytest.approx({"energy, day": 2.0, "energy, noon": 1.0})


def test_demand_is_the_peak_for_the_part_of_a_month():
    peaks = [Demand("2026-07", False, 17, 30_000.0), Demand("2026-07", False, 3, 40_000.0)]
    peaks += [Demand("2026-08", True, 17, 50_000.0)]
    months = {"2026-07": MONTH_S / 2, "2026-08": MONTH_S}
    site = tou({**EVENING, "demand_usd_per_kw_month": 8.0}, demand=10.0)
    found = bill(meter(datetime(2026, 7, 16), [], peaks, months), site)
    assert found.lines["demand"] == pytest.approx(40 * 10 / 2 + 50 * 10)
    assert found.lines["demand, peak"] == pytest.approx(30 * 8 / 2)  # August's peak fell on a weekend


def test_the_virginia_schedule():
    """14.569 $/kW for a month at 1 MW, and energy."""
    flat = meter(
        datetime(2026, 7, 1), [1000.0] * 730, [Demand("2026-07", False, 9, 1e6)], {"2026-07": MONTH_S}
    )
    found = bill(flat, Site(tariff="dominion-gs3"))
    assert found.lines["demand"] == pytest.approx(14_569)
    assert found.lines["energy"] == pytest.approx(730_000 * 0.042)
    assert billed(flat, Site(tariff="dominion-gs3"))["usd_per_kwh"] == pytest.approx(found.usd / 730_000)


def test_every_tariff_of_the_catalog_prices_every_hour():
    year = meter(datetime(2026, 1, 1), [1.0] * 8760, [Demand("2026-01", False, 0, 1e3)], {"2026-01": 1.0})
    for name in tariffs():
        found = bill(year, Site(tariff=name))
        assert math.fsum(found.kwh.values()) == pytest.approx(8760)
        energy = [usd for line, usd in found.lines.items() if line.startswith("energy")]
        prices = [tariff(name).usd_per_kwh, *(p.usd_per_kwh for p in tariff(name).periods)]
        assert 8760 * min(prices) <= math.fsum(energy) <= 8760 * max(prices)
        assert len(found.kwh) == len({period_name(name, m, w, h) for m, w, h in every_hour()})


def every_hour():
    return ((m, w, h) for m in range(1, 13) for w in (False, True) for h in range(24))


def period_name(name, month, weekend, hour):
    found = period_at(tariff(name), month, weekend, hour)
    return found.name if found else None


def hourly(tmp_path, text, **rest):
    path = tmp_path / "prices.csv"
    path.write_text(text)
    return Site(tariff={"kind": "hourly", "path": str(path), **rest})


def test_hourly_prices_of_another_year(tmp_path):
    site = hourly(
        tmp_path,
        "time,usd_per_mwh\n2024-07-01T10:00,40\n2024-07-01T11:00,-10\n2024-07-01T11:30,30\n",
        scale=2.0,
        adder_usd_per_kwh=0.01,
    )
    found = bill(meter(datetime(2026, 7, 1, 10), [3.0, 5.0]), site)
    assert found.usd == pytest.approx(3 * (0.04 * 2 + 0.01) + 5 * (0.01 * 2 + 0.01))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("time,usd_per_kwh\n2024-07-01T10:00,0.1\n", "no price for 01 July, 11 h"),
        ("hour,price\n1,2\n", "line 2: needs the columns time"),
        ("time,usd_per_kwh\n2024-07-01T10:00,nan\n", "line 2"),
    ],
)
def test_faults_of_price_files_are_said(tmp_path, text, what):
    site = hourly(tmp_path, text)
    with pytest.raises(ScenarioError, match=what):
        bill(meter(datetime(2026, 7, 1, 10), [1.0, 1.0]), site)


def test_a_file_is_checked_before_the_run(tmp_path):
    rows = "".join(f"2024-02-28T{hour:02d}:00,0.1\n" for hour in range(24))
    tariff = hourly(tmp_path, "time,usd_per_kwh\n" + rows).tariff
    check_prices(Site(tariff=tariff, start="2026-02-28T00:30"), 23 * 3600)
    check_prices(
        Site(tariff=tariff, start="2028-02-29T00:00"), 23 * 3600
    )  # a leap day has the prices before it
    with pytest.raises(ScenarioError, match="no price for 01 March, 00 h"):
        check_prices(Site(tariff=tariff, start="2026-02-28T00:30"), 25 * 3600)


def test_terms_are_given_or_come_out():
    drawn = Meter(datetime(2026, 7, 1), (KWH_J, KWH_J), {}, (), 1.0, pue=1.15)
    assert site_terms(drawn, Site(pue=1.3)) == {"pue": 1.3, "electricity_usd_per_kwh": 0.08}
    warm = Site(pue={"model": "load-temperature", "outdoor_c": 20.0}, tariff="day-night")
    assert site_terms(drawn, warm) == {"pue": 1.15, "electricity_usd_per_kwh": pytest.approx(0.05)}


@settings(max_examples=50, deadline=None)
@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.lists(st.floats(0, 1e4), min_size=1, max_size=200),
    st.floats(0, 1),
)
def test_energy_is_priced_once_and_prices_are_bounds(start, kwh, base):
    found = bill(meter(start.replace(minute=0, second=0, microsecond=0), kwh), tou(EVENING, base=base))
    total = math.fsum(kwh)
    assert math.fsum(found.kwh.values()) == pytest.approx(total, rel=1e-9, abs=1e-12)
    low, high = sorted((base, 0.25))
    assert low * total - 1e-9 <= found.usd * (1 + 1e-12) and found.usd <= high * total * (1 + 1e-9) + 1e-9
