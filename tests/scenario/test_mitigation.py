"""A workload's `mitigation`, a scenario's own techniques, the prefix cache and the session router."""

from __future__ import annotations

import re

import pytest

from sim.errors import ScenarioError
from sim.scenario import dump_toml, load, loads, scenario_sha256
from sim.scenario.mitigation import Mitigation, catalog_technique
from tests.samples import ROOT
from tests.scenario.texts import LEAST, least

OWN = """
[[technique]]
name = "check-twice"
streamed = false
[[technique.parameter]]
name = "checks"
default = 2
least = 1
about = "Checks"
[[technique.stage]]
name = "draft"
[[technique.stage]]
name = "check"
model = "judge"
calls = "checks"
reads = ["prompt", { kind = "all", stage = "draft" }]
output = 10
"""
JUDGE_POOL = '\n[[pool]]\naccelerator = "L4"\nmodel = "Llama-3.2-1B"\n'


def with_mitigation(value: str, more: str = "", own: str = ""):
    text = LEAST.replace("lengths =", f"mitigation = {value}\nlengths =")
    return loads(text.replace("[[workload]]", f"{own}\n[[workload]]") + more)


def faults(*args: str, **named: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        with_mitigation(*args, **named)
    return str(caught.value)


def test_none_is_the_default():
    mitigation = loads(LEAST).workloads[0].mitigation
    assert (mitigation.technique, mitigation.models, mitigation.parameters) == ("none", {}, {})
    assert with_mitigation('"none"').workloads[0].mitigation == mitigation


def test_names_become_the_catalogs_own_and_parameters_are_filled_in():
    mitigation = with_mitigation('"SelfConsistency"').workloads[0].mitigation
    assert mitigation.technique == "self-consistency"
    assert mitigation.parameters == {"samples": 5.0, "inflation": 2.5}
    given = with_mitigation('{ technique = "self-consistency", samples = 40 }').workloads[0].mitigation
    assert given.parameters == {"samples": 40.0, "inflation": 2.5}


def test_it_is_written_out_and_read_back():
    text = '{ technique = "guardrail", policy = 300, models = { judge = "llama-3.2-1b" } }'
    scenario = with_mitigation(text, JUDGE_POOL)
    assert scenario.workloads[0].mitigation.models == {"judge": "Llama-3.2-1B"}
    again = loads(dump_toml(scenario))
    assert again == scenario
    assert hash(again) == hash(scenario)
    assert scenario_sha256(again) == scenario_sha256(scenario)
    assert scenario_sha256(with_mitigation(text.replace("300", "301"), JUDGE_POOL)) != scenario_sha256(again)


def test_ones_own_technique_is_used_written_out_and_read_back():
    scenario = with_mitigation('{ technique = "check-twice", checks = 3 }', own=OWN)
    assert scenario.techniques[0].roles == ("judge",)
    assert scenario.workloads[0].mitigation.parameters == {"checks": 3.0}
    assert loads(dump_toml(scenario)) == scenario
    assert scenario_sha256(loads(dump_toml(scenario))) == scenario_sha256(scenario)


def test_nearest_names_include_ones_own():
    assert 'did you mean "check-twice"' in faults('"check-twise"', own=OWN)
    assert 'did you mean "debate"' in faults('"debates"', own=OWN)


def test_a_pool_that_only_passes_ask_for_is_used():
    value = '{ technique = "guardrail", models = { judge = "Llama-3.2-1B" } }'
    assert len(with_mitigation(value, JUDGE_POOL).pools) == 2
    assert 'no workload asks for "Llama-3.2-1B"' in faults('"guardrail"', JUDGE_POOL)
    assert 'mitigation.models.judge: no pool serves "Llama-3.2-1B"' in faults(value)


def test_a_wrong_file_is_told_of_its_mitigation_too():
    text = faults('{ technique = "debate", agent = 2 }', "replicas = 0")
    assert "workload[0].mitigation.agent" in text
    assert "replicas" in text


def test_values_that_parameters_make_wrong_are_told_at_the_workload():
    own = OWN.replace("output = 10", 'output = 10\nprobability = "checks / 10"')
    text = faults('{ technique = "check-twice", checks = 20 }', own=own)
    assert "workload[0].mitigation: stage[1].probability: must be at most 1; given 2" in text


def test_a_model_that_is_misspelt_leaves_no_pool_unused():
    text = faults('{ technique = "guardrail", models = { judge = "Llama-3.2-1" } }', JUDGE_POOL)
    assert "unknown model" in text
    assert "no workload asks" not in text


def test_limits_on_passes():
    assert with_mitigation('{ technique = "self-consistency", samples = 16_000 }')
    assert "at most 16000" in faults('{ technique = "self-consistency", samples = 16_001 }')
    assert "up to 16,002 passes" in faults('{ technique = "debate", agents = 381, rounds = 42 }')
    assert with_mitigation('{ technique = "debate", agents = 400, rounds = 40 }')


def test_a_technique_of_which_no_stage_runs_is_refused():
    own = '[[technique]]\nname = "idle"\n[[technique.stage]]\nname = "a"\nprobability = 0\n'
    assert "no stage would ever run" in faults('"idle"', own=own)
    own = own.replace("probability = 0", 'first = false\nrepeat = { stage = "a", times = 2 }')
    assert "no stage would ever run" in faults('"idle"', own=own)
    assert with_mitigation('"idle"', own=own.replace("first = false", "probability = 0.1"))


def test_catalog_techniques_cannot_be_shadowed():
    text = faults('"debate"', own=OWN.replace("check-twice", "debate"))
    assert 'technique[0].name: "debate" is a technique of the catalog' in text


def test_a_mitigation_is_a_value():
    one = Mitigation.model_validate({"technique": "debate", "agents": 3})
    assert one == Mitigation.model_validate({"technique": "debate", "agents": 3})
    assert one != Mitigation.model_validate({"technique": "debate", "agents": 4})
    assert len({one, Mitigation.model_validate({"technique": "debate", "agents": 4})}) == 2


@pytest.mark.parametrize(
    ("line", "enabled", "block"),
    [
        ("", False, 16),
        ("prefix_cache = true", True, 16),
        ("prefix_cache = false", False, 16),
        ("prefix_cache = { block_tokens = 32 }", True, 32),
        ("prefix_cache = { enabled = false, block_tokens = 64 }", False, 64),
    ],
)
def test_the_prefix_cache_of_a_pool(line, enabled, block):
    scenario = loads(least(pool=line))
    cache = scenario.pools[0].prefix_cache
    assert (cache.enabled, cache.block_tokens) == (enabled, block)
    assert loads(dump_toml(scenario)) == scenario


def test_requests_can_stay_on_their_replica():
    assert loads(least(top='router = "session"')).router == "session"


def test_the_catalogs_techniques_are_read_once():
    assert catalog_technique("debate") is catalog_technique("debate")


def test_the_documented_example_is_valid():
    text = (ROOT / "docs" / "techniques.md").read_text(encoding="utf-8")
    example = text.partition("```toml\n")[2].partition("```")[0]
    scenario = loads(example)
    assert scenario.workloads[0].mitigation.parameters == {"critics": 5.0, "objection": 0.4}


def test_the_example_scenario_says_what_it_shows():
    path = ROOT / "scenarios" / "mitigation.toml"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert text.index("It shows") < text.index("\nname =")
    techniques = [w.mitigation.technique for w in load(path).workloads]
    assert techniques == ["guardrail", "chain-of-verification"]
    for change in re.findall(r"--set (\S+)", text):
        assert load(path, [change]) != load(path)
