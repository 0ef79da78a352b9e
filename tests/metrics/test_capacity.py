"""The mean-field capacity against saturated runs."""

from __future__ import annotations

import numpy as np
import pytest

from sim.engine import state as S
from sim.metrics.capacity import capacity, kv_limited_batch
from sim.metrics.moments import length_moments
from tests.engine.setups import cost, scenario
from tests.samples import observe

LENGTHS = {"kind": "lognormal", "input": {"mean": 300, "cv": 0.8}, "output": {"mean": 100, "cv": 0.8}}
BINDING = {
    "max_batch": ({"max_batch": 32}, {}),
    "KV cache": ({"max_batch": 64, "kv_reserve": "full"}, {"kv_capacity": 8000}),
    "token_budget": ({"max_batch": 64, "token_budget": 80}, {}),
}


def saturated_rps(made, step):
    """Completions per second in the middle of a long backlog."""
    observed = observe(made, [step])
    in_system = observed.span.columns[0, :, S.SYSTEM_S] / observed.span.width_s
    start, end = (np.flatnonzero(in_system > share * in_system[0])[-1] for share in (0.8, 0.3))
    return (in_system[start] - in_system[end]) / (end - start) / observed.metrics.window_s


CASES = [("chunked-prefill", binds) for binds in BINDING]
CASES += [
    ("prefill-first", "max_batch"),
    ("prefill-first", "KV cache"),
]  # its budget does not limit the batch


@pytest.mark.parametrize(("kind", "binds"), CASES)
def test_capacity_is_what_a_saturated_replica_serves(binds, kind):
    scheduler, room = BINDING[binds]
    burst = {"process": "all-at-once", "requests": 4000}
    made = scenario(
        [{"arrivals": burst, "lengths": LENGTHS}],
        [{"scheduler": {"kind": kind, **scheduler}}],
        duration=300.0,
    )
    step = cost(max_batch=64, **room)
    pool, lengths = made.pools[0], length_moments(made.workloads[0], {})
    found = capacity(step, pool.scheduler, lengths)
    assert found.binds == binds
    assert found.requests_per_s == pytest.approx(saturated_rps(made, step), rel=0.1)


def test_kv_room_reserved_for_whole_answers_holds_fewer():
    prompt, full = (
        scenario(pools=[{"scheduler": {"kind": "chunked-prefill", "kv_reserve": r}}]).pools[0].scheduler
        for r in ("prompt", "full")
    )
    lengths = length_moments(scenario().workloads[0], {})  # always 100 in, 20 out
    step = cost(kv_capacity=11_000)
    assert kv_limited_batch(step, prompt, lengths) == pytest.approx(11_000 / 110)
    assert kv_limited_batch(step, full, lengths) == pytest.approx(11_000 / 120)


def test_static_batching_is_not_estimated():
    made = scenario(pools=[{"scheduler": {"kind": "static"}}])
    assert capacity(cost(), made.pools[0].scheduler, length_moments(made.workloads[0], {})) is None


def test_prompts_without_answers_are_limited_by_prefill():
    made = scenario([{"lengths": {"kind": "fixed", "input": 1000, "output": 0}}])
    step = cost(token_s=1e-5, floor_s=0.0, attention_s=0.0, host_s=0.0)
    found = capacity(step, made.pools[0].scheduler, length_moments(made.workloads[0], {}))
    assert (found.requests_per_s, found.binds) == (pytest.approx(100), "prefill")
