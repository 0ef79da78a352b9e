"""The best split of a fleet into prefilling and decoding replicas."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.errors import ScenarioError
from sim.scenario.load import loads
from sim.study.disaggregate import ALL, Halves, disaggregate

TEXT = """
name = "documents"
duration = "1 h"
[[workload]]
model = "Llama-3.1-8B"
arrivals = { process = "poisson", rate_per_s = 5 }
lengths = { kind = "lognormal", input = { mean = 3000, cv = 0.5 }, output = { mean = 150, cv = 0.5 } }
slo = { ttft = "1 s", tpot = "TPOT ms" }
[[pool]]
accelerator = "H100"
model = "Llama-3.1-8B"
replicas = REPLICAS
"""


def scenario(tpot_ms: float = 12, replicas: int = 4):
    return loads(TEXT.replace("TPOT", str(tpot_ms)).replace("REPLICAS", str(replicas)))


def test_all_splits_of_a_small_fleet_are_tried_and_the_best_is_named():
    found = disaggregate(scenario(), attainment=0.9)
    assert [(r["prefill"], r["decode"]) for r in found["splits"]] == [(1, 3), (2, 2), (3, 1)]
    assert found["best"]["rps"] == max(r["rps"] for r in found["splits"]) > 0
    assert found["gain"] == pytest.approx(found["best"]["rps"] / found["together"]["rps"])
    assert found["best"]["tpot_p90_s"] <= 0.0125 and found["best"]["ttft_p90_s"] <= 1.02


def test_a_tight_target_per_token_pays_and_a_loose_one_does_not():
    assert disaggregate(scenario(9), attainment=0.9)["gain"] > 1.2
    assert disaggregate(scenario(200), attainment=0.9)["gain"] < 1


def test_the_peak_of_many_splits_is_climbed():
    found = disaggregate(scenario(replicas=ALL + 3), attainment=0.9)
    rates = [r["rps"] for r in found["splits"]]
    peak = rates.index(max(rates))
    tried = [r["prefill"] for r in found["splits"]]
    assert len(tried) < ALL + 2
    assert tried == list(range(tried[0], tried[-1] + 1))
    assert peak > 0 or tried[0] == 1
    assert peak < len(rates) - 1 or tried[-1] == ALL + 2


def test_a_file_with_roles_gives_its_own_two_kinds_of_replicas():
    text = TEXT.replace("TPOT", "12").replace("REPLICAS", "2")
    pool = text[text.index("[[pool]]") :]
    text = text.replace(pool, pool + 'role = "prefill"\ntensor_parallel = 2\n' + pool + 'role = "decode"\n')
    halves = Halves.of(loads(text))
    assert halves.accelerators == 6
    assert halves.splits() == [(1, 4), (2, 2)]
    assert [p.tensor_parallel for p in halves.fleet((1, 4))] == [2, 1]
    assert halves.together()[0].replicas == 6 and halves.together()[0].role is None


def test_targets_out_of_reach_hold_nothing():
    found = disaggregate(scenario(1), attainment=0.9)
    assert found["best"] is None and found["gain"] is None
    assert "a request alone" in found["together"]["why"]


def test_what_has_no_split_is_told():
    with pytest.raises(ScenarioError, match="too few"):
        disaggregate(scenario(replicas=1))
    text = TEXT.replace("TPOT", "12").replace("REPLICAS", "2")
    closed = text.replace('process = "poisson", rate_per_s = 5', 'process = "closed", clients = 5')
    with pytest.raises(ScenarioError, match="requests per second"):
        disaggregate(loads(closed))


def test_the_command(tmp_path):
    path = tmp_path / "documents.toml"
    path.write_text(TEXT.replace("TPOT", "12").replace("REPLICAS", "3"))
    done = CliRunner().invoke(main, ["plan", str(path), "--disaggregate", "--attainment", "0.9"])
    assert done.exit_code == 0, done.output
    assert "1 prefill, 2 decode" in done.stdout and "together" in done.stdout
    done = CliRunner().invoke(main, ["plan", str(path), "--disaggregate", "--attainment", "0.9", "--json"])
    assert json.loads(done.stdout)["mode"] == "disaggregate"


def test_plans_of_deployments_point_to_it(tmp_path):
    text = TEXT.replace("TPOT", "12").replace("REPLICAS", "2")
    pool = text[text.index("[[pool]]") :]
    path = tmp_path / "apart.toml"
    path.write_text(text.replace(pool, pool + 'role = "prefill"\n' + pool + 'role = "decode"\n'))
    done = CliRunner().invoke(main, ["plan", str(path)])
    assert done.exit_code == 2
    assert "--disaggregate" in done.output
