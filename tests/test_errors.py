from __future__ import annotations

import pytest

from sim.errors import CatalogError, Fault, ScenarioError, UserError, did_you_mean, nearest, repr_plain

CHIPS = ["V100-SXM-32GB", "A100-SXM-80GB", "H100-SXM-80GB", "H200-SXM-141GB", "B200"]


def test_a_fault_reads_place_message_hint():
    assert str(Fault("pool[0].replicas", "must be at least 1; given 0", "use 1")) == (
        "pool[0].replicas: must be at least 1; given 0\n    use 1"
    )
    assert str(Fault("", "does not exist")) == "does not exist"


def test_an_error_holds_every_fault_and_its_source():
    faults = [Fault("a", "one"), Fault("b", "two")]
    error = ScenarioError(faults, "x.toml")
    assert error.faults == tuple(faults)
    assert error.source == "x.toml"
    assert str(error) == "a: one\nb: two"
    assert UserError("plain words").faults == (Fault("", "plain words"),)
    assert CatalogError(Fault("a", "one")).faults == (Fault("a", "one"),)


@pytest.mark.parametrize("kind", [ScenarioError, CatalogError])
def test_every_user_error_is_one_to_the_command_line(kind):
    assert issubclass(kind, UserError)


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("h100 sxm 80gb", "H100-SXM-80GB"),
        ("H100-SMX-80GB", "H100-SXM-80GB"),
        ("H100", "H100-SXM-80GB"),
        ("b200", "B200"),
        ("V100_SXM_32GB", "V100-SXM-32GB"),
    ],
)
def test_the_nearest_name_comes_first(word, first):
    assert nearest(word, CHIPS)[0] == first


def test_nothing_near_is_nothing_said():
    assert nearest("Zilog Z80", CHIPS) == []
    assert did_you_mean("Zilog Z80", CHIPS) == ""
    assert did_you_mean("x", []) == ""


def test_no_more_than_three_are_named_and_each_once():
    assert len(nearest("A100", ["A100-1", "A100-2", "A100-3", "A100-4"])) == 3
    assert nearest("a-b", ["a-b", "A B"]) == ["a-b"]


def test_choices_are_joined_as_people_do():
    assert did_you_mean("fp9", ["fp8"]) == 'did you mean "fp8"?'
    assert did_you_mean("fp9", ["fp8", "fp4"]) == 'did you mean "fp8" or "fp4"?'
    assert did_you_mean("fp9", ["fp8", "fp4", "fp6"]).count(" or ") == 1


def test_values_stand_as_in_the_file():
    assert (repr_plain("x"), repr_plain(3), repr_plain(0.5)) == ('"x"', "3", "0.5")
