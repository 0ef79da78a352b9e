"""The band of one run's figures."""

from __future__ import annotations

import pytest

from sim.run import run
from sim.study.sweep_point import flat
from sim.study.uncertainty import uncertainty
from tests.samples import small


def test_every_figure_has_its_band_around_the_run():
    scenario = small()
    found = uncertainty(scenario, 24, processes=1)
    single = flat(run(scenario).summary)
    assert (
        found["figures"].keys() >= single.keys()
    )  # a draw may have one that the run lacks: a target that binds
    assert (found["draws"], found["failed"]) == (24, 0)
    for name in ("cost.usd_per_request", "latency.tpot_s.p50", "energy.it_j", "requests.arrived"):
        band = found["figures"][name]
        assert band["runs"] == 24
        assert band["p5"] < band["p95"]
        assert band["p5"] * 0.9 < single[name] < band["p95"] * 1.1


def test_bands_do_not_depend_on_who_draws_them():
    assert uncertainty(small(), 6, processes=1) == uncertainty(small(), 6, processes=2)


def test_what_a_scenario_states_stays_as_it_is():
    found = uncertainty(small(), 4, processes=1)["figures"]
    assert found["fleet.accelerators"]["p5"] == found["fleet.accelerators"]["p95"]
    assert found["cost.terms.pue"]["p5"] == pytest.approx(found["cost.terms.pue"]["p95"])
