"""`simulate compare --techniques`: one JSON object, one message for wrong words."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sim.cli import main
from tests.study.planning import CHAT


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "chat.toml"
    path.write_text(CHAT, encoding="utf-8")
    return str(path)


def simulate(*words):
    return CliRunner().invoke(main, ["compare", *words])


def test_json_is_one_object_with_rows_for_both_caches(scenario, tmp_path):
    out = tmp_path / "out"
    done = simulate(scenario, "--techniques", "chain-of-verification-joint", "--json", "--out", str(out))
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["mode"] == "techniques"
    assert [(r["technique"], r["prefix_cache"]) for r in report["rows"]] == [
        (name, cache) for cache in (False, True) for name in ("none", "chain-of-verification-joint")
    ]
    assert (out / "compare.json").exists() and (out / "compare.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--techniques", "debat"), "debate"),
        (("--techniques", " , "), "names none"),
        (("--techniques", "debate", "--accelerators", "A100"), "--accelerators"),
        (("--techniques", "debate", "--base", "A100"), "--base"),
    ],
)
def test_wrong_words_end_with_one_message(scenario, words, said):
    done = simulate(scenario, *words)
    assert done.exit_code == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_techniques_are_of_one_scenario(scenario):
    done = simulate(scenario, scenario, "--techniques", "debate")
    assert done.exit_code == 2 and "one file" in done.stderr
