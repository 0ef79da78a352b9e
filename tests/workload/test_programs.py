"""Programs from scenarios: numbers resolved, roles given models."""

from __future__ import annotations

import pytest

from sim.catalog.techniques import techniques
from sim.scenario import loads
from sim.scenario.mitigation import catalog_technique
from sim.workload.program import ONE, Amount, Program, Read, Repeat, Stage, Tool, plain
from sim.workload.programs import program_from, program_of
from tests.scenario.texts import LEAST

BIG, SMALL = "Llama-3.1-8B", "Llama-3.2-1B"
POOL = f'\n[[pool]]\naccelerator = "L4"\nmodel = "{SMALL}"\n'


def program(mitigation: str, more: str = "", own: str = "") -> Program:
    text = LEAST.replace("lengths =", f"mitigation = {mitigation}\nlengths =")
    scenario = loads(text.replace("[[workload]]", f"{own}\n[[workload]]") + more)
    return program_of(scenario.workloads[0], scenario)


def test_no_technique_is_a_plain_program():
    assert program('"none"') == plain(BIG)
    assert program('"none"').is_plain


@pytest.mark.parametrize("name", sorted(techniques()))
def test_only_none_is_plain(name):
    made = catalog_technique(name)
    built = program_from(made, made.defaults, {"": BIG, **dict.fromkeys(made.roles, SMALL)})
    assert built.is_plain == (name == "none")
    assert built.name == name


def test_a_guardrail_in_full():
    policy = Read("template", tokens=500, name="policy")
    text = f'{{ technique = "guardrail", models = {{ judge = "{SMALL}" }} }}'
    assert program(text, POOL) == Program(
        "guardrail",
        (
            Stage("check-prompt", SMALL, reads=(policy, Read("prompt")), output=Amount(constant=5)),
            Stage("answer", BIG),
            Stage(
                "check-answer",
                SMALL,
                reads=(policy, Read("prompt"), Read("all", "answer")),
                output=Amount(constant=5),
            ),
        ),
        streamed=False,
    )


def test_a_role_without_a_model_is_the_workloads_own():
    assert {s.model for s in program('"guardrail"').stages} == {BIG}


def test_expressions_become_numbers():
    built = program('{ technique = "chain-of-verification", questions = 12 }')
    stages = {s.name: s for s in built.stages}
    assert stages["plan"].output.per_answer == pytest.approx(240 / 211)
    assert stages["answer"].calls == Amount(per_answer=12 / 211, least=1, most=240)
    assert built.streamed


def test_loops_tools_and_limits():
    step = program('{ technique = "coding-agent", steps = 10 }').stages[0]
    assert step.repeat == Repeat("step", Amount(constant=10, cv=0.8, least=1, most=160))
    assert step.tool == Tool(5.0, 1.0, Amount(constant=800), first=False)
    assert step.longest_input == 128_000
    assert step.reads[2] == Read("transcript")
    critique, answer = program('"self-refine"').stages
    assert not critique.first
    assert answer.first
    assert answer.repeat == Repeat("critique", Amount(constant=4, least=1, most=4))
    assert answer.calls == ONE


def test_a_template_without_a_name_is_its_places_own():
    built = program('"chain-of-verification"')
    names = [r.name for s in built.stages for r in s.reads if r.kind == "template"]
    assert names == ["plan[2]", "answer[0]", "question", "compare[0]", "question", "revise[5]"]


def test_ones_own_technique():
    own = """
[[technique]]
name = "mine"
[[technique.parameter]]
name = "n"
default = 3
about = "Calls"
[[technique.stage]]
name = "a"
calls = "n"
output = { constant = 20, cv = 0.5, most = 64 }
probability = "n / 10"
"""
    stage = program('{ technique = "mine", n = 4 }', own=own).stages[0]
    assert stage.calls.constant == 4
    assert stage.probability == 0.4
    assert stage.output == Amount(constant=20, cv=0.5, most=64)
