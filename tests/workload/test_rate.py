"""The rate over a run is the product that the scenario says, and arrivals come at its integral."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from sim.scenario.arrivals import Arrivals, DeterministicArrivals, PoissonArrivals, UserArrivals
from sim.scenario.rate import Modulated
from sim.workload.rate import busiest_hour, expected, rates_per_s, warp
from tests.engine.setups import cost, plans, scenario
from tests.engine.test_differential import compare
from tests.workload.test_demand import arrivals as drawn

DAY_S = 86_400.0


def poisson(**keys: object) -> PoissonArrivals:
    return PoissonArrivals.model_validate({"process": "poisson", "rate_per_s": 2.0, **keys})


def between(arrivals: Modulated, low: float, high: float, duration_s: float) -> float:
    return float(expected(arrivals, [low, high], duration_s)[0])


def test_a_constant_rate_needs_no_map():
    assert warp(poisson(), 100.0).cumulative is None
    assert between(poisson(), 10.0, 40.0, 100.0) == pytest.approx(60.0, rel=1e-14)


def test_growth_compounds():
    half_year = DAY_S * 365.25 / 2
    grown = poisson(growth={"per_year": 3.0})
    assert rates_per_s(grown, np.array([0.0, half_year]), half_year) == pytest.approx([2.0, 4.0])
    monthly = poisson(growth={"per_month": 4 ** (1 / 12) - 1})
    whole = 2.0 * (4 - 1) / math.log(4) * 2 * half_year
    for arrivals in (grown, monthly):
        assert between(arrivals, 0.0, 2 * half_year, 2 * half_year) == pytest.approx(whole, rel=1e-12)


def test_a_ramp_goes_from_its_start_to_its_end():
    ramp = poisson(ramp={"start": 0.5, "end": 2.0})
    assert rates_per_s(ramp, np.array([0.0, 50.0, 100.0]), 100.0) == pytest.approx([1.0, 2.5, 4.0])
    assert between(ramp, 0.0, 100.0, 100.0) == pytest.approx(250.0, rel=1e-14)


def test_a_surge_has_the_area_of_its_parts():
    crowd = poisson(surges=[{"at": 1000, "factor": 4, "ramp": 60, "lasts": 600, "decay": 300}])
    extra = 2.0 * 3 * (60 / 2 + 600 + 300)
    assert between(crowd, 0.0, 40_000.0, 40_000.0) == pytest.approx(80_000 + extra, rel=1e-10)
    assert rates_per_s(crowd, np.array([999.0, 1030, 1100, 1660, 1960]), 4e4) == pytest.approx(
        [2.0, 5.0, 8.0, 8.0, 2 + 6 / math.e]
    )


def test_surges_on_surges_multiply_and_a_factor_of_0_silences():
    both = [{"at": 10, "factor": 3, "lasts": 10}, {"at": 15, "factor": 2, "lasts": 10}]
    found = rates_per_s(poisson(surges=both), np.array([12.0, 17.0, 22.0, 30.0]), 100.0)
    assert found.tolist() == [6.0, 12.0, 4.0, 2.0]
    quiet = poisson(surges=[{"at": 0, "factor": 0, "lasts": 100}])
    assert warp(quiet, 100.0).rate_per_s == 0
    seconds, *_ = of(quiet, 100.0)
    assert len(seconds) == 0


def test_the_mean_of_a_shape_is_the_rate():
    shaped = poisson(shape="weekly")
    assert between(shaped, 0.0, 7 * DAY_S, 7 * DAY_S) == pytest.approx(2.0 * 7 * DAY_S, rel=1e-12)


FACTOR = st.floats(0.0, 8.0)
SURGE = st.fixed_dictionaries(
    {"at": st.floats(0, 20_000), "factor": FACTOR, "ramp": st.floats(1, 900), "lasts": st.floats(0, 3000)},
    optional={"decay": st.floats(1, 3000)},
)
RATE = st.fixed_dictionaries(
    {"rate_per_s": st.floats(0.01, 50)},
    optional={
        "shape": st.sampled_from(["diurnal", "weekly", [1.0] * 12 + [0.0] * 12]),
        "start_hour": st.floats(0, 167.9),
        "growth": st.fixed_dictionaries({"per_month": st.floats(-0.9, 5)}),
        "ramp": st.fixed_dictionaries({"start": st.floats(0.1, 3), "end": st.floats(0, 3)}),
        "surges": st.lists(SURGE, max_size=3),
    },
)


@settings(max_examples=40, deadline=None)
@given(RATE, st.floats(0, 20_000), st.floats(1, 10_000))
def test_expected_arrivals_are_the_integral_of_the_rate(keys, low, width):
    made, duration_s = poisson(**keys), 30_000.0

    def rate(t: float) -> float:
        return float(rates_per_s(made, np.array([t]), duration_s)[0])

    bends = [b for s in made.surges or () for b in (s.at_s, s.at_s + s.ramp_s, s.at_s + s.ramp_s + s.lasts_s)]
    bends += [3600 * (h - (made.start_hour or 0) % 1) for h in range(10)]
    points = [low, *sorted({b for b in bends if low < b < low + width}), low + width]
    pieces = [quad(rate, a, b, epsrel=1e-9, limit=200)[0] for a, b in pairwise(points)]
    assert between(made, low, low + width, duration_s) == pytest.approx(math.fsum(pieces), rel=1e-6, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(RATE, st.integers(1, 50))
def test_the_map_is_exact_at_its_edges(keys, pieces):
    made, duration_s = poisson(**keys), 30_000.0
    found = warp(made, duration_s)
    if found.cumulative is None or not made.changes_once:
        return
    assert found.cumulative[0] == 0 and found.cumulative[-1] == pytest.approx(1, abs=1e-12)
    assert (np.diff(found.cumulative) >= 0).all()
    cells = len(found.cumulative) - 1
    at = np.unique(np.linspace(0, cells, pieces + 1).astype(int))
    counts = np.diff(found.cumulative[at]) * found.rate_per_s * duration_s
    whole = expected(made, at / cells * duration_s, duration_s)
    assert counts == pytest.approx(whole, rel=1e-9, abs=1e-9)


def of(arrivals: Arrivals, duration_s: float, **rest: object):
    """Arrival times [s] and more that the engine draws, as `tests.workload.test_demand.arrivals` has them."""
    given = arrivals.model_dump(by_alias=True, exclude_none=True)
    return drawn(plans(scenario([{"arrivals": given}], duration=duration_s, **rest))[0])


@settings(max_examples=25, deadline=None)
@given(RATE)
def test_equal_gaps_count_off_the_integral(keys):
    """The k-th arrival of a deterministic process comes when k arrivals were to be expected."""
    duration_s = 30_000.0
    total = between(poisson(**{**keys, "rate_per_s": 1.0}), 0.0, duration_s, duration_s)
    keys = {**keys, "process": "deterministic", "rate_per_s": 20_000 / max(total, 1.0)}
    made = DeterministicArrivals.model_validate(keys)
    seconds, *_ = of(made, duration_s)
    edges = np.linspace(0.0, duration_s, 301)
    counts = np.searchsorted(seconds, edges[1:])
    due = np.cumsum(expected(made, edges, duration_s))
    width_s = duration_s / 1024  # of a cell, in which the map is a straight line
    most = rates_per_s(made, np.linspace(0, duration_s, 20_000), duration_s).max() * width_s
    assert np.abs(counts - due).max() <= 1.0 + most


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.sampled_from(["poisson", "gamma", "deterministic", "users"]),
    st.floats(0.5, 20),
    st.sampled_from(["diurnal", "weekly", "flat"]),
    st.sampled_from([None, {"start": 0.0, "end": 2.0}, {"start": 3.0, "end": 0.0}]),
    st.lists(
        st.fixed_dictionaries(
            {
                "at": st.floats(0, 8),
                "factor": st.floats(0, 9),
                "ramp": st.floats(0, 2),
                "lasts": st.floats(0.1, 3),
            },
            optional={"decay": st.floats(0.1, 5)},
        ),
        max_size=2,
    ),
    st.sampled_from([1, 2]),
)
def test_both_engines_see_the_same_crowd(process, rate, shape, ramp, surges, cells):
    own = {
        "users": {"users": rate * 100, "requests_per_user_per_day": 864},
        "gamma": {"rate_per_s": rate, "cv": 3.0},
    }.get(process, {"rate_per_s": rate})
    changes = {"shape": shape, "surges": surges, **({"ramp": ramp} if ramp else {})}
    made = scenario(
        [{"arrivals": {"process": process, **own, **changes}, "slo": {"ttft": 0.3}}],
        [{"replicas": cells, "scheduler": {"max_batch": 64}}],  # as many as the made-up step cost has
        duration=8.0,
        cells=cells,
    )
    compare(made, [cost()])


@pytest.mark.parametrize("process", ["poisson", "gamma"])
def test_random_arrivals_come_at_the_rate(process):
    duration_s = 40_000.0
    keys = {
        "rate_per_s": 5.0,
        "shape": "diurnal",
        "growth": {"per_month": 20.0},
        "ramp": {"start": 0.5, "end": 1.5},
        "surges": [{"at": "2 h", "factor": 5, "ramp": "2 min", "lasts": "20 min", "decay": "10 min"}],
        **({"cv": 1.5} if process == "gamma" else {}),
    }
    made = scenario([{"arrivals": {"process": process, **keys}}], duration=duration_s).workloads[0].arrivals
    seconds, *_ = of(made, duration_s)
    edges = np.linspace(0.0, duration_s, 41)
    due = expected(made, edges, duration_s)
    spread = 1.5 if process == "gamma" else 1.0
    assert np.abs(np.histogram(seconds, edges)[0] - due).max() < 5 * spread * np.sqrt(due.max())
    assert len(seconds) == pytest.approx(due.sum(), abs=5 * spread * math.sqrt(due.sum()))


def test_cells_share_a_changing_rate():
    keys = {"process": "poisson", "rate_per_s": 8.0, "surges": [{"at": 300, "factor": 4, "lasts": 300}]}
    made = scenario([{"arrivals": keys}], [{"replicas": 4}], duration=1000.0, cells=4)
    parts = [drawn(plan)[0] for plan in plans(made)]
    due = expected(made.workloads[0].arrivals, [0.0, 300.0, 600.0, 1000.0], 1000.0)
    counts = np.histogram(np.concatenate(parts), [0.0, 300.0, 600.0, 1000.0])[0]
    assert np.abs(counts - due).max() < 5 * math.sqrt(due.max())
    assert [len(p) for p in parts] == pytest.approx([due.sum() / 4] * 4, rel=0.1)


def test_the_busiest_hour_is_where_the_crowd_is():
    crowd = poisson(surges=[{"at": "5 h", "factor": 3, "lasts": "2 h"}])
    assert busiest_hour(crowd, DAY_S) == (5 * 3600.0, pytest.approx(6.0))
    users = UserArrivals.model_validate(
        {
            "process": "users",
            "users": DAY_S,
            "requests_per_user_per_day": 2,
            "growth": {"per_month": 1e-9},
            "shape": "diurnal",
        }
    )
    at, rate = busiest_hour(users, DAY_S)
    assert at == 14 * 3600.0 and rate == pytest.approx(2 * 1.839, rel=0.01)


def test_shapes_begin_with_the_site_unless_told_otherwise():
    def start(site: str, **keys: object) -> float | None:
        given = {"process": "poisson", "rate_per_s": 1.0, **keys}
        made = scenario([{"arrivals": given}], site={"start": site})
        return made.workloads[0].arrivals.start_hour

    assert start("2026-07-15T09:30", shape="weekly") == 2 * 24 + 9.5  # a Wednesday
    assert start("2026-07-15T09:30", shape="diurnal") == 9.5
    assert start("2026-07-15T09:30", shape="weekly", start_hour=3) == 3
    assert start("2026-07-15T09:30") is None
    assert (
        scenario([{"arrivals": {"process": "poisson", "rate_per_s": 1.0, "shape": "diurnal"}}])
        .workloads[0]
        .arrivals.start_hour
        == 0
    )
