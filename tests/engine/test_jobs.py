"""Images and videos in both engines: batches that start and end together, at the times and energies of their tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.engine import state as S
from sim.engine.control import run_plans
from sim.run import step_costs
from sim.scenario import Scenario
from sim.study.jobs import batch_totals
from tests.engine.setups import plans

SMALL_IMAGE = {"steps": 4, "width": 256, "height": 256}
CHAT = {
    "model": "Llama-3.1-8B",
    "arrivals": {"process": "poisson", "rate_per_s": 2.0},
    "lengths": {"kind": "fixed", "input": 50, "output": 8},
}


def scene(
    arrivals: dict, *, job: dict, batch: int, replicas: int = 1, beside: bool = False, **rest
) -> Scenario:
    """PixArt-Sigma on H100, and perhaps a chat beside it."""
    workloads = [{"model": "PixArt-Sigma", "arrivals": arrivals, "job": job}]
    pools = [
        {
            "model": "PixArt-Sigma",
            "accelerator": "H100",
            "replicas": replicas,
            "scheduler": {"max_batch": batch},
        }
    ]
    if beside:
        workloads.append(CHAT)
        pools.append({"model": "Llama-3.1-8B", "accelerator": "H100"})
    return Scenario.model_validate(
        {"name": "jobs", "duration": 20.0, "workload": workloads, "pool": pools, **rest}
    )


def both(made: Scenario):
    plan = plans(made, step_costs(made, {}))
    return (run_plans(plan, engine=engine, log_requests=500) for engine in ("kernel", "simpy"))


@pytest.mark.parametrize("engine", ["kernel", "simpy"])
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_batch_takes_the_time_and_energy_of_its_tables(engine, batch):
    made = scene({"process": "all-at-once", "requests": batch}, job={"steps": 20}, batch=8)
    (cost,) = costs = step_costs(made, {})
    seen = run_plans(plans(made, costs), engine=engine, log_requests=10)
    time_s, joules = batch_totals(cost, batch, 20)
    assert seen.calls["finish_s"] == pytest.approx(time_s, rel=1e-12)
    assert seen.windows[0, :, S.ENERGY_J].sum() == pytest.approx(joules, rel=1e-12)
    assert seen.counters[0, S.OUTPUT] == 20 * batch


@pytest.mark.parametrize("engine", ["kernel", "simpy"])
def test_the_first_of_an_image_is_the_whole_of_it(engine):
    made = scene({"process": "poisson", "rate_per_s": 1.5}, job={"steps": 10}, batch=4)
    seen = run_plans(plans(made, step_costs(made, {})), engine=engine)
    assert seen.counters[0, S.WITH_TPOT] == 0
    assert (seen.histograms[0, S.TTFT] == seen.histograms[0, S.E2E]).all()
    assert seen.sums[0, S.TTFT] == pytest.approx(seen.sums[0, S.E2E])


def test_only_the_batch_limit_binds():
    """Sixteen at once on one replica that takes eight: two batches of eight, one after the other."""
    made = scene({"process": "all-at-once", "requests": 16}, job={"steps": 20}, batch=8)
    (cost,) = costs = step_costs(made, {})
    seen = run_plans(plans(made, costs), engine="kernel", log_requests=16)
    time_s, _ = batch_totals(cost, 8, 20)
    assert sorted(seen.calls["finish_s"]) == pytest.approx([time_s] * 8 + [2 * time_s] * 8)


ARRIVALS = st.one_of(
    st.builds(lambda r: {"process": "poisson", "rate_per_s": r}, st.floats(0.5, 8)),
    st.builds(lambda n: {"process": "all-at-once", "requests": n}, st.integers(1, 40)),
    st.builds(
        lambda n, think: {"process": "closed", "clients": n, "think": think},
        st.integers(1, 9),
        st.floats(0.1, 2),
    ),
    st.builds(lambda r: {"process": "deterministic", "rate_per_s": r}, st.sampled_from([1.0, 2.0, 4.0])),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    arrivals=ARRIVALS,
    steps=st.integers(1, 12),
    batch=st.integers(1, 9),
    replicas=st.integers(1, 3),
    beside=st.booleans(),
    queue=st.one_of(st.none(), st.integers(1, 5)),
    seed=st.integers(0, 2**31),
)
def test_both_engines_agree(arrivals, steps, batch, replicas, beside, queue, seed):
    made = scene(
        arrivals,
        job={**SMALL_IMAGE, "steps": steps},
        batch=batch,
        replicas=replicas,
        beside=beside,
        seed=seed,
    )
    if queue is not None:
        table = made.model_dump(mode="json", by_alias=True, exclude_none=True)
        table["pool"][0]["scheduler"]["queue_limit"] = queue
        made = Scenario.model_validate(table)
    kernel, simpy = both(made)
    assert (kernel.counters == simpy.counters).all()
    assert (kernel.calls["id"] == simpy.calls["id"]).all()
    for name in ("arrive_s", "admit_s", "first_s", "finish_s"):
        np.testing.assert_allclose(kernel.calls[name], simpy.calls[name], rtol=1e-9, atol=1e-9)
    energy = (m.windows[:, :, S.ENERGY_J].sum(axis=1) for m in (kernel, simpy))
    np.testing.assert_allclose(*energy, rtol=1e-9)
