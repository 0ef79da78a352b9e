"""The site's power over a run: the sum of the parts is the integral of the series, whatever stands on the site."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.catalog.servers import server
from sim.metrics.site_section import carbon_shape, embodied_per_accelerator_kg
from sim.metrics.summary import summarise
from sim.metrics.tables import windows_table
from sim.scenario.site import Site
from tests.engine.setups import cost, scenario
from tests.samples import observe

WARM = {"model": "load-temperature"}
BLOCK = {"accelerator": "H100", "accelerators": 16}


def observed(duration=600.0, window=60.0, site=None, rate=4.0, **rest):
    made = scenario(
        [{"arrivals": {"process": "poisson", "rate_per_s": rate}}],
        duration=duration,
        output={"window": window},
        site=site or {},
        **rest,
    )
    return observe(made, [cost(max_batch=256)])


def everything(**rest):
    """A run over midnight of a month's last day with training for a part of it."""
    return observed(
        duration=5400.0,
        site={"region": "virginia", "pue": WARM, "start": "2026-07-31T23:10", "tariff": "day-night"},
        training=[{**BLOCK, "start": 1000.0, "end": 2500.0}],
        rate=0.5,
        **rest,
    )


@pytest.mark.parametrize("window", [1.0, 7.0, 60.0, 1800.0])
def test_parts_sum_to_the_integral_of_the_series(window):
    found = everything(window=window)
    summary, table = summarise(found), windows_table(found)
    energy = summary["energy"]
    assert math.fsum(energy["parts"].values()) == pytest.approx(energy["site_j"], rel=1e-9)
    assert math.fsum(energy["by_phase"].values()) == pytest.approx(energy["site_j"], rel=1e-9)
    assert math.fsum(energy["overhead_parts"].values()) == pytest.approx(
        energy["parts"]["overhead"], rel=1e-9
    )
    series_j = float(np.sum(table["site_w"] * table["width_s"]))
    assert series_j == pytest.approx(energy["site_j"], rel=1e-9)
    assert float(np.sum(table["it_w"] * table["width_s"])) == pytest.approx(energy["it_j"], rel=1e-9)
    meter = summary["site"]["meter"]
    assert math.fsum(meter["hour_j"]) == pytest.approx(energy["site_j"], rel=1e-9)
    span_s = summary["span"]["end_s"] - summary["span"]["start_s"]
    assert math.fsum(s for _, s in meter["months"]) == pytest.approx(span_s, rel=1e-9)
    trained_j = summary["site"]["training"][0]["site_j"]
    assert energy["serving_j"] + trained_j == pytest.approx(energy["site_j"], rel=1e-9)
    assert sum(w["site_j"] for w in energy["by_workload"]) == pytest.approx(energy["serving_j"], rel=1e-9)


def test_the_calendar_of_a_run_over_midnight():
    meter = summarise(everything())["site"]["meter"]
    assert meter["start"] == "2026-07-31T23:00"
    assert [month for month, _ in meter["months"]] == ["2026-07", "2026-08"]
    assert meter["months"][0][1] == pytest.approx(3000.0)
    kinds = {(month, kind) for month, kind, _, _ in meter["demand"]}
    assert kinds == {("2026-07", "weekday"), ("2026-08", "weekend")}  # Friday and Saturday


def test_training_draws_between_its_times():
    """Sixteen H100 at 82 % of nameplate for 1,500 s, idle before and after."""
    found = everything()
    (block,) = found.blocks
    run = summarise(found)["site"]["training"][0]
    length_s = found.span.length_s
    assert run["active_s"] == pytest.approx(1500.0)
    assert run["it_j"] == pytest.approx(block.active_w * 1500 + block.idle_w * (length_s - 1500), rel=1e-12)
    assert run["flops"] == pytest.approx(16 * 989e12 * 0.4 * 1500, rel=2e-3)
    assert found.site_power.window_it_w.max() > block.active_w


def test_training_is_no_part_of_what_a_request_takes():
    alone, shared = observed(), observed(training=[BLOCK])
    a, b = summarise(alone)["energy"], summarise(shared)["energy"]
    assert b["serving_j"] == pytest.approx(a["serving_j"], rel=1e-12)
    assert b["wh_per_request"] == pytest.approx(a["wh_per_request"], rel=1e-12)
    assert b["site_j"] > 3 * a["site_j"]


def test_peaks_and_quantiles_of_the_windows():
    found = observed(window=1.0, rate=0.2)
    power = summarise(found)["power"]
    draw_w = found.site_power.window_w
    assert power["site_w_peak"] == draw_w.max()
    assert power["site_w_mean"] <= power["p95"] <= power["p99"] <= power["site_w_peak"]
    share = found.span.width_s[draw_w <= power["p95"] + 1e-9].sum() / found.span.length_s
    assert share >= 0.95
    below = found.span.width_s[draw_w < power["p95"] - 1e-9].sum() / found.span.length_s
    assert below < 0.95
    assert power["load_factor"] == pytest.approx(power["site_w_mean"] / power["site_w_peak"])


