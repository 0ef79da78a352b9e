"""Whatever a file says, the answer is a scenario or faults in plain words, never a traceback or jargon."""

from __future__ import annotations

import copy
import datetime
import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.scenario import build
from sim.scenario.faults import _EXPLAIN
from sim.scenario.keys import locate, sections_with
from tests.scenario.texts import CHAT, LEAST, least

DATA = [
    tomllib.loads(CHAT),
    tomllib.loads(
        LEAST.replace('{ process = "deterministic", rate_per_s = 1 }', '{ process = "closed", clients = 4 }')
        + "[cost]\nserver_price_usd = 1\n[revenue]\nusd_per_mtok_input = 1\nusd_per_mtok_output = 2\n"
    ),
    tomllib.loads(
        least(
            arrivals='{ process = "users", users = 5, requests_per_user_per_day = 1, shape = [1, 2] }',
            lengths='lengths = { kind = "lognormal", input = { mean = 9, cv = 1 }, output = { median = 9 } }',
        )
    ),
]
WORDS = ["", "H100", "poisson", "closed", "users", "trace", "fixed", "quantiles", "5 min", "auto"]
KEYS = ["process", "kind", "users", "path", "input", "output", "mean", "median", "shape", "replicas", "xyzzy"]
scalars = st.one_of(
    st.sampled_from(WORDS),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.booleans(),
    st.just(datetime.date(2024, 1, 1)),
    st.text(max_size=5),
)
values = st.recursive(
    scalars,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(KEYS), v, max_size=3),
    max_leaves=6,
)


def paths(node, prefix=()):
    """Every key path of `node`, and one key that is not there in each table."""
    found = [prefix] if prefix else []
    if isinstance(node, dict):
        found += [(*prefix, "xyzzy")]
        for key, inner in node.items():
            found += paths(inner, (*prefix, key))
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            found += paths(inner, (*prefix, index))
    return found


@st.composite
def mutilated(draw):
    data = copy.deepcopy(draw(st.sampled_from(DATA)))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(paths(data)))
        node = data
        for step in parents:
            node = node[step]
        if draw(st.booleans()) or not (isinstance(node, list) or last in node):
            node[last] = draw(values)
        else:
            del node[last]
    return data


@settings(deadline=None, max_examples=400)
@given(mutilated())
def test_anything_is_a_scenario_or_faults_in_plain_words(data):
    try:
        build(data)
    except ScenarioError as error:
        assert error.faults
        for fault in error.faults:
            assert re.fullmatch(r"[^.\[]+(\[\d+\])?(\.[^.]+)*", fault.path), fault
            assert fault.message
            assert not re.search(
                r"(?i)input should|valid dictionary|union|pydantic|instance of", str(fault)
            ), fault


def test_errors_that_the_schema_cannot_make_are_not_explained_in_vain():
    """Each kind of pydantic error that has an explanation is made by some broken value."""
    from pydantic import ValidationError

    from sim.scenario.schema import Scenario

    seen = set()
    for broken in BREAKAGES:
        data = copy.deepcopy(DATA[0])
        broken(data)
        with pytest.raises(ValidationError) as caught:
            Scenario.model_validate(data)
        seen |= {e["type"] for e in caught.value.errors()}
    assert seen == set(_EXPLAIN)


BREAKAGES = [
    lambda d: d.pop("name"),
    lambda d: d.update(xyzzy=1),
    lambda d: d.update(router="postal"),
    lambda d: d["workload"][0]["arrivals"].update(process="poison"),
    lambda d: d["workload"][0]["arrivals"].pop("process"),
    lambda d: d.update(site=3),
    lambda d: d["workload"][0].update(arrivals=3),
    lambda d: d.update(workload=3),
    lambda d: d.update(duration="x"),
    lambda d: d.update(name=3),
    lambda d: d.update(name=""),
    lambda d: d.update(seed=1.5),
    lambda d: d["site"].update(pue="x"),
    lambda d: d["site"].update(pue=float("nan")),
    lambda d: d.update(duration=0),
    lambda d: d["site"].update(pue=0.5),
    lambda d: d.update(seed=2**63),
    lambda d: d["pool"][0].update(memory_fraction=1.5),
]


@pytest.mark.parametrize(
    ("loc", "path", "table"),
    [
        (("duration",), "duration", "Scenario"),
        (("workload", 0, "arrivals", "users", "users"), "workload[0].arrivals.users", "UserArrivals"),
        (("workload", 1, "arrivals", "users", "shape"), "workload[1].arrivals.shape", "UserArrivals"),
        (("workload", 0, "lengths", "lognormal", "input", "mean-cv", "mean"),
         "workload[0].lengths.input.mean", "MeanCv"),
        (("workload", 0, "lengths", "name"), "workload[0].lengths", "Workload"),
        (("pool", 2, "scheduler", "kind"), "pool[2].scheduler.kind", "Scheduler"),
        (("revenue", "xyzzy"), "revenue.xyzzy", "Revenue"),
    ],
)  # fmt: skip
def test_locations_become_the_users_key_paths(loc, path, table):
    place = locate(loc)
    assert (place.path, place.table.__name__) == (path, table)


def test_where_a_key_belongs():
    assert sections_with("router") == [""]
    assert sections_with("pue") == ["[site]"]
    assert sections_with("arrivals") == ["[[workload]]"]
    assert sections_with("name") == ["", "[[technique]]", "[[workload]]", "[[pool]]", "[[training]]"]
    assert sections_with("xyzzy") == []
