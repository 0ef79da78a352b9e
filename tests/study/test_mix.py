"""The capacity mix of a scenario: hours from arrivals, replicas by sizing, prices with sources, a sum that adds up."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sim.cli import main
from sim.errors import ScenarioError, UserError
from sim.study.mix import Offers, mix
from sim.study.mix_demand import Staffing, hourly_rates
from sim.study.mix_play import played, replay
from sim.units import format_usd
from tests.study.planning import CHAT, chat

DAY = [1.0] * 8 + [3.0] * 12 + [2.0] * 4
USERS = (
    'workload.0.arrivals={ process = "users", users = 400_000, requests_per_user_per_day = 10, '
    f"shape = {DAY} }}"
)
CHANGES = (USERS, "duration=24 h", "warmup=0")


@cache
def found(**offers):
    return mix(chat(*CHANGES), Offers(**offers))


def test_hours_are_those_of_the_shape():
    rates = hourly_rates(chat(*CHANGES))
    assert rates.shape == (1, 24)
    assert rates[0] == pytest.approx(400_000 * 10 / 86_400 * np.asarray(DAY) / np.mean(DAY), rel=1e-6)
    with pytest.raises(ScenarioError, match="no rate by the hour"):
        hourly_rates(chat('workload.0.arrivals={ process = "closed", clients = 4 }'))


def test_replicas_of_an_hour_are_those_that_sizing_finds():
    from sim.study.sizing import size_fleet

    report = found()
    for row in report["staffing"]:
        made = chat(f"workload.0.arrivals.rate_per_s={row['rps']}", "duration=4 h", "warmup=0")
        assert row["replicas"] == size_fleet(made, verify=0).replicas
    assert set(report["needed"]) == {r["replicas"] for r in report["staffing"]}


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.floats(0.01, 400))
def test_staffing_and_what_it_holds_agree(counts, rate):
    steps = tuple(sorted(counts))
    staffing = Staffing(tuple(10.0 * (i + 1) for i in range(len(steps))), steps)
    needed = staffing.needed(rate)
    assert staffing.held(needed) * (1 + 1e-6) >= rate
    assert staffing.needed(rate / 2) <= needed


def test_the_mix_adds_up():
    report = found(api="gpt-oss-20b")
    best = report["mix"]
    parts = [best[f"{k}_usd_per_h"] for k in ("fixed", "spot", "on_demand", "spill")]
    assert best["usd_per_h"] == pytest.approx(sum(parts))
    assert report["usd_per_week"] == pytest.approx(168 * best["usd_per_h"])
    assert min(s["usd_per_h"] for s in report["strategies"].values()) >= best["usd_per_h"]
    bands = report["levels"]
    assert bands[0]["from"] == 1 and bands[-1]["to"] == report["replicas_busiest"]
    assert all(a["to"] + 1 == b["from"] for a, b in pairwise(bands))
    assert sum(b["requests_per_h"] for b in bands) == pytest.approx(report["mean_rps"] * 3600, rel=1e-6)
    spill = report["spill"]
    lengths = 600 * spill["usd_per_mtok_input"] + 150 * spill["usd_per_mtok_output"]
    assert spill["usd_per_request"] == pytest.approx(lengths / 1e6)


def test_prices_say_where_they_are_from():
    prices = found()["prices"]
    assert set(prices) == {"own", "reserved", "on-demand", "spot"}
    assert "ledger" in prices["own"]["source"] and "less 50%" in prices["spot"]["source"]
    assert prices["spot"]["usd_per_accelerator_hour"] == prices["on-demand"]["usd_per_accelerator_hour"] / 2


def test_dear_rents_are_avoided_and_cheap_ones_taken():
    dear = found(on_demand_usd=1e3, spot_usd=1e3)["mix"]
    assert dear["spot"] == dear["on_demand"] == 0
    cheap = found(own_usd=10.0, reserved_usd=10.0, on_demand_usd=1.0, without=frozenset({"spot"}))["mix"]
    assert cheap["fixed"] == 0 and cheap["on_demand"] == found()["replicas_busiest"]


def test_an_uncertain_load_is_planned_for_beyond_its_median():
    report = found(spread=0.4)
    assert report["levels"][-1]["to"] > found()["replicas_busiest"]


def test_a_mix_becomes_pools_that_follow_the_hours():
    report = found(spot_most=0.3)
    scenario = played(chat(*CHANGES), report)
    best = report["mix"]
    pools = {p.name: p for p in scenario.pools}
    assert pools["fixed"].replicas == best["fixed"] and pools["fixed"].scaler is None
    served = np.zeros(24)
    for name, spare in (("spot", best["spot_spare"]), ("on-demand", 0)):
        if name in pools:
            hours = np.asarray(pools[name].scaler.schedule)
            served += np.where(hours > 0, hours - spare, 0)
    assert (served + best["fixed"] >= report["needed"]).all()


def test_mistakes_are_named():
    with pytest.raises(UserError, match="paid all the time"):
        found(without=frozenset({"own", "reserved"}))
    two = CHAT + '[[pool]]\naccelerator = "H100"\nmodel = "Llama-3.1-8B"\n'
    from sim.scenario import loads

    with pytest.raises(UserError, match="one pool"):
        mix(loads(two), Offers())


def test_the_command_in_words_and_files(tmp_path):
    path = tmp_path / "chat.toml"
    path.write_text(CHAT)
    changes = [part for change in CHANGES for part in ("--set", change)]
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["mix", str(path), *changes, "--api", "gpt-oss-20b", "--out", str(out)])
    assert done.exit_code == 0, done.output
    for words in ("break-even", "Levels of the load-duration curve", "all on demand", "One price changed"):
        assert words in done.stdout
    assert {p.name for p in out.iterdir()} == {
        "mix.json",
        "mix.png",
        "levels.csv",
        "ways.csv",
        "sensitivity.csv",
    }
    written = json.loads((out / "mix.json").read_text())
    assert f"{format_usd(written['mix']['usd_per_h'])} per hour" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--price", "rented=2"), '"rented" is not known'),
        (("--price", "own,spot=2"), '"own,spot" is not known'),
        (("--price", "own"), "is not KIND=USD"),
        (("--price", "own=0"), "above 0"),
        (("--without", "sopt"), 'did you mean "spot"'),
        (("--start", "soon"), "--start"),
    ],
)
def test_wrong_words_end_with_one_message(tmp_path, words, said):
    path = tmp_path / "chat.toml"
    path.write_text(CHAT)
    done = CliRunner().invoke(main, ["mix", str(path), *words])
    assert done.exit_code == 2, done.output
    assert said in done.stderr and "Traceback" not in done.stderr


def test_the_mix_simulated_meets_its_targets_for_less_than_the_busiest_hour_all_day():
    """A small day: three replicas at most, of which one and two are needed for a third of the day each."""
    users = USERS.replace("400_000", "90_000")
    made = chat(users, *CHANGES[1:])
    report = mix(made, Offers(reserved_usd=1.6, on_demand_usd=2.0, without=frozenset({"own", "spot"})))
    assert report["mix"]["on_demand"] > 0
    mixed, static = (replay(made, report)[k] for k in ("mix", "static"))
    assert mixed["arrived"] == static["arrived"] == mixed["completed"]
    assert mixed["attainment"] > 0.985
    assert mixed["accelerator_hours"]["powered"] < 24 * report["replicas_busiest"]
    assert mixed["usd_per_hour"] == pytest.approx(report["mix"]["usd_per_h"], rel=0.03)


def test_what_is_left_to_an_api_is_sent_there():
    made = chat(USERS.replace("400_000", "90_000"), *CHANGES[1:])
    report = mix(made, Offers(without=frozenset({"spot", "on-demand"}), api="gpt-oss-120b"))
    report = {**report, "mix": {**report["mix"], "fixed": 1, "spilled_per_h": 1.0}}
    found = replay(made, report)["mix"]
    assert 0 < found["spilled"] < found["arrived"] == found["completed"]
    assert played(made, report).pools[0].scheduler.max_batch < 128
