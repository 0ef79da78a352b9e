"""Passes and the governor in words."""

from __future__ import annotations

from sim.report.passes import governor_lines, pass_rows

STAGE = {"name": "draft", "passes": 20, "input": 2000, "cached": 500, "output": 400, "e2e_s": 1.5}


def test_a_stage_is_told_by_the_pass():
    workload = {"name": "chat", "requests": {"completed": 10}, "stages": [STAGE]}
    assert list(pass_rows({"workloads": [workload]})) == [("chat/draft", "2", "100", "25 %", "20", "1.5 s")]


def test_plain_workloads_have_no_rows():
    assert (
        list(pass_rows({"workloads": [{"name": "chat", "requests": {"completed": 3}, "stages": []}]})) == []
    )


def test_a_governor_is_told_by_its_rungs():
    rungs = [
        {"cap": None, "holds": False, "sheds": False, "time_share": 0.5},
        {"cap": None, "holds": True, "sheds": False, "time_share": 0.0},
        {"cap": 0.8, "holds": True, "sheds": True, "time_share": 0.5},
    ]
    lines = list(governor_lines({"governor": {"rungs": rungs, "above_limit_share": 0.1, "excess_w": 2000.0}}))
    assert lines[0] == ("50 %", "of the time nothing held down")
    assert lines[1][1].endswith(
        "demand that can wait held, accelerators capped at 80 % of TDP, demand turned away"
    )
    assert lines[2] == ("10 %", "of its readings above the limit, at most 2 kW above")
    assert list(governor_lines({"governor": None})) == []
