"""Each claim that is arithmetic, against its figure worked by hand."""

from __future__ import annotations

import pytest

from sim.economics.decisions.replacement import CappedSite, capped_npv_usd
from sim.study.claims.hardware import replacement_case, replacement_place
from sim.study.claims.ledger import ledgers
from sim.study.claims.registry import run_claims


def claimed(name):
    (found,) = run_claims([name])
    return found


FIGURES = {
    "spend-17x": (50 / 3, "holds"),
    "spend-17x-cost": (50 / 3 * 0.3154708, "does not hold"),
    "spend-13bn-a-year": (12.5, "holds"),
    "copilot-revenue": (1.3e6 * 120 / 1e6, "holds"),
    "tax-shield": (
        0.21
        * (0.2 / 1.1 + 0.32 / 1.21 + 0.192 / 1.331 + 0.1152 / 1.4641 + 0.1152 / 1.61051 + 0.0576 / 1.771561),
        "holds only if",
    ),
    "price-down-spend-up": (0.58, "holds only if"),
    "training-gemini": (28.3 / 40.7, "holds only if"),
    "energy-dollar": (0.969 * 1.2 * 8760 * 5 * 0.08 / 30_000, "holds only if"),
    "ten-boxes-efficiency": (2.02 ** (2 / 1.9), "holds"),
    "thousandfold": (2250 / 19, "holds only if"),
    "blackwell-training-4x": (5000 / 1979, "holds only if"),
    "eight-gpus-200k": (199_000, "holds"),
    "pretraining-cluster": (6 * 34e9 * 2e12 / (312e12 * 0.4 * 60 * 86_400) / 8, "holds"),
    "deepseek-day": (100 * (562_100 / 87_072 - 1), "holds"),
    "copilot-worst-loss": (169.4, "holds only if"),
    "agents-calls": (30.1, "holds"),
    "mitigation-tokens": (7.76, "holds only if"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_figure_is_that_of_the_hand(name):
    figure, verdict = FIGURES[name]
    found = claimed(name)
    assert found["simulated"] == pytest.approx(figure, rel=2e-3)
    assert found["verdict"] == verdict
    low, high = found["interval"]
    assert low <= found["simulated"] * (1 + 1e-9)
    assert high >= found["simulated"] * (1 - 1e-9)


def test_the_published_amortised_forms():
    figures = claimed("spend-17x-cost")["figures"]
    assert figures["straight_line_4_years"] == pytest.approx(4.17, abs=0.005)
    assert figures["straight_line_6_years"] == pytest.approx(2.78, abs=0.005)
    assert figures["annuity_4_years_10_percent"] == pytest.approx(5.26, abs=0.005)


def test_a_tax_shield_of_fifty_billions():
    assert 8.1 <= claimed("tax-shield")["figures"]["npv_usd_bn"] <= 8.9


def test_no_series_of_prices_is_half_in_three_years_within_a_fifth():
    found = claimed("half-in-three-years")
    near = [v for v in found["figures"].values() if 0.4 <= v <= 0.6]
    assert found["verdict"] == ("holds only if" if near else "does not hold")
    assert found["interval"][0] < 0.4
    assert found["interval"][1] > 0.9


def test_deepseeks_day_agrees_with_itself():
    figures = claimed("deepseek-day")["figures"]
    assert figures["cost_usd"] == 87_072
    assert figures["nodes_from_published_speeds"] == pytest.approx(226.75, rel=0.01)
    assert figures["usd_per_mtok_uncached_input"] == pytest.approx(0.138, rel=0.05)
    assert figures["usd_per_mtok_output"] == pytest.approx(0.300, rel=0.05)


def test_new_boxes_pay_under_a_cap_from_the_revenue_that_is_said():
    """By the decision's own net present value, which knows nothing of the ledger's ratio."""
    ledger = ledgers()["ten-boxes-cheaper"]
    found = claimed("ten-boxes-cheaper")
    usd = found["figures"]["break_even_revenue_usd_per_mw_year"]
    case, place = replacement_case(ledger), replacement_place(ledger)
    values = [capped_npv_usd(case, CappedSite(place, 1000.0, usd * f / 10)) for f in (0.9, 1.0, 1.1)]
    assert values[1] == pytest.approx(0, abs=1e-6 * values[2])
    assert values[0] < 0 < values[2]
    assert found["simulated"] > 1
    assert found["figures"]["break_even_performance_ratio"] > 2


def test_gpt4s_training_at_the_rent_that_makes_78_millions():
    figures = claimed("training-gpt4")["figures"]
    assert figures["implied_usd_per_gpu_hour"] * 25_000 * 95 * 24 == pytest.approx(78e6)


def test_the_price_cut_of_gpt4o_is_five_times_for_three_prompts_to_an_answer():
    from sim.catalog.prices import api_prices

    before, after = api_prices()["gpt-4"][0], api_prices()["gpt-4o"][0]
    blend = [(3 * p.input_usd_per_mtok + p.output_usd_per_mtok) / 4 for p in (before, after)]
    assert blend == [37.5, 7.5]


def test_a_condition_is_given_where_one_is_needed_and_only_there():
    for found in run_claims(list(FIGURES)):
        assert bool(found["condition"]) == (found["verdict"] == "holds only if"), found["id"]


def test_metering_mends_what_the_flat_fee_loses():
    found = claimed("pricing-levers")
    assert found["figures"]["flat_10"] == pytest.approx(-20)
    assert found["figures"]["flat_30"] == pytest.approx(0)
    assert found["figures"]["metered_at_cost"] >= 0
    assert found["interval"][0] >= 0
    assert found["verdict"] == "holds"
