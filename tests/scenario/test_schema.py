from __future__ import annotations

import math
import pickle

import pytest
from pydantic import ValidationError

from sim.catalog.grids import carbon
from sim.cost.coefficients import stacks
from sim.errors import ScenarioError
from sim.scenario import Scenario, loads
from sim.scenario.lengths import MeanCv, MedianSigma
from sim.scenario.names import DEFAULT_GRID, DEFAULT_STACK
from sim.scenario.pool import Scheduler
from sim.scenario.schema import AUTO
from sim.scenario.workload import FROM_TRACE
from tests.scenario.texts import CHAT, LEAST, least


def test_every_value_of_the_example_arrives():
    s = loads(CHAT)
    workload, pool = s.workloads[0], s.pools[0]
    assert (s.name, s.seed, s.duration_s, s.warmup_s) == ("chat-70b", 7, 3600.0, 300.0)
    assert (workload.name, workload.model) == ("chat", "Llama-3.1-70B")
    assert (workload.arrivals.process, workload.arrivals.rate_per_s) == ("poisson", 40.0)
    assert workload.lengths == "azure-2023-conversation"
    assert (workload.slo.ttft_s, workload.slo.tpot_s, workload.slo.e2e_s) == (1.0, 0.05, None)
    assert (pool.name, pool.accelerator, pool.model) == ("h100", "H100-SXM-80GB", "Llama-3.1-70B")
    assert (pool.precision, pool.kv_precision, pool.tensor_parallel, pool.replicas) == ("fp8", "fp16", 4, 8)
    assert (pool.stack, pool.memory_fraction) == ("vllm-2025", 0.9)
    assert pool.scheduler == Scheduler(kind="chunked-prefill", max_batch=256, token_budget=2048)
    assert (s.site.pue, s.site.electricity_usd_per_kwh) == (1.2, 0.08)


def test_defaults_are_the_documented_ones():
    s = loads(LEAST)
    pool, scheduler = s.pools[0], s.pools[0].scheduler
    assert (s.seed, s.warmup_s, s.router, s.cells) == (0, 0.0, "least-outstanding", 1)
    assert (s.workloads[0].name, pool.name) == ("workload-0", "H100-SXM-80GB-0")
    assert (pool.precision, pool.kv_precision) == ("bf16", "bf16")
    assert (pool.tensor_parallel, pool.pipeline_parallel, pool.replicas) == (1, 1, 1)
    assert (pool.expert_parallel, pool.attention_data_parallel) == (1, 1)
    assert (pool.stack, pool.memory_fraction, pool.accelerators_per_replica) == ("vllm-2025", 0.9, 1)
    assert (scheduler.kind, scheduler.max_batch, scheduler.token_budget) == ("chunked-prefill", 256, 2048)
    assert (scheduler.kv_reserve, scheduler.kv_watermark, scheduler.queue_limit) == ("prompt", 0.01, None)
    assert (s.site.pue, s.site.electricity_usd_per_kwh, s.site.carbon_g_per_kwh) == (1.2, 0.08, "US")
    assert (s.cost.basis, s.cost.depreciation_years, s.cost.cost_of_capital) == ("own", 5.0, 0.1)
    assert (s.revenue, s.output.window_s) == (None, AUTO)


def test_pool_of_the_same_name_by_default_are_told_apart():
    names = [p.name for p in loads(LEAST + LEAST[LEAST.index("[[pool]]") :]).pools]
    assert names == ["H100-SXM-80GB-0", "H100-SXM-80GB-1"]


def test_names_become_the_catalogs_own():
    text = LEAST.replace('"H100"', '"nvidia h100"').replace('"Llama-3.1-8B"', '"meta-llama/Llama-3.1-8B"', 1)
    s = loads(text)
    assert s.pools[0].accelerator == "H100-SXM-80GB"
    assert s.workloads[0].model == s.pools[0].model == "Llama-3.1-8B"


