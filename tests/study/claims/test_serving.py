"""Claims that run the simulator: the light ones, and what their figures are made of."""

from __future__ import annotations

import math

import pytest

from sim.study.claims.blackwell import Point, Shape, best_at
from sim.study.claims.charging import elasticity, usd_per_request
from sim.study.claims.passes import of_family, token_multiple
from sim.study.claims.registry import run_claims
from sim.study.claims.runs import run_file, steady


def test_steady_figures_leave_out_the_drain():
    """Clients that are always in an answer: tokens of one answer per second times clients are all tokens."""
    found = steady("energy-h100.toml", "duration=5 min", "warmup=1 min")
    assert found.batch == pytest.approx(48, rel=0.03)
    assert found.output_per_s == pytest.approx(found.requests_per_s * 211.1, rel=0.05)
    assert found.output_per_s - found.requests_per_s == pytest.approx(found.batch / found.token_s)
    assert found.j_per_output_token == found.site_w / found.output_per_s
    assert found.usd_per_request * found.requests_per_s * 3600 == pytest.approx(found.usd_per_hour)


def test_a_run_is_made_once():
    assert run_file("chatgpt-2023.toml") is run_file("chatgpt-2023.toml")


def test_deepseeks_speeds_are_within_the_error_of_what_was_never_measured():
    for found in run_claims(["deepseek-prefill", "deepseek-decode"]):
        assert found["verdict"] != "does not hold"
        assert found["interval"][1] / found["simulated"] == pytest.approx(1.4, rel=0.05)


def test_fleets_past_saturation_cost_in_proportion():
    per_request = [usd_per_request(rate) for rate in (100, 1000)]
    assert elasticity((1, 10), (per_request[0], per_request[1])) == pytest.approx(0, abs=0.05)
    assert usd_per_request(0.1) > 10 * per_request[0]


def test_the_best_of_several_deployments_is_found_between_batches():
    a = [Point(40, 10, 5, 20), Point(10, 40, 2, 80)]
    b = [Point(30, 50, 1, 90), Point(20, 60, 1, 95)]
    assert best_at([a, b], 35) == best_at([a], 35)
    middle = best_at([a], 20)
    assert middle is not None
    assert middle.per_gpu == pytest.approx(20)
    assert best_at([a, b], 5) == b[1]
    assert best_at([a, b], 50) is None


def test_decoding_runs_hold_the_context_of_their_requests():
    """Answers uniform from 1 to L, met at random times, are E[l^2] / 2 E[l] = L / 3 tokens along."""
    (change,) = Shape(8192, 1024).changes
    longest = int(change.rpartition(",")[2].rstrip("]}"))
    assert longest / 3 == pytest.approx(8192 + 512, rel=1e-3)


def test_verification_multiplies_tokens_and_a_plain_pass_does_not():
    assert token_multiple("none", 1155, 211) == pytest.approx(1)
    assert len(of_family("verification")) >= 6
    assert token_multiple("semantic-entropy", 1155, 211) > 5


@pytest.mark.parametrize(("passes", "verdict"), [(1.0, "not tested"), (2.0, "does not hold"), (9.0, "holds")])
def test_mitigation_is_judged_by_energy_and_only_if_passes_were_run(monkeypatch, passes, verdict):
    joules = {"none": 1.0}
    monkeypatch.setattr(
        "sim.study.claims.passes.joules_per_request", lambda name, *_, **__: joules.get(name, passes)
    )
    (found,) = run_claims(["mitigation-joules"])
    assert found["verdict"] == verdict
    assert found["simulated"] == (None if verdict == "not tested" else passes)


def test_a_claim_of_users_and_hardware_has_an_interval_that_holds_its_figure():
    (found,) = run_claims(["copilot-mean-loss"])
    low, high = found["interval"]
    assert low < found["simulated"] < high
    needed = found["figures"]["requests_per_workday_for_published"]
    assert found["simulated"] * needed / 360 == pytest.approx(30)
    assert math.isfinite(high)


@pytest.mark.slow
def test_every_claim_is_answered():
    found = run_claims()
    assert all(row["verdict"] in ("holds", "holds only if", "does not hold", "not tested") for row in found)
    assert all(bool(row["condition"]) == (row["verdict"] == "holds only if") for row in found)
    for row in found:
        if row["interval"] and row["simulated"] is not None:
            low, high = row["interval"]
            slack = 1e-9 * abs(row["simulated"])
            assert low - slack <= row["simulated"] <= high + slack, row["id"]
