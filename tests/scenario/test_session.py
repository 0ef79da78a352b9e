"""Sessions and adapters in a scenario file: what is read, and what is refused."""

from __future__ import annotations

import pytest

from sim.errors import ScenarioError
from sim.scenario import loads
from sim.scenario.resolved import dump_toml
from sim.scenario.session import FixedTurns, GeometricTurns, LognormalTurns
from tests.scenario.texts import CHAT

SESSION = """
[workload.session]
turns = { kind = "geometric", mean = 3.5 }
think = { mean = "1 min", cv = 1.5 }
question = { mean = 70, cv = 1 }
"""


def chat(session: str = SESSION, workload: str = "", pool: str = "") -> str:
    text = CHAT.replace('slo = { ttft = "1 s", tpot = "50 ms" }\n', f"{workload}\n{session}")
    return text.replace("memory_fraction = 0.9\n", f"memory_fraction = 0.9\n{pool}\n")


def refused(text: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        loads(text)
    return str(caught.value)


def test_a_session_is_read_and_written_back():
    made = loads(chat())
    session = made.workloads[0].session
    assert session is not None
    assert session.turns == GeometricTurns(kind="geometric", mean=3.5, most=1000)
    assert (session.think.mean_s, session.think.cv) == (60.0, 1.5)
    assert session.context_limit is None
    assert loads(dump_toml(made)) == made


@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        ('{ kind = "fixed", turns = 4 }', FixedTurns),
        ('{ kind = "lognormal", mean = 4, cv = 1 }', LognormalTurns),
    ],
)
def test_turns_of_each_kind(turns, kind):
    made = loads(chat(SESSION.replace('{ kind = "geometric", mean = 3.5 }', turns)))
    assert made.workloads[0].session is not None
    assert isinstance(made.workloads[0].session.turns, kind)


def test_a_bare_duration_is_a_pause_that_is_always_the_same():
    made = loads(chat(SESSION.replace('{ mean = "1 min", cv = 1.5 }', '"20 s"')))
    assert made.workloads[0].session is not None
    assert (made.workloads[0].session.think.mean_s, made.workloads[0].session.think.cv) == (20.0, 0.0)


def test_no_technique_in_a_session():
    assert 'mitigation is "self-consistency"' in refused(chat(workload='mitigation = "self-consistency"'))


def test_recorded_lengths_do_not_make_a_session(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,10,5\n1,20,6\n")
    text = chat().replace(
        '{ process = "poisson", rate_per_s = 40 }', f'{{ process = "trace", path = "{path}" }}'
    )
    assert "those recorded with the arrivals" in refused(
        text.replace('lengths = "azure-2023-conversation"\n', "")
    )
    drawn = text.replace('"azure-2023-conversation"', f'{{ kind = "trace", path = "{path}" }}')
    assert loads(drawn).workloads[0].session is not None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("mean = 3.5", "mean = 0.5"),
        ('kind = "geometric"', 'kind = "geometrical"'),
        ('mean = "1 min"', 'mean = "-1 min"'),
    ],
)
def test_wrong_values_are_refused_by_their_place(given, words):
    assert "workload[0].session" in refused(chat(SESSION.replace(given, words)))


def test_adapters_are_read_with_their_defaults():
    made = loads(chat("", pool="adapters = { count = 1000 }"))
    adapters = made.pools[0].adapters
    assert adapters is not None
    assert (adapters.count, adapters.rank, adapters.places, adapters.zipf) == (1000, 16, 8, 1.0)
    assert (adapters.targets, adapters.load_gb_per_s, adapters.step_overhead_s) == ("attention", 25.0, 0.002)
    assert loads(dump_toml(made)) == made
    few = loads(chat("", pool="adapters = { count = 3 }")).pools[0].adapters
    assert few is not None and few.places == 3


def test_pools_of_one_model_have_the_same_adapters():
    second = '\n[[pool]]\naccelerator = "H100-SXM-80GB"\nmodel = "Llama-3.1-70B"\ntensor_parallel = 4\n'
    alike = chat("", pool="adapters = { count = 10 }") + second + "adapters = { count = 10, resident = 4 }\n"
    assert loads(alike).pools[1].adapters is not None
    message = refused(chat("", pool="adapters = { count = 10 }") + second)
    assert "pool[1].adapters" in message and "pool[0].adapters" in message
