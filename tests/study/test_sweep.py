"""Sweeps as a whole: the same result wherever they run and whatever is killed, and what becomes of bad runs."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from sim.errors import Interrupted, UserError
from sim.results import read_columns
from sim.run import run
from sim.scenario import build
from sim.study.executors import ExecutorFailed, InProcess, Lost, Processes
from sim.study.sweep import DEATHS, Dealer, run_sweep
from sim.study.sweep_point import RETRIES, Done, Row, flat, run_batch
from tests.study.sweeps import PLAIN, loaded, outputs, swept, written

LONG = PLAIN.replace('"10 s"', '"40 s"').replace("points = 4", "points = 8")
"""Long enough to be killed in the middle."""


@pytest.fixture(autouse=True)
def short_batches(monkeypatch):
    """Batches so short that small sweeps have many."""
    monkeypatch.setattr("sim.study.sweep.BATCH_S", 0.1)
    monkeypatch.setattr("sim.study.sweep.LEAST_BATCH_S", 0.05)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The folder of `PLAIN`, run in this process, and its summary."""
    folder = tmp_path_factory.mktemp("plain")
    return folder, swept(folder)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    swept(folder, LONG)
    return outputs(folder / "out")


def shards(folder):
    return sorted(folder.glob("shard-*.parquet"))


def test_a_row_of_the_table_is_the_run_that_it_names(plain):
    folder, _ = plain
    _, design = loaded(folder)
    table = read_columns(folder / "out" / "results.parquet")
    for number in (0, 3, design.tasks_until(1) - 1):
        task = design.task(number)
        assert table["key"][number] == task.key
        alone = run(build(design.data, task.changes, folder=design.folder), calibration_z=task.calibration_z)
        for name, value in flat(alone.summary).items():
            stored = table[name][number]
            assert np.isnan(stored) if value is None else stored == value
        assert table["input.site.pue"][number] == design.values[task.row, 0]
        assert table["axis.pool.0.replicas"][number] == 2 + task.setting
    assert len(table["key"]) == design.tasks
    assert "wall_s" not in table


def test_the_summary_counts_what_the_table_has(plain):
    folder, summary = plain
    table = read_columns(folder / "out" / "results.parquet")
    sample = np.isin(table["role"].astype(str), ("sample A", "sample B")) & (table["setting"] == 1)
    told = summary["settings"][1]["metrics"]["cost.usd_per_request"]
    assert told["runs"] == sample.sum() == 8
    assert told["median"] == pytest.approx(np.median(table["cost.usd_per_request"][sample]))
    assert told["p5"] < told["median"] < told["p95"]
    probability = summary["settings"][0]["probability"]
    assert 0 <= probability["slo_met"]["low"] <= probability["slo_met"]["p"] <= 1
    assert summary["failed"] == 0
    bars = {b["factor"]: b for b in summary["settings"][0]["tornado"]["bars"]}
    assert bars["cost.depreciation_years"]["at_low"] > bars["cost.depreciation_years"]["at_high"]
    assert bars["site.pue"]["at_low"] < bars["site.pue"]["at_high"]
    assert bars["cost.depreciation_years"]["inputs"] == [4.0, 6.0]
    factors = summary["settings"][0]["sensitivity"]["factors"]
    assert {f["factor"] for f in factors} == {*bars}


def test_two_processes_give_the_same_bytes(plain, tmp_path):
    swept(tmp_path, executor=Processes(2))
    assert outputs(tmp_path / "out") == outputs(plain[0] / "out")


def test_a_killed_worker_costs_nothing(long, tmp_path):
    killed = []

    def kill_one(progress):
        if not killed and progress.done > 10:
            victim = multiprocessing.active_children()[0].pid
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    summary = swept(tmp_path, LONG, executor=Processes(2), report=kill_one)
    assert killed
    assert summary["failed"] == 0
    assert outputs(tmp_path / "out") == long


