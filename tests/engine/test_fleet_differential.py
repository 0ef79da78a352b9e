"""The kernel against the reference engine where replicas come and go, and clients have priorities and patience."""

from __future__ import annotations

from collections.abc import Generator

import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.programs import programs
from tests.engine.test_differential import COMMON, compare, counts, setups, with_sessions

TICKS_PER_S = 2**30


def client_tables(draw, plain: bool) -> dict:
    """What the clients of a workload do, at random."""
    found: dict = {"priority": draw(counts(0, 2))}
    if draw(st.booleans()):
        found["patience"] = draw(st.sampled_from([0.05, 0.5, 2.0]))
    if draw(st.booleans()):
        found["queue_limit"] = draw(counts(1, 12))
    if draw(st.booleans()):
        found["limit"] = {
            "rate_per_s": draw(st.sampled_from([2.0, 8.0])),
            "burst": draw(counts(1, 6)),
            "in_flight": draw(st.one_of(st.none(), counts(1, 12))),
        }
    if plain and draw(st.booleans()):
        found["retry"] = {"attempts": draw(counts(1, 4)), "backoff": draw(st.sampled_from([0.1, 1.0]))}
    if plain and draw(st.booleans()):
        found["spill"] = {
            "above": draw(counts(1, 10)),
            "usd_per_mtok_input": 1.0,
            "usd_per_mtok_output": 1.0,
        }
    return found


@st.composite
def fleet_setups(draw, plain: bool = True) -> tuple:
    """A scenario with clients of every kind, pools in tiers and regions, and what happens to replicas when."""
    made, costs = draw(setups(caches=True))
    regions = draw(st.sampled_from([[None], [None], ["a", "b"]]))
    data = made.model_dump(by_alias=True, exclude_none=True)
    for workload in data["workload"]:
        workload |= client_tables(draw, plain) | {"region": draw(st.sampled_from(regions))}
    lowest = min(data["workload"], key=lambda w: w["priority"])
    others = [w["priority"] for w in data["workload"] if w is not lowest and w["model"] == lowest["model"]]
    if draw(st.booleans()) and all(p > lowest["priority"] for p in others):
        lowest["admit_below"] = draw(counts(1, 5))
    for pool in data["pool"]:
        pool |= {"tier": draw(counts(0, 1)), "region": draw(st.sampled_from(regions))}
        if draw(st.booleans()):
            pool["overflow_above"] = draw(counts(1, 6))
    if len(regions) > 1:
        used = {x["region"] for x in (*data["workload"], *data["pool"])}
        data["link"] = [{"between": regions, "round_trip": 0.08}] if len(used) == 2 else []
    made = type(made).model_validate(data)
    replicas = sum(p.replicas for p in made.pools) // made.cells
    acts = st.tuples(
        st.sampled_from(["open", "close", "kill"]),
        st.one_of(st.floats(0, 9), st.sampled_from([0.0, 1.0, 2.0, 3.0])),
        st.sets(counts(0, replicas - 1), min_size=1),
    )
    return made, costs, sorted(draw(st.lists(acts, max_size=8)), key=lambda act: act[1])


def director(acts):
    """A process that does to replicas what `acts` says."""

    def process(env: simpy.Environment, cell) -> Generator:
        for what, at_s, replicas in acts:
            yield env.timeout(max(0, round(at_s * TICKS_PER_S) - env.now))
            getattr(cell, what)(sorted(replicas), int(env.now))

    return process


@settings(max_examples=250, derandomize=True, **COMMON)
@given(fleet_setups())
def test_engines_agree_on_fleets_that_change(setup):
    made, costs, acts = setup
    compare(made, costs, processes=[director(acts)])


@settings(max_examples=80, derandomize=True, **COMMON)
@given(st.data())
def test_engines_agree_on_programs_in_fleets_that_change(data):
    made, costs, acts = data.draw(fleet_setups(plain=False))
    served = [p.model for p in made.pools]
    own = [data.draw(programs(served)) for _ in made.workloads]
    compare(made, costs, own, processes=[director(acts)])


@settings(max_examples=80, derandomize=True, **COMMON)
@given(st.data())
def test_engines_agree_on_sessions_and_adapters_in_fleets_that_change(data):
    made, costs, acts = data.draw(fleet_setups(plain=False))
    compare(*with_sessions(data.draw, made, costs), processes=[director(acts)])
