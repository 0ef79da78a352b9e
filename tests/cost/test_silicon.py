"""The filling is tested on an engine of known law; answers of the package itself only where the extra is installed."""

from __future__ import annotations

import csv
import importlib.resources
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.cost import silicon
from sim.cost.deployment import Deployment
from sim.cost.silicon import MODELS, SYSTEMS, silicon_cost
from sim.cost.step import step_cost
from sim.cost.types import StepCost
from sim.errors import ScenarioError
from sim.run import run, step_costs
from sim.scenario.load import loads

H100, LLAMA = accelerator("H100-SXM-80GB"), model("Llama-3.1-70B")
TP4 = Deployment(tensor_parallel=4)
SCENARIO = """
name = "kernels"
duration = "20 s"
[[workload]]
name = "chat"
model = "Llama-3.1-70B"
arrivals = { process = "poisson", rate_per_s = 4 }
lengths = "azure-2023-conversation"
[[pool]]
accelerator = "H100-SXM-80GB"
model = "Llama-3.1-70B"
precision = "bf16"
tensor_parallel = 4
cost_model = "silicon"
"""

needs_extra = pytest.mark.skipif(not silicon.installed(), reason="the extra `silicon` is not installed")


class Lawful:
    """Steps of 5 ms, 40 us a token, 30 ps a pair in prefill; decoding 2 ms less, 3 ns a cached token [ms]."""

    def predict_prefill_latency(self, batch: int, length: int) -> float:
        return 5.0 + 0.04 * batch * length + 30e-9 * batch * length**2 / 2

    def predict_decode_latency(self, batch: int, context: int) -> float:
        return 3.0 + 0.04 * batch + 3e-6 * batch * context


def base(deployment: Deployment = TP4, chip=H100, served=LLAMA) -> StepCost:
    return step_cost(served, chip, deployment, max_batch=64, max_step_tokens=2000)


@pytest.fixture
def lawful(monkeypatch) -> StepCost:
    monkeypatch.setattr(silicon, "installed", lambda: True)
    monkeypatch.setattr(silicon, "_engine", lambda request: Lawful())
    return silicon_cost(base(), LLAMA, H100, TP4)


def test_decode_steps_add_up_to_the_engines_answer(lawful):
    for n, context in ((1, 16), (7, 1000), (64, 9000)):
        step_s = lawful.token_s[n] + lawful.sequence_s[n] + lawful.kv_s[n] * n * context
        assert step_s == pytest.approx(Lawful().predict_decode_latency(n, context) / 1e3)


def test_prefill_steps_add_up_to_the_engines_answer(lawful):
    for tokens in (1, 63, 200, 256, 700, 2000):
        step_s = lawful.token_s[tokens] + lawful.attention_s * tokens**2 / 2
        assert step_s == pytest.approx(Lawful().predict_prefill_latency(1, tokens) / 1e3)
    assert lawful.attention_s == pytest.approx(30e-12)
    assert lawful.token_s_beyond == pytest.approx(40e-6)


def test_tables_keep_their_shapes_and_all_that_is_not_step_time(lawful):
    plain = base()
    for name in ("token_s", "sequence_s", "kv_s"):
        assert getattr(lawful, name).shape == getattr(plain, name).shape
        assert getattr(lawful, name).dtype == np.float64
    assert lawful.memory == plain.memory
    assert np.array_equal(lawful.host_s, plain.host_s)
    assert np.array_equal(lawful.token_j, plain.token_j)


def test_knowledge_names_the_kernels_and_states_the_errors_of_the_committed_comparison(lawful):
    assert lawful.knowledge.basis == "measured"
    assert "h100_sxm" in lawful.knowledge.note
    with (Path(__file__).parents[2] / "results/validation/silicon.csv").open() as file:
        overall = {
            r["metric"]: float(r["silicon_median_ape"])
            for r in csv.DictReader(file)
            if r["accelerator"] == "all"
        }
    assert lawful.knowledge.tpot_error == pytest.approx(overall["tpot_ms"], abs=1e-3)
    assert lawful.knowledge.ttft_error == pytest.approx(overall["ttft_ms"], abs=1e-3)


