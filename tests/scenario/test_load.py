from __future__ import annotations

import pytest

from sim.errors import ScenarioError
from sim.scenario import build, load, loads
from tests.scenario.texts import CHAT, LEAST, least


def faults_of(text, overrides=(), **where):
    with pytest.raises(ScenarioError) as caught:
        loads(text, overrides, **where)
    return {f.path: f for f in caught.value.faults}


def test_a_file_reads_as_its_text_does(tmp_path):
    path = tmp_path / "chat.toml"
    path.write_text(CHAT, encoding="utf-8")
    assert load(path) == load(str(path)) == loads(CHAT)
    path.write_bytes(b"\xef\xbb\xbf" + CHAT.encode())
    assert load(path) == loads(CHAT)


def test_relative_traces_start_at_the_files_folder(tmp_path, monkeypatch):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "t.csv").write_text("arrival_s,input_tokens,output_tokens\n0,1,1\n")
    (folder / "s.toml").write_text(least(arrivals='{ process = "trace", path = "./t.csv" }', lengths=" "))
    monkeypatch.chdir(tmp_path)
    assert load("a/s.toml").workloads[0].arrivals.path == str(folder / "t.csv")


def test_a_missing_file_is_named_with_its_likeness(tmp_path):
    (tmp_path / "chat.toml").write_text(CHAT)
    with pytest.raises(ScenarioError, match=r'does not exist\n    did you mean "chat.toml"') as caught:
        load(tmp_path / "chta.toml")
    assert caught.value.source.endswith("chta.toml")
    with pytest.raises(ScenarioError, match="does not exist"):
        load(tmp_path / "nowhere" / "chat.toml")


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "chat.toml").write_text(CHAT)
    with pytest.raises(ScenarioError, match=r"is a folder, not a scenario file\n    it holds chat.toml"):
        load(tmp_path)


def test_a_path_through_a_file_is_told(tmp_path):
    (tmp_path / "chat.toml").write_text(CHAT)
    with pytest.raises(ScenarioError, match="cannot read"):
        load(tmp_path / "chat.toml" / "x.toml")


def test_other_encodings_are_told_with_the_line(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes(b'# one\nname = "caf\xe9"\n')
    with pytest.raises(ScenarioError, match="not UTF-8 text: byte 0xe9 in line 2"):
        load(path)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            'name = "x"\nduration = 1 h',
            "line 2, column 14",
            "duration = 1 h\n                 ^\n    text needs",
        ),
        ("name = chat", "line 1, column 8", "text needs quotes"),
        ("[pool", "line 1, column 6", "^"),
        ("x = [1,", "line 1, column 8", "^"),
        ("a = 1\na = 2", "line 2, column 6", "the key stands twice"),
        ("name", "line 1, column 5", "key = value"),
        ("a = '\u2028'\nb = [1,\n", "line 2, column 8", "b = [1,"),
        ("a = 1\r\nb = c\r\n", "line 2, column 5", "b = c\n"),
        ("\tname = ?", "line 1, column 9", "\t       ^"),
    ],
)
def test_toml_errors_show_line_column_and_text(text, place, words):
    fault = faults_of(text)[place]
    assert fault.message.startswith("not valid TOML: ")
    assert words in fault.hint


def test_toml_that_no_parser_survives_is_refused():
    assert "nested too deeply" in faults_of("x = " + "[" * 100_000)[""].message
    assert faults_of("seed = " + "9" * 5000)


def test_every_fault_is_told_at_once():
    text = CHAT.replace("seed = 7", "seed = -7").replace("replicas = 8", "replicas = 8.5")
    text = (
        text.replace('"poisson"', '"poison"').replace("pue = 1.2", "pue = 1.2\npeu = 1").replace("fp8", "fp9")
    )
    text = text.replace('model = "Llama-3.1-70B"\nprecision', 'model = "Llama-3.1-8B"\nprecision')
    found = faults_of(text, ["cells=0", "no.0.such"])
    assert set(found) == {
        "seed",
        "cells",
        "workload[0].arrivals.process",
        "workload[0].model",
        "pool[0].precision",
        "pool[0].replicas",
        "pool[0].model",
        "site.peu",
        "no.0.such",
    }
    assert found["workload[0].arrivals.process"].hint == 'did you mean "poisson"?'


def test_unknown_models_hide_no_other_contradiction_and_make_up_none():
    found = faults_of(LEAST.replace('model = "Llama-3.1-8B"\narrivals', 'model = "Lama"\narrivals'))
    assert set(found) == {"workload[0].model"}


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("replica = 3", 'did you mean "replicas" or "prefix_cache"?'),
        ("router = 'random'", "it belongs at the top of the file, before the first [table]"),
        ("pue = 1.1", "it belongs in [site]"),
        ("xyzzy = 1", "its keys are name, accelerator, model"),
    ],
)
def test_an_unknown_key_is_answered_with_the_right_one_or_its_place(key, hint):
    fault = faults_of(least(pool=key))[f"pool[0].{key.partition(' ')[0]}"]
    assert fault.message == "is not a key of [[pool]]"
    assert fault.hint.startswith(hint)


