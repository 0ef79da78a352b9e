from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.scenario import loads
from sim.scenario.overrides import apply_overrides, parse_value
from tests.scenario.texts import CHAT, LEAST


def test_changes_reach_lists_tables_and_tables_not_there_yet():
    s = loads(
        CHAT,
        [
            "pool.0.replicas=16",
            "pool[0].scheduler.max_batch = 128",
            "site.pue=1.1",
            "cost.basis=rent",
            "duration=10 min",
            "workload.0.slo.e2e='30 s'",
            "workload.0.lengths={ kind = 'fixed', input = 8, output = 9 }",
            "name=a=b",
        ],
    )
    assert (s.pools[0].replicas, s.pools[0].scheduler.max_batch) == (16, 128)
    assert (s.site.pue, s.cost.basis, s.duration_s, s.name) == (1.1, "rent", 600.0, "a=b")
    assert (s.workloads[0].slo.e2e_s, s.workloads[0].slo.ttft_s) == (30.0, 1.0)
    assert s.workloads[0].lengths.output == 9


def test_the_last_of_two_changes_wins_and_the_data_stay_as_they_were():
    data = {"a": {"b": [1, 2]}}
    assert apply_overrides(data, ["a.b.1=3", "a.b.1=4"]) == ({"a": {"b": [1, 4]}}, [])
    assert data == {"a": {"b": [1, 2]}}


@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        ("pool.1.replicas=2", "pool[1]", "there is none: pool has 1"),
        ("pool.replicas=2", "pool.replicas", "pool is a list of 1: say which"),
        ("name.first=x", "name.first", "cannot be set"),
        ("seed", "seed", "is not a change"),
        ("=3", "=3", "is not a change"),
    ],
)
def test_changes_that_reach_nothing_are_told(override, path, words):
    with pytest.raises(ScenarioError) as caught:
        loads(LEAST, [override])
    assert [f.path for f in caught.value.faults] == [path]
    assert words in caught.value.faults[0].message


def test_a_changed_value_is_checked_like_any_other():
    with pytest.raises(ScenarioError, match=r"pool\[0\].acelerator: is not a key of \[\[pool\]\]"):
        loads(LEAST, ["pool.0.acelerator=H200"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16", 16),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('"16"', "16"),
        ("fp8", "fp8"),
        ("5 min", "5 min"),
        ("2024-01-01", "2024-01-01"),
        ("1\nx = 2", "1\nx = 2"),
        ("", ""),
    ],
)
def test_values_are_toml_where_they_read_as_toml(text, value):
    assert parse_value(text) == value


@given(st.text())
def test_any_value_is_read(text):
    assert isinstance(parse_value(text), bool | int | float | str | list | dict)
