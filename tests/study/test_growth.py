"""Growing demand: when the present fleet fails, by when to order, when the power is out; in words and files."""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import pairwise

import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.economics.decisions.order import WEEK_S, Energised, Growth
from sim.study.growth import LEAD_TIME_S, POWER_LEAD_TIME_S, Outlook, date_after, growing
from sim.study.sizing_load import largest_load
from sim.units import parse_duration
from tests.study.planning import CHAT, chat

OUTLOOK = Outlook(Growth(0.1, 0.02), lead_time_s=8 * WEEK_S, energised=(Energised(0, 30e3),), months=12)
CHANGES = ("pool.0.replicas=3", "workload.0.arrivals.rate_per_s=15")


@cache
def found():
    return growing(chat(*CHANGES), OUTLOOK)


def test_the_fleet_fails_when_demand_outgrows_what_it_holds():
    report = found()
    held = largest_load(chat(*CHANGES)).factor
    assert report["present"]["held_factor"] == held > 1
    assert report["fails"]["months"]["expected"] == pytest.approx(math.log(held) / math.log(1.1))
    assert report["order_by"]["months"]["expected"] == pytest.approx(
        report["fails"]["months"]["expected"] - 8 * 7 / (365.25 / 12)
    )
    early, expected, late = (report["fails"]["date"][k] for k in ("early", "expected", "late"))
    assert early < expected < late


def test_months_need_more_and_more():
    rows = found()["months"]
    assert [r["month"] for r in rows] == list(range(13))
    assert all(b["accelerators"] >= a["accelerators"] for a, b in pairwise(rows))
    assert rows[12]["demand_rps"] == pytest.approx(15 * 1.1**12)
    have = found()["present"]["accelerators"]
    added = sum(r["accelerators_to_add"] for r in rows)
    assert have + added == max(have, rows[-1]["accelerators"])
    assert all((r["order_by"] is None) == (r["accelerators_to_add"] == 0) for r in rows)


def test_what_is_needed_is_what_sizing_finds():
    from sim.study.sizing import size_fleet
    from sim.study.sizing_demand import scaled

    last = found()["sized"][-1]
    assert last["factor"] == pytest.approx(1.1**12)
    assert last["replicas"] == size_fleet(scaled(chat(*CHANGES), last["factor"]), verify=0).replicas
    assert last["replicas"] == found()["months"][-1]["replicas"]


def test_the_power_is_out_between_the_months_that_say_so():
    report = found()
    month = report["power"]["exceeded"]["months"]["expected"]
    for row in report["months"]:
        assert (row["site_w"] > row["energised_w"]) == (row["month"] > month)
    assert report["power"]["request_by"]["months"]["expected"] < month - 40


def test_dates():
    assert date_after("2026-01-05T00:00", 12) == "2027-01-05"
    assert date_after("2026-01-05T00:00", math.inf) is None


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "chat.toml"
    path.write_text(CHAT)
    return str(path)


def plan(*arguments):
    return CliRunner().invoke(main, ["plan", *arguments])


def test_the_command_in_words_and_files(scenario, tmp_path):
    out = tmp_path / "out"
    done = plan(
        scenario,
        "--growth",
        "100%/year",
        "--months",
        "3",
        "--energised",
        "2 kW,1 MW@2026-03",
        "--out",
        str(out),
    )
    assert done.exit_code == 0, done.output
    for words in ("fails", "order by", "already late", "1 MW from 2026-03-01", "What the demand needs"):
        assert words in done.stdout
    assert {p.name for p in out.iterdir()} == {"order.json", "months.csv", "order.png"}
    assert json.loads((out / "order.json").read_text())["growth_per_month"] == pytest.approx(
        2 ** (1 / 12) - 1
    )


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--growth", "fast", "is not a growth"),
        ("--growth", "8%", "8%/month"),
        ("--lead-time", "soon", "--lead-time"),
        ("--energised", "20 MW@soon", "--energised"),
        ("--energised", "20 MW,30 MW", "goes on by date"),
        ("--fixed-fleet", None, "another question"),
        ("--disaggregate", None, "another question"),
    ],
)
def test_mistakes_are_named(scenario, option, value, words):
    growth = () if option == "--growth" else ("--growth", "8%/month")
    done = plan(scenario, *growth, option, *([] if value is None else [value]))
    assert done.exit_code == 2, done.output
    assert words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--growth-spread", "--energised", "--out"])
def test_options_of_growth_are_not_passed_over_without_it(scenario, option):
    done = plan(scenario, option, "1%/month")
    assert done.exit_code == 2 and option in done.stderr and "with --growth" in done.stderr


def test_the_command_has_the_lead_times_that_have_a_source():
    given = {p.name: p.default for p in main.commands["plan"].params}
    assert parse_duration(given["lead_time"]) == LEAD_TIME_S
    assert parse_duration(given["power_lead_time"]) == pytest.approx(POWER_LEAD_TIME_S, abs=WEEK_S)
