from __future__ import annotations

import pytest

from sim.errors import ScenarioError
from sim.scenario import loads
from sim.scenario.resolved import dump_toml

TEXT = """
name = "pictures"
duration = "60 s"
[[workload]]
model = "stabilityai/stable-diffusion-3.5-medium"
arrivals = { process = "poisson", rate_per_s = 1 }
[[pool]]
accelerator = "H100"
model = "SD3.5-medium"
"""


def test_what_is_left_out_is_the_publishers_choice():
    made = loads(TEXT)
    (workload,), (pool,) = made.workloads, made.pools
    assert workload.model == pool.model == "Stable-Diffusion-3.5-medium"
    assert (workload.job.steps, workload.job.width, workload.job.frames) == (28, 1024, 1)
    assert (workload.lengths.input, workload.lengths.output) == (1, 28)
    assert (pool.scheduler.kind, pool.scheduler.max_batch) == ("static", 8)
    assert pool.precision == "bf16"


def test_what_is_given_stands_and_reads_back():
    made = loads(TEXT, ["workload.0.job.steps=12", "pool.0.scheduler.max_batch=3"])
    assert made.workloads[0].job.steps == made.workloads[0].lengths.output == 12
    assert made.pools[0].scheduler.kind == "static"
    assert loads(dump_toml(made)) == made


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ('workload.0.lengths="azure-2023-conversation"', "no tokens"),
        ("workload.0.slo.tpot=0.1", "no output tokens"),
        ('workload.0.mitigation="chain-of-thought"', "makes images or videos"),
        ("workload.0.job.frames=5", "makes images"),
        ("workload.0.job.stepz=5", "steps"),
        ('pool.0.scheduler.kind="chunked-prefill"', "static"),
        ("pool.0.prefix_cache=true", "no KV cache"),
        ("pool.0.pipeline_parallel=2", "not possible"),
        ('pool.0.cost_model="silicon"', "not possible"),
        ('workload.0.model="SD3.5-mediun"', "SD3"),
    ],
)
def test_contradictions_are_told(change, word):
    with pytest.raises(ScenarioError, match=word):
        loads(TEXT, [change])


def test_a_model_of_text_takes_no_job():
    text = TEXT.replace("SD3.5-medium", "Llama-3.1-8B").replace(
        "stabilityai/stable-diffusion-3.5-medium", "Llama-3.1-8B"
    )
    with pytest.raises(ScenarioError, match="makes text"):
        loads(text + "\n", ["workload.0.job={steps=3}", 'workload.0.lengths="azure-2023-conversation"'])


def test_jobs_of_one_model_have_one_size():
    text = TEXT + '[[workload]]\nmodel = "SD3.5-medium"\narrivals = { process = "poisson", rate_per_s = 1 }\n'
    assert len(loads(text + "job = { steps = 4 }").workloads) == 2
    with pytest.raises(ScenarioError, match="differs in size"):
        loads(text + "job = { width = 512 }")
