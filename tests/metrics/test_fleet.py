"""Books of a fleet that changes: step functions over windows, energy of what is off, and the perfect scaler."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import state as S
from sim.engine.fleet.spec import FLEET
from sim.metrics.capacity import capacity
from sim.metrics.fleet import FleetSeries, fleet_series, needed_replicas
from sim.metrics.hall import hall_of
from sim.metrics.moments import Moments
from sim.metrics.power import it_series
from sim.metrics.span import Span
from sim.scenario.pool import Scheduler
from sim.scenario.site import Site
from tests.engine.setups import cost, scenario


def span_of(start_s: float, widths: list[float]) -> Span:
    width_s = np.array(widths)
    starts = start_s + np.concatenate([[0.0], np.cumsum(width_s)[:-1]])
    columns = np.zeros((1, len(widths), S.WINDOW_COLUMNS))
    return Span(start_s, float(starts[-1] + width_s[-1]), starts, width_s, columns)


def log_of(*rows: tuple) -> np.ndarray:
    """Rows of time, pool and powered replicas, of which all are open."""
    return np.array([(t, pool, n, n, n, 0, n) for t, pool, n in rows], FLEET)


def test_a_step_function_is_integrated_over_windows():
    log = log_of((0.0, 0, 4), (0.0, 1, 9), (15.0, 0, 2), (15.0, 0, 3), (32.0, 0, 0))
    series = fleet_series([log], 0, span_of(10.0, [10.0, 10.0, 5.0]))
    assert series.powered.tolist() == [4 * 5 + 3 * 5, 3 * 10, 3 * 2]
    assert series.starts == 1  # the second row of 15 s
    assert fleet_series([log, log], 0, span_of(10.0, [10.0, 10.0, 5.0])).open.sum() == 2 * series.open.sum()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 9)), max_size=12).map(sorted),
    st.lists(st.floats(0.5, 40), min_size=1, max_size=8),
)
def test_windows_sum_to_the_whole(steps, widths):
    log = log_of((0.0, 0, 5), *((t, 0, n) for t, n in steps))
    span = span_of(3.0, widths)
    found = fleet_series([log], 0, span).powered.sum()
    times = [0.0, *(t for t, _ in steps), max(span.end_s, 100.0)]
    counts = [5, *(n for _, n in steps)]
    whole = sum(
        n * max(0.0, min(b, span.end_s) - max(a, span.start_s))
        for n, a, b in zip(counts, times[:-1], times[1:], strict=True)
    )
    assert found == pytest.approx(whole, rel=1e-9, abs=1e-9)


def series_of(powered: float, servers: float) -> FleetSeries:
    on = np.array([powered])
    return FleetSeries(on, on, on, np.zeros(1), np.array([servers]), 0)


def test_what_is_off_draws_little_and_what_is_bare_draws_its_own():
    pool = scenario(pools=[{"replicas": 4, "tensor_parallel": 4}]).pools[0]  # two servers of eight
    hall = hall_of(pool, 4 * 100.0, Site())
    span = span_of(0.0, [10.0])
    whole = it_series(span, 0, hall)
    same = it_series(span, 0, hall, series_of(40.0, 20.0))
    for name in vars(whole):
        np.testing.assert_allclose(getattr(same, name), getattr(whole, name))
    assert whole.accelerators_idle[0] == pytest.approx(4 * 400.0 * 10)
    off = it_series(span, 0, hall, series_of(0.0, 0.0))
    assert off.accelerator_j[0] == 0
    assert off.host[0] == pytest.approx(2 * 0.005 * hall.server.max_power_w * 10)
    half = it_series(span, 0, hall, series_of(10.0, 10.0))  # one replica on, on one server
    bare_w = 4 * hall.bare_idle_w
    assert hall.bare_idle_w > 0
    assert half.accelerators_idle[0] == pytest.approx((400.0 + bare_w) * 10)
    assert off.it_j < half.it_j < whole.it_j


def test_the_perfect_scaler_at_saturation_needs_what_is_there():
    scheduler, lengths = Scheduler(max_batch=64), Moments(500.0, 100.0, 1e4, 5e4)
    step = cost(max_batch=64)
    most = capacity(step, scheduler, lengths)
    assert most is not None
    columns = np.zeros((4, S.WINDOW_COLUMNS))
    served = most.requests_per_s * 60.0 * np.array([0.0, 0.4, 3.0, 3.1])
    columns[:, S.PREFILLED], columns[:, S.DECODED] = served * 500, served * 100
    found = needed_replicas(step, scheduler, lengths, columns, np.full(4, 60.0))
    assert found is not None and found.tolist() == [0, 1, 3, 4]
    static = Scheduler.model_validate({"kind": "static", "max_batch": 64})
    assert needed_replicas(step, static, lengths, columns, np.full(4, 60.0)) is None


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_the_perfect_scaler_of_a_part_of_each_request_counts_that_part(role):
    scheduler, lengths = Scheduler(max_batch=64), Moments(500.0, 100.0, 1e4, 5e4).part(role)
    step = cost(max_batch=64)
    most = capacity(step, scheduler, lengths)
    assert most is not None
    columns = np.zeros((4, S.WINDOW_COLUMNS))
    served = most.requests_per_s * 60.0 * np.array([0.0, 0.4, 3.0, 3.1])
    columns[:, S.PREFILLED], columns[:, S.DECODED] = served * lengths.computed, served * lengths.output
    found = needed_replicas(step, scheduler, lengths, columns, np.full(4, 60.0))
    assert found is not None and found.tolist() == [0, 1, 3, 4]
