"""The tables that change a fleet: defaults that mean off, units, and a round trip."""

from __future__ import annotations

import pytest

from sim.errors import ScenarioError
from sim.scenario import build, dump_toml, loads, resolved, scenario_sha256
from sim.scenario.fleetcheck import units
from tests.scenario.texts import CHAT, LEAST

FLEET = """
startup = { node = "3 min", image = "1 min" }
scaler = { policy = "forecast", min_replicas = 2, season = "7 d" }
failures = {}
maintenance = { every = "7 d", lasts = "30 min" }
spot = { reclaims_per_hour = 0.01 }
servers_per_rack = 2

[[event]]
at = "1 min"
pool = "h100"
what = "rack"
number = 1
for = "1 h"
"""


def changing() -> str:
    top, site = CHAT.split("[site]")
    return top + FLEET + "\n[site]" + site


def test_nothing_changes_unless_said():
    pool = loads(LEAST).pools[0]
    assert (pool.startup, pool.scaler, pool.failures, pool.maintenance, pool.spot) == (None,) * 5
    assert loads(LEAST).events is None
    assert "event" not in resolved(loads(LEAST))


def test_a_changing_fleet_survives_being_written_out():
    scenario = loads(changing())
    assert loads(dump_toml(scenario)) == build(resolved(scenario)) == scenario
    assert scenario_sha256(scenario) != scenario_sha256(loads(CHAT))
    pool = scenario.pools[0]
    assert pool.maintenance is not None and pool.maintenance.first_s == 7 * 86_400
    assert pool.failures is not None
    # 246 of 419 interruptions in 54 days on 16,384 accelerators, the others on 2,048 servers
    assert pool.failures.accelerator_mtbf_s / 3600 == pytest.approx(16384 * 54 * 24 / 246, rel=2e-3)
    assert pool.failures.node_mtbf_s / 3600 == pytest.approx(2048 * 54 * 24 / 173, rel=4e-3)
    assert pool.failures.rack_mtbf_s / 3600 == pytest.approx(45 * 8760 / 20, rel=2e-3)


def test_servers_and_racks_are_filled_in_order_cell_by_cell():
    pool = loads(changing()).pools[0]  # 8 replicas of 4 on servers of 8, two to a rack
    assert [units(pool, what, 1) for what in ("replica", "node", "rack")] == [8, 4, 2]
    assert [units(pool, what, 8) for what in ("replica", "node", "rack")] == [8, 8, 8]


def test_an_event_on_what_is_not_there_is_refused():
    with pytest.raises(ScenarioError, match="fills 2 of what"):
        loads(changing().replace("number = 1", "number = 2"))


def test_a_key_of_an_event_at_the_wrong_place_is_told_where_it_belongs():
    with pytest.raises(ScenarioError, match=r"belongs in \[\[event\]\]"):
        loads('at = "1 h"\n' + LEAST)