@pytest.mark.parametrize(
    ("text", "path", "given"),
    [
        (least(top='warmup = "2 min"'), "warmup", "it is 120 s"),
        (least(top="warmup = -1"), "warmup", "given -1"),
        (least(pool='name = "a"\n[[pool]]\nname = "a"\naccelerator = "H100"\nmodel = "Llama-3.1-8B"'),
         "pool[1].name", '"a" is also the name of pool[0]'),
        (least(pool='tensor_parallel = 3'), "pool[0].tensor_parallel", "3 does not divide the 32"),
        (least(pool='tensor_parallel = 32'), "pool[0].tensor_parallel", "32 is more than 16"),
        (least(pool='expert_parallel = 2'), "pool[0].expert_parallel", "no routed experts; given 2"),
        (least(pool='memory_fraction = 0'), "pool[0].memory_fraction", "must be above 0; given 0"),
        (least(pool='replicas = "8"'), "pool[0].replicas", 'must be a whole number; given "8"'),
        (least(top="cells = 2", pool="replicas = 3"), "pool[0].replicas", "3 cannot be divided evenly among"),
        (least(top="cells = 2", pool="replicas = 2", arrivals='{ process = "closed", clients = 3 }'),
         "workload[0].arrivals.clients", "3 cannot be divided evenly among cells = 2"),
        (least(top='warmup = 1', arrivals='{ process = "all-at-once", requests = 3 }'),
         "workload[0].arrivals.process", "none counts"),
        (least(lengths='lengths = "trace"'), "workload[0].lengths", 'these are "deterministic"'),
        (least(lengths=" "), "workload[0].lengths", "is required"),
        (least(lengths='lengths = { kind = "trace", path = "." }'), "workload[0].lengths.path", "a folder"),
        (least(arrivals='{ process = "users", users = 1, requests_per_user_per_day = 1, shape="dayly"}'),
         "workload[0].arrivals.shape", 'unknown shape "dayly"'),
    ],
)  # fmt: skip
def test_semantic_faults_name_the_key_and_the_value(text, path, given):
    found = faults_of(text)
    assert set(found) == {path}
    assert given in found[path].message


def test_expert_groups_must_divide_the_accelerators_and_fit_the_experts():
    text = LEAST.replace("Llama-3.1-8B", "DeepSeek-V3")
    assert loads(text + "tensor_parallel = 8\nexpert_parallel = 4\n").pools[0].expert_parallel == 4
    wide = loads(text + "attention_data_parallel = 32\nexpert_parallel = 32\n").pools[0]
    assert wide.accelerators_per_replica == 32
    fault = faults_of(text + "tensor_parallel = 8\nexpert_parallel = 3\n")["pool[0].expert_parallel"]
    assert fault.message == "3 does not divide tensor_parallel x attention_data_parallel = 8"
    fault = faults_of(text + "attention_data_parallel = 512\nexpert_parallel = 512\n")[
        "pool[0].expert_parallel"
    ]
    assert fault.message == "512 is more than the 256 experts of DeepSeek-V3"


def test_a_path_that_no_system_takes_is_a_fault(tmp_path):
    with pytest.raises(ScenarioError, match="cannot read"):
        load(tmp_path / ("x" * 5000))
    text = least(arrivals=f'{{ process = "trace", path = "{"x" * 5000}" }}', lengths=" ")
    assert "cannot be read" in faults_of(text)["workload[0].arrivals.path"].message


def test_a_key_of_another_process_is_told_by_the_process():
    text = least(arrivals='{ process = "poisson", rate_per_s = 1, cv = 2 }')
    fault = faults_of(text)["workload[0].arrivals.cv"]
    assert fault.message == 'is not a key of workload[0].arrivals with process = "poisson"'
    assert fault.hint == "its keys are shape, start_hour, growth, ramp, surges, process, rate_per_s"


def test_a_missing_trace_is_looked_for_where_it_says_and_likened(tmp_path):
    (tmp_path / "trace.csv").write_text("x")
    text = least(arrivals='{ process = "trace", path = "trase.csv" }', lengths=" ")
    fault = faults_of(text, folder=tmp_path)["workload[0].arrivals.path"]
    assert str(tmp_path / "trase.csv") in fault.hint
    assert 'did you mean "trace.csv"?' in fault.hint


def test_data_that_is_not_from_toml_is_checked_alike():
    with pytest.raises(ScenarioError, match="name: is required"):
        build({})
    assert build(
        {"name": "x", **{k: v for k, v in loads(LEAST).model_dump(by_alias=True).items() if k != "name"}}
    )