def test_a_killed_client_leaves_what_was_done_and_no_workers(long, tmp_path):
    path = written(tmp_path, LONG)
    words = ["sweep", str(path), "--out", str(tmp_path / "out"), "--processes", "2"]
    code = "import sim.study.sweep as s; s.BATCH_S = s.LEAST_BATCH_S = 0.1; from sim.cli import main; main()"
    client = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(shards(tmp_path / "out")) >= 2)
        workers = children(client.pid)
    finally:
        client.kill()
        client.wait()
    assert workers
    before = shards(tmp_path / "out")
    assert not (tmp_path / "out" / "results.parquet").exists()
    wait_until(lambda: not any(alive(pid) for pid in workers))
    summary = swept(tmp_path, LONG, executor=Processes(2), resume=True)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert 0 < manifest["last_session"]["runs_reused"] < summary["runs"]
    assert set(before) <= set(shards(tmp_path / "out"))
    assert outputs(tmp_path / "out") == long


def wait_until(happened, seconds=60.0):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def children(pid):
    """Worker processes of `pid`: all its children but multiprocessing's own helper."""
    found = psutil.Process(pid).children()
    return [child.pid for child in found if any("spawn_main" in word for word in child.cmdline())]


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_resuming_does_only_what_is_missing(plain, tmp_path):
    swept(tmp_path)
    some = shards(tmp_path / "out")
    lost = sum(len(read_columns(path)["key"]) for path in some[:2])
    for path in some[:2]:
        path.unlink()
    (tmp_path / "out" / ".shard-x.parquet.123.new").write_text("half")
    counted = []
    swept(tmp_path, resume=True, report=lambda p: counted.append(p.done))
    assert counted[-1] == lost
    assert outputs(tmp_path / "out") == outputs(plain[0] / "out")
    assert not list((tmp_path / "out").glob(".*"))


def test_a_damaged_shard_is_done_again(plain, tmp_path):
    swept(tmp_path)
    shards(tmp_path / "out")[0].write_bytes(b"PAR1 not quite")
    swept(tmp_path, resume=True)
    assert outputs(tmp_path / "out") == outputs(plain[0] / "out")


def test_more_points_reuse_the_runs_there_are(tmp_path):
    short = PLAIN.replace("[sensitivity]", "[sensitivity]\ntornado = false")
    swept(tmp_path, short)
    longer = short.replace("points = 4", "points = 8")
    done = []
    swept(tmp_path, longer, resume=True, report=lambda p: done.append(p.done))
    assert done[-1] <= 2 * 4 * 5
    swept(tmp_path, longer, out="anew")
    assert outputs(tmp_path / "out") == outputs(tmp_path / "anew")


def test_a_directory_is_not_taken_over(plain, tmp_path):
    sweep, design = loaded(plain[0])
    for folder, words in (
        (plain[0] / "out", "already holds a sweep"),
        (plain[0], "something else than a sweep"),
    ):
        with pytest.raises(UserError, match=words):
            run_sweep(sweep, design, InProcess(), folder)


POISON = """
name = "poison"
scenario = "small.toml"
set = { duration = "10 s", warmup = 0 }
[[uncertain]]
key = "site.pue"
distribution = { kind = "normal", mean = 1.1, sd = 0.1 }
[sampling]
points = 40
"""


def test_a_poison_point_is_recorded_and_skipped(tmp_path):
    summary = swept(tmp_path, POISON)
    table = read_columns(tmp_path / "out" / "results.parquet")
    bad = table["input.site.pue"] < 1
    assert 0 < summary["failed"] == bad.sum() < 40
    assert (table["status"][bad] == "failed").all()
    assert (table["status"][~bad] == "done").all()
    assert all("site.pue" in error for error in table["error"][bad])
    assert np.isnan(table["cost.usd_total"][bad]).all()
    assert summary["settings"][0]["metrics"]["cost.usd_total"]["runs"] == (~bad).sum()
    assert {f["key"] for f in summary["failures"]} == set(table["key"][bad])


def test_other_faults_are_tried_again_before_they_count(tmp_path, monkeypatch):
    sweep, design = loaded(
        tmp_path, POISON.replace('"normal", mean = 1.1, sd = 0.1', '"uniform", low = 1, high = 2')
    )
    tries = {}

    def flaky(data, folder, task):
        tries[task.number] = tries.get(task.number, 0) + 1
        if task.number == 7 or (task.number == 3 and tries[3] == 1):
            raise MemoryError("no room")
        return {"cost.usd_total": 1.0}

    monkeypatch.setattr("sim.study.sweep_point.run_task", flaky)
    summary = run_sweep(sweep, design, InProcess(), tmp_path / "out")
    assert summary["failed"] == 1
    assert summary["failures"][0]["error"] == "MemoryError: no room"
    assert (tries[3], tries[7], tries[0]) == (2, 1 + RETRIES, 1)