@pytest.mark.parametrize(
    ("accelerator", "model", "precision", "kv_precision"),
    [
        ("H100", "Llama-3.1-8B", "bf16", "bf16"),
        ("V100", "Llama-3.1-8B", "fp16", "fp16"),
        ("H100", "DeepSeek-V3", "fp8", "bf16"),
        ("A100", "DeepSeek-V3", "fp8", "bf16"),
        ("V100", "DeepSeek-V3", "fp16", "fp16"),
        ("MI250", "DeepSeek-V3", "bf16", "bf16"),
        ("H100", "gpt-oss-20b", "mxfp4", "bf16"),
        ("V100", "gpt-oss-20b", "fp16", "fp16"),
        ("TPU-v5e", "OPT-13B", "bf16", "bf16"),
    ],
)
def test_default_precision_is_the_checkpoints_where_the_chip_runs_it(
    accelerator, model, precision, kv_precision
):
    text = LEAST.replace('"H100"', f'"{accelerator}"').replace("Llama-3.1-8B", model)
    pool = loads(text).pools[0]
    assert (pool.precision, pool.kv_precision) == (precision, kv_precision)


@pytest.mark.parametrize(
    ("kind", "budget"), [("chunked-prefill", 2048), ("prefill-first", 8192), ("static", 8192)]
)
def test_default_token_budget_follows_the_kind(kind, budget):
    assert loads(least(pool=f'scheduler = {{ kind = "{kind}" }}')).pools[0].scheduler.token_budget == budget


def test_only_chunked_prefill_needs_a_token_for_every_sequence():
    text = 'scheduler = {{ kind = "{}", max_batch = 512, token_budget = 256 }}'
    assert loads(least(pool=text.format("prefill-first"))).pools[0].scheduler.max_batch == 512
    with pytest.raises(ScenarioError, match="at least max_batch = 512"):
        loads(least(pool=text.format("chunked-prefill")))


ARRIVALS = [
    ('{ process = "gamma", rate_per_s = 2, cv = 3 }', {"rate_per_s": 2.0, "cv": 3.0}),
    ('{ process = "closed", clients = 1e3 }', {"clients": 1000, "think_s": 0.0, "requests": None}),
    (
        '{ process = "closed", clients = 4, think = "2 s", requests = 100 }',
        {"clients": 4, "think_s": 2.0, "requests": 100},
    ),
    (
        '{ process = "users", users = 1e6, requests_per_user_per_day = 3 }',
        {"users": 1e6, "requests_per_user_per_day": 3.0, "shape": "flat", "start_hour": 0.0},
    ),
    (
        f'{{ process = "users", users = 1, requests_per_user_per_day = 1, shape = {[1] * 24} }}',
        {"shape": (1.0,) * 24},
    ),
    ('{ process = "all-at-once", requests = 500 }', {"requests": 500}),
]


@pytest.mark.parametrize(("text", "values"), ARRIVALS)
def test_each_process_of_arrivals(text, values):
    arrivals = loads(least(arrivals=text)).workloads[0].arrivals
    assert {name: getattr(arrivals, name) for name in values} == values
    assert f'process = "{arrivals.process}"' in text


LENGTHS = [
    ('{ kind = "fixed", input = 8, output = 0 }', 8, 0),
    ('{ kind = "uniform", input = [1, 9], output = [0, 4] }', (1, 9), (0, 4)),
    (
        '{ kind = "lognormal", input = { mean = 100, cv = 1 }, output = { median = 50, sigma = 0.5 } }',
        MeanCv(mean=100, cv=1),
        MedianSigma(median=50, sigma=0.5),
    ),
    (
        '{ kind = "quantiles", input = [[0, 1], [1, 9]], output = [[0, 0], [0.5, 3.5], [1, 9]] }',
        ((0.0, 1.0), (1.0, 9.0)),
        ((0.0, 0.0), (0.5, 3.5), (1.0, 9.0)),
    ),
]