def test_a_finer_window_sees_a_higher_peak():
    fine, coarse = (summarise(observed(window=w, rate=0.2))["power"] for w in (1.0, 600.0))
    assert fine["site_w_peak"] > 1.01 * coarse["site_w_peak"]
    assert fine["site_w_mean"] == pytest.approx(coarse["site_w_mean"], rel=1e-9)


def test_the_demand_of_a_quarter_is_its_mean():
    found = observed(duration=1800.0, window=60.0, site={"start": "2026-07-01T00:00"})
    _, draw_w = found.site_power.quarters()
    power = found.site_power
    first_j = float(power.site_j[power.slots.quarter == 0].sum())
    assert draw_w[0] == pytest.approx(first_j / 900.0)
    assert draw_w.max() < summarise(found)["power"]["site_w_peak"]


def test_spares_network_and_storage_worked_by_hand():
    dgx = server("DGX-H100")
    site = {"network_w_per_gbps": 0.2, "storage_w_per_accelerator": 7.0, "pue": 1.0}
    found = observed(site=site, pools=[{"spare": {"servers": 2, "state": "off"}}])
    summary, length_s = summarise(found), found.span.length_s
    parts = summary["energy"]["parts"]
    assert parts["network"] == pytest.approx(0.2 * 400 * length_s)
    assert parts["storage"] == pytest.approx(7.0 * length_s)
    assert parts["spare"] == pytest.approx(2 * 0.005 * dgx.max_power_w * length_s)
    assert summary["energy"]["site_j"] == pytest.approx(summary["energy"]["it_j"])
    assert summary["pools"][0]["servers"] == pytest.approx(2 + 1 / 8)
    assert summary["power"]["provisioned_it_w"] == pytest.approx((2 + 1 / 8) * 10_200 + 87)


def test_carbon_follows_the_hours():
    """One hour from noon in California is cleaner than one from 19 h, by the catalog's shape."""
    grams = []
    for start in ("2026-07-01T12:00", "2026-07-01T19:00"):
        found = observed(duration=3500.0, rate=0.2, site={"region": "california", "start": start})
        grams.append(summarise(found)["carbon"]["g_per_kwh"])
    shape = carbon_shape(Site(region="california"))
    assert math.fsum(shape) == pytest.approx(24)
    assert grams[0] / grams[1] == pytest.approx(shape[12] / shape[19], rel=0.01)


def test_a_given_shape_counts_before_the_grids():
    given_shape = [1.0] * 12 + [3.0] * 12
    assert carbon_shape(Site(region="california", carbon_hourly=given_shape)) == (0.5,) * 12 + (1.5,) * 12
    assert carbon_shape(Site(region="virginia")) == (1.0,) * 24


def test_making_the_hardware_is_spread_over_its_life():
    """One accelerator and an eighth of a server: 273 + 5,700 / 8 kg over five years."""
    summary = summarise(observed())
    span_s = summary["span"]["end_s"]
    assert embodied_per_accelerator_kg() == pytest.approx(985.5)
    expected = 985.5 * span_s / (5 * 8760 * 3600)
    assert summary["carbon"]["embodied_kg"] == pytest.approx(expected)
    assert summary["carbon"]["total_kg"] == pytest.approx(summary["carbon"]["kg"] + expected)


def test_water_by_its_effectiveness():
    summary = summarise(observed(site={"wue_l_per_kwh": 2.0, "grid_water_l_per_kwh": 3.0}))
    kwh = summary["energy"]["it_j"] / 3.6e6
    assert summary["water"]["litres"] == pytest.approx(2 * kwh)
    assert summary["water"]["grid_litres"] == pytest.approx(3 * 1.2 * kwh)
    assert summarise(observed())["water"]["grid_litres"] is None


def test_a_limit_is_reported_against():
    summary = summarise(observed(site={"power_limit": "2 kW"}))
    power = summary["power"]
    assert power["headroom_w"] == pytest.approx(2000 - power["site_w_peak"])
    assert power["oversubscription"] == pytest.approx(1.2 * power["provisioned_it_w"] / 2000)
    assert not any("above its limit" in text for text in summary["warnings"])
    tight = summarise(observed(site={"power_limit": power["site_w_peak"] - 1}))
    assert tight["power"]["headroom_w"] == pytest.approx(-1)
    assert any("above its limit" in text for text in tight["warnings"])


@settings(max_examples=15, deadline=None)
@given(
    outdoor_c=st.floats(-20, 40),
    accelerators=st.integers(1, 64),
    start_s=st.floats(0, 500),
    length_s=st.floats(1, 500),
)
def test_conservation_with_any_training(outdoor_c, accelerators, start_s, length_s):
    block = {**BLOCK, "accelerators": accelerators, "start": start_s, "end": start_s + length_s}
    found = observed(site={"pue": {**WARM, "outdoor_c": outdoor_c}}, training=[block], rate=0.5)
    energy = summarise(found)["energy"]
    assert math.fsum(energy["parts"].values()) == pytest.approx(energy["site_j"], rel=1e-9)
    assert float((found.site_power.window_w * found.span.width_s).sum()) == pytest.approx(
        energy["site_j"], rel=1e-9
    )
    assert sum(float(e.site_j.sum()) for e in found.energies) == pytest.approx(energy["serving_j"], rel=1e-9)