class Killing:
    """Workers that die with every batch that holds one of the tasks `fatal`."""

    workers = 2

    def __init__(self, fatal):
        self.fatal, self.deaths, self.sizes = fatal, 0, []

    def describe(self):
        return "a test"

    def outcomes(self, next_batch):
        while (batch := next_batch()) is not None:
            self.sizes.append(len(batch.tasks))
            dies = self.fatal & {task.number for task in batch.tasks}
            self.deaths += bool(dies)
            rows = tuple(Row(task, {"cost.usd_total": float(task.number)}) for task in batch.tasks)
            yield batch, Lost("it was killed") if dies else Done(rows, 0.01 * len(rows))

    def close(self):
        pass


def test_a_run_that_kills_its_worker_is_found_by_halves(tmp_path):
    text = POISON.replace("points = 40", "points = 400").replace("normal", "uniform")
    sweep, design = loaded(tmp_path, text.replace("mean = 1.1, sd = 0.1", "low = 1, high = 2"))
    workers = Killing({211})
    summary = run_sweep(sweep, design, workers, tmp_path / "out")
    assert (summary["runs"], summary["failed"]) == (400, 1)
    assert summary["failures"][0]["key"] == design.key(211)
    assert f"{1 + RETRIES} workers died" in summary["failures"][0]["error"]
    assert workers.deaths <= 8 + 1 + RETRIES
    assert max(workers.sizes) >= 5


def test_workers_that_only_die_end_the_sweep(tmp_path):
    sweep, design = loaded(tmp_path)
    workers = Killing(set(range(design.tasks)))
    with pytest.raises(ExecutorFailed, match="died in a row"):
        run_sweep(sweep, design, workers, tmp_path / "out")
    assert workers.deaths <= DEATHS + 1


def test_an_interrupt_keeps_what_was_done(tmp_path):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="--resume"):
        swept(tmp_path, report=stop)
    assert len(shards(tmp_path / "out")) == 1


def test_another_version_of_the_program_is_refused(tmp_path):
    from dataclasses import replace

    _, design = loaded(tmp_path)
    dealer = Dealer(design, np.zeros(design.tasks, bool), 1)
    dealer.reach(design.tasks)
    batch = dealer.next_batch()
    assert batch is not None
    with pytest.raises(UserError, match="another version"):
        run_batch(replace(batch, code="0" * 16))


STOPPING = """
name = "stopping"
scenario = "small.toml"
set = { duration = "10 s", warmup = 0 }
[[uncertain]]
key = "cost.cost_of_capital"
distribution = { kind = "uniform", low = 0.05, high = 0.15 }
[sampling]
method = "monte-carlo"
points = 256
replications = 2
[stop]
metric = "cost.usd_per_request"
within = 0.05
at_least = 8
"""


def test_the_rule_stops_at_the_first_look_that_is_sure_enough(tmp_path):
    summary = swept(tmp_path, STOPPING)
    assert summary["stopped_early"]
    assert summary["samples"] in (8, 16, 32)
    assert summary["runs"] == 2 * summary["samples"]
    table = read_columns(tmp_path / "out" / "results.parquet")
    cost = table["cost.usd_per_request"].reshape(-1, 2).mean(axis=1)
    from sim.study.sweep_statistics import relative_half_width

    assert relative_half_width(cost, 0.95) <= 0.05
    if summary["samples"] > 8:
        assert relative_half_width(cost[: summary["samples"] // 2], 0.95) > 0.05
    swept(tmp_path, STOPPING, out="two", executor=Processes(2))
    assert outputs(tmp_path / "two") == outputs(tmp_path / "out")


def test_a_metric_that_no_run_has_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cost\.usd_per_reqest"):
        swept(tmp_path, STOPPING.replace("usd_per_request", "usd_per_reqest"))
    with pytest.raises(UserError, match=r'did you mean "latency.ttft_s.p99"'):
        swept(
            tmp_path, PLAIN.replace("[sensitivity]", '[sensitivity]\nmetric = "latency.ttft_s.p999"'), out="b"
        )
