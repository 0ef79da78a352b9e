"""The terminal report of stored summaries: it reads nothing else, and so does not move with the models."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from sim.report.terminal import WIDTH, render
from tests import golden


def summary_of(name):
    return json.loads((golden.FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def text_of(summary, width=WIDTH):
    console = Console(width=width, highlight=False, markup=False, no_color=True, legacy_windows=False)
    with console.capture() as capture:
        console.print(render(summary))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


@pytest.mark.parametrize("name", ["quickstart", "overloaded", "idle"])
def test_a_stored_summary_is_shown_as_before(name):
    golden.check(f"{name}.txt", text_of(summary_of(name)))


@pytest.mark.parametrize("name", ["quickstart", "overloaded", "idle"])
def test_it_fits_the_width(name):
    assert max(map(len, text_of(summary_of(name)).splitlines())) <= WIDTH


def test_the_answer_comes_first():
    lines = text_of(summary_of("quickstart")).splitlines()
    assert "targets   met: 99.7 %" in lines[3]
    assert "cost      $0.938 per million output tokens" in lines[4]


def test_missed_targets_are_said_in_capitals():
    summary = summary_of("quickstart")
    summary["slo"]["attainment"] = 0.98999
    assert "MISSED: 98.9 % of requests" in text_of(summary)  # not rounded to the 99 that would do


def test_many_pools_are_listed():
    summary = summary_of("quickstart")
    names = [f"pool-{i}" for i in range(7)]
    summary["pools"] = [{**summary["pools"][0], "name": name} for name in names]
    text = text_of(summary)
    assert all(text.count(name) == 3 for name in names)


def test_unknown_errors_are_dashes():
    summary = summary_of("quickstart")
    summary["pools"][0]["step_cost"]["ttft_error"] = None
    assert "TTFT -, TPOT to 13 %" in text_of(summary)
