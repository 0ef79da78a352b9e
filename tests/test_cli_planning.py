"""`simulate compare`, `plan` and `scale` as a user types them: one JSON object, plain words, named mistakes."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner

from sim.cli import main
from tests.study.planning import CHAT


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "chat.toml"
    path.write_text(CHAT)
    return str(path)


def simulate(*arguments):
    return CliRunner().invoke(main, arguments)


def test_compare_prints_one_object(scenario, tmp_path):
    out = tmp_path / "out"
    done = simulate("compare", scenario, "--accelerators", "A100, H100", "--json", "--out", str(out))
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [r["fits"] for r in report["rows"]] == [True, True]
    with (out / "compare.csv").open() as file:
        assert [r["accelerator"] for r in csv.DictReader(file)] == ["A100-SXM-80GB", "H100-SXM-80GB"]
    assert json.loads((out / "compare.json").read_text()) == report
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_compare_files_in_words(scenario):
    done = simulate(
        "compare", scenario, scenario, "--set", "duration=40 s", "--set", "warmup=5 s", "--replications", "2"
    )
    assert done.exit_code == 0, done.output
    assert "2 paired runs" in done.stdout and "$ per million output tokens" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "FILE"), "nothing to compare with"),
        (("compare", "FILE", "--accelerators", "H1000"), "did you mean"),
        (("compare", "FILE", "--accelerators", "H100", "--base", "A100"), "is not compared"),
        (("compare", "FILE", "FILE", "--accelerators", "H100"), "name one file"),
        (("plan", "FILE", "--precisions", "fp9"), "did you mean"),
        (("plan", "FILE", "--max-power", "lots"), "--max-power"),
        (("plan", "FILE", "--set", "workload.0.slo.ttft=0.001"), "a request alone"),
        (("scale", "FILE", "--users", "many"), "1e3:1e9"),
        (("scale", "FILE", "--users", "1e6:1e3"), "--users"),
        (("scale", "FILE", "--economies", "spares"), "did you mean"),
        (("scale", "FILE", "--training-usd", "dear"), "--training-usd"),
    ],
)
def test_mistakes_are_named(scenario, arguments, words):
    done = simulate(*(scenario if a == "FILE" else a for a in arguments))
    assert done.exit_code == 2, done.output
    assert words in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def test_plan_in_words_and_as_an_object(scenario):
    words = simulate("plan", scenario, "--max-accelerators", "100")
    assert words.exit_code == 0, words.output
    for part in ("fleet", "verified", "binds", "headroom", "one server lost", "configurations reckoned"):
        assert part in words.stdout
    tight = simulate("plan", scenario, "--max-power", "100 W", "--json")
    assert tight.exit_code == 0 and json.loads(tight.stdout)["feasible"] is False


def test_plan_of_a_fixed_fleet(scenario):
    done = simulate("plan", scenario, "--fixed-fleet")
    assert done.exit_code == 0 and "holds" in done.stdout and "requests at once" in done.stdout


def test_scale_in_words_and_files(scenario, tmp_path):
    out = tmp_path / "out"
    done = simulate("scale", scenario, "--users", "1e3:1e4", "--out", str(out), "--full-hour")
    assert done.exit_code == 0, done.output
    for part in ("(i) fixed fleet", "(ii) re-planned", "(iii) History", "conventional", "busiest hour"):
        assert part in done.stdout
    assert {p.name for p in out.iterdir()} == {
        "scale.json",
        "scale.csv",
        "scale.png",
        "elasticity.csv",
        "history.csv",
    }


def test_the_load_curve_in_words(scenario):
    done = simulate("scale", scenario, "--load-curve")
    assert done.exit_code == 0 and "knee" in done.stdout and "saturation at" in done.stdout
