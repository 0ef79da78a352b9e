"""`simulate claims` on the command line."""

from __future__ import annotations

import json

from click.testing import CliRunner

from sim.cli import main


def simulate(*arguments: str):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_json_is_a_list_of_objects_and_nothing_else():
    done = simulate("claims", "spend-17x", "deepseek-day", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["id"] for row in found] == ["spend-17x", "deepseek-day"]
    for key in (
        "claim",
        "source",
        "published",
        "simulated",
        "interval",
        "verdict",
        "condition",
        "flips",
        "note",
    ):
        assert key in found[0]
    assert (found[0]["published"], found[0]["verdict"]) == (17, "holds")


def test_text_counts_verdicts():
    done = simulate("claims", "spend-17x", "spend-17x-cost")
    assert done.exit_code == 0, done.output
    assert done.stdout.rstrip().endswith("2 claims: 1 holds, 1 does not hold")


def test_an_unknown_claim_is_answered_with_the_nearest():
    done = simulate("claims", "spend-17")
    assert done.exit_code == 2
    assert 'did you mean "spend-17x"' in done.stderr
    assert done.stdout == ""


def test_the_list_tests_nothing():
    done = simulate("claims", "--list")
    assert done.exit_code == 0
    assert done.stdout.startswith("spend-17x")
    assert "testing" not in done.stderr
    assert len(json.loads(simulate("claims", "--list", "--json").stdout)) >= 38


def test_files_are_written(tmp_path):
    done = simulate("claims", "ten-boxes-cheaper", "copilot-worst-loss", "--out", tmp_path / "claims")
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "claims").iterdir()) == [
        "claims.csv",
        "claims.json",
        "claims.md",
        "copilot_margin.png",
        "replacement.png",
    ]
