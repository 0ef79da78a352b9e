"""The report's part on a fleet that changed."""

from __future__ import annotations

from sim.report.fleet import fleet_lines


def summary(**fleet) -> dict:
    line = {"start_s": [0.0, 60.0, 120.0], "powered": [4, 2, 0], "open": [4, 1, 0], "needed": None}
    pool = {"name": "h100", "replicas": 4, "starts": 2, "timeline": {**line, "waiting": [0.0, 0.1, 40.0]}}
    return {
        "span": {"start_s": 0.0, "end_s": 180.0},
        "fleet": {
            "accelerator_hours": {"static": 10.0, "powered": 5.0, "open": 4.0, "perfect": 2.5},
            "availability": 0.98,
            "outages": {"failure": {"count": 2, "replicas": 3, "replica_hours": 1.5}},
            "pools": [pool],
            **fleet,
        },
    }


def test_nothing_is_said_of_a_fleet_that_does_not_change():
    assert list(fleet_lines({"fleet": {"replicas": 4}})) == []


def test_hours_outages_and_the_line_of_replicas():
    lines = dict(fleet_lines(summary()))
    assert "5 on, of 10 if all were (50 %)" in lines["accelerator-hours"]
    assert "perfect scaler needs 2.5" in lines["accelerator-hours"]
    assert "2 failures (3 replicas out, 1.5 h in all); 2 starts" in lines["availability"]
    assert lines["on"] == "█▄ "
    assert lines["open"] == "█▂ "
    assert "needed" not in lines
    assert lines["waiting"].startswith(" ▁█  at most 40")


def test_a_line_of_nothing_is_blank():
    quiet = summary(outages={}, accelerator_hours={"static": 1, "powered": 1, "open": 1, "perfect": None})
    quiet["fleet"]["pools"][0]["timeline"]["waiting"] = [0.0, 0.0, 0.0]
    lines = dict(fleet_lines(quiet))
    assert "no outage" in lines["availability"]
    assert lines["waiting"].startswith("   ")
    assert "perfect" not in lines["accelerator-hours"]