@pytest.mark.parametrize(("text", "given", "answered"), LENGTHS)
def test_each_kind_of_lengths(text, given, answered):
    lengths = loads(least(lengths=f"lengths = {text}")).workloads[0].lengths
    assert (lengths.input, lengths.output) == (given, answered)


def test_lognormal_by_mean_has_that_mean_and_deviation():
    mu, sigma = MeanCv(mean=1155, cv=0.96).mu_sigma()
    mean = math.exp(mu + sigma**2 / 2)
    assert mean == pytest.approx(1155)
    assert math.sqrt(math.expm1(sigma**2)) == pytest.approx(0.96)
    assert MedianSigma(median=1020, sigma=0.8).mu_sigma() == (math.log(1020), 0.8)


def test_lengths_of_a_trace_come_with_its_arrivals(tmp_path):
    (tmp_path / "t.csv").write_text("arrival_s,input_tokens,output_tokens\n0,1,1\n")
    arrivals = '{ process = "trace", path = "t.csv" }'
    implied = loads(least(arrivals=arrivals, lengths=" "), folder=tmp_path)
    stated = loads(least(arrivals=arrivals, lengths='lengths = "trace"'), folder=tmp_path)
    own = loads(least(arrivals=arrivals), folder=tmp_path)
    assert implied == stated
    assert implied.workloads[0].lengths == FROM_TRACE
    assert implied.workloads[0].arrivals.path == str(tmp_path / "t.csv")
    assert own.workloads[0].lengths.kind == "fixed"


def test_lengths_can_be_drawn_from_a_trace_under_any_arrivals(tmp_path):
    (tmp_path / "t.csv").write_text("arrival_s,input_tokens,output_tokens\n0,1,1\n")
    s = loads(least(lengths='lengths = { kind = "trace", path = "t.csv", format = "csv" }'), folder=tmp_path)
    assert s.workloads[0].lengths.path == str(tmp_path / "t.csv")


def test_cached_input_costs_like_other_input_unless_said():
    prices = "[revenue]\nusd_per_mtok_input = 0.5\nusd_per_mtok_output = 1.5\n"
    assert loads(LEAST + prices).revenue.usd_per_mtok_cached_input == 0.5
    assert loads(LEAST + prices + "usd_per_mtok_cached_input = 0\n").revenue.usd_per_mtok_cached_input == 0.0


def test_money_and_windows_are_read_with_their_units():
    s = loads(LEAST + '[cost]\nserver_price_usd = "$270_000"\n[output]\nwindow = "1 min"\n')
    assert (s.cost.server_price_usd, s.output.window_s) == (270_000.0, 60.0)


def test_carbon_is_a_grid_or_a_number():
    assert loads(LEAST + "[site]\ncarbon_g_per_kwh = 41\n").site.carbon_g_per_kwh == 41.0
    assert loads(LEAST + '[site]\ncarbon_g_per_kwh = "France"\n').site.carbon_g_per_kwh == "FR"


def test_default_names_are_in_the_catalogs():
    assert carbon(DEFAULT_GRID).grid == loads(LEAST).site.carbon_g_per_kwh == DEFAULT_GRID
    assert loads(LEAST).pools[0].stack == DEFAULT_STACK
    assert DEFAULT_STACK in stacks()


def test_a_scenario_cannot_be_changed_and_travels_to_workers():
    s = loads(CHAT)
    with pytest.raises(ValidationError):
        s.seed = 8
    with pytest.raises(ValidationError):
        s.pools[0].replicas = 9
    assert pickle.loads(pickle.dumps(s)) == s
    assert hash(s) == hash(loads(CHAT))


def test_tables_that_disagree_make_no_scenario_however_it_is_made():
    tables = loads(LEAST).model_dump(by_alias=True)
    with pytest.raises(ScenarioError, match="no pool serves"):
        Scenario.model_validate({**tables, "pool": [{**tables["pool"][0], "model": "Llama-3.1-70B"}]})