def test_the_token_grid_rises_and_whole_prompts_fill_it():
    for end in (1, 64, 256, 257, 8192):
        grid = silicon._grid(end)
        assert grid[0] == 0 and grid[-1] >= end
        assert all(a < b for a, b in itertools.pairwise(grid))
        assert all(t % silicon.PROMPT == 0 for t in grid if t > silicon.PROMPT)


def test_without_the_extra_the_message_says_how_to_install_it_and_what_it_covers(monkeypatch):
    monkeypatch.setattr(silicon, "installed", lambda: False)
    with pytest.raises(ScenarioError) as caught:
        step_costs(loads(SCENARIO), {})
    (fault,) = caught.value.faults
    assert fault.path == "pool[0].cost_model"
    assert "pip install 'datacenter-sim[silicon]'" in fault.hint
    assert "H100-SXM-80GB" in fault.hint and "Llama-3.1-70B" in fault.hint


@pytest.mark.parametrize(
    ("path", "chip", "served", "changes"),
    [
        ("accelerator", "MI300X-192GB", "Llama-3.1-70B", {}),
        ("model", "H100-SXM-80GB", "Llama-2-70B", {}),
        ("stack", "H100-SXM-80GB", "Llama-3.1-70B", {"stack": "tgi-2024"}),
        ("precision", "A100-SXM-80GB", "Llama-3.1-70B", {"precision": "fp8"}),
        ("cost_model", "H100-SXM-80GB", "Llama-3.1-70B", {"pipeline_parallel": 2}),
    ],
)
def test_what_no_table_covers_is_named(path, chip, served, changes):
    d = replace(TP4, **changes)
    with pytest.raises(ScenarioError) as caught:
        silicon_cost(base(d, accelerator(chip), model(served)), model(served), accelerator(chip), d)
    assert [f.path for f in caught.value.faults] == [path]


def test_names_are_the_catalogs():
    assert all(accelerator(name).name == name for name in SYSTEMS)
    assert all(model(name).name == name for name in MODELS)


@needs_extra
def test_every_model_is_shipped_so_that_nothing_is_fetched():
    shipped = importlib.resources.files(silicon.PACKAGE) / "model_configs"
    for path in MODELS.values():
        assert (shipped / f"{path.replace('/', '--')}_config.json").is_file(), path


@needs_extra
def test_decode_of_a_70b_agrees_with_the_package_between_the_contexts_asked():
    d = replace(TP4, stack="trtllm-2025")
    cost = silicon_cost(base(d), LLAMA, H100, d)
    engine = silicon._engine(silicon._request(LLAMA, H100, d))
    for n, context in ((1, 512), (64, 1024), (64, 2048)):
        step_s = cost.token_s[n] + cost.sequence_s[n] + cost.kv_s[n] * n * context
        assert step_s == pytest.approx(engine.predict_decode_latency(n, context) / 1e3, rel=0.03)
    prompt_s = cost.token_s[2000] + cost.attention_s * 2000**2 / 2
    assert prompt_s == pytest.approx(engine.predict_prefill_latency(1, 2000) / 1e3, rel=0.05)


@needs_extra
def test_a_kernel_that_the_system_lacks_is_said():
    d = Deployment(precision="int4", tensor_parallel=4)
    with pytest.raises(ScenarioError, match="no measured kernels for"):
        silicon_cost(base(d), LLAMA, H100, d)


@needs_extra
def test_both_engines_agree_on_these_tables():
    scenario = loads(SCENARIO)
    fast, slow = (run(scenario, engine=e).summary for e in ("kernel", "simpy"))
    assert fast["requests"]["completed"] > 20
    for name in ("ttft_s", "tpot_s"):
        assert fast["latency"][name]["mean"] == pytest.approx(slow["latency"][name]["mean"], rel=1e-6)
