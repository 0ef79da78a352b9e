"""Sweeps on Dask: equal to processes, and after kill -9 of a worker and of the scheduler."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from sim.errors import UserError
from sim.study.cluster import Dask
from sim.study.executors import ExecutorFailed, Processes
from tests.study.sweeps import outputs, swept
from tests.study.test_sweep import LONG, children, shards, short_batches, wait_until  # noqa: F401

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    swept(folder, LONG, executor=Processes(2))
    return outputs(folder / "out")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Loopback:
    """A scheduler and two workers under nannies, started by hand as docs/cluster.md says."""

    def __init__(self, folder):
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self.started = []
        self.scheduler = self.start(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"
        )
        for i in range(2):
            place = folder / f"worker-{i}"
            words = ["--nthreads", "1", "--no-dashboard", "--local-directory", place, "--death-timeout", "30"]
            self.start("distributed.cli.dask_worker", self.address, *words)

    def start(self, module, *words):
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def stop(self):
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def loopback(tmp_path):
    cluster = Loopback(tmp_path)
    yield cluster
    cluster.stop()


def test_a_killed_worker_then_a_killed_scheduler_then_resumed(loopback, truth, tmp_path):
    killed = []

    def kill(progress):
        if not killed and progress.done > 5:
            nanny = loopback.started[1]
            wait_until(lambda: children(nanny.pid))
            os.kill(children(nanny.pid)[0], signal.SIGKILL)
            killed.append("worker")
        if killed == ["worker"] and progress.done > 40:
            loopback.scheduler.kill()
            killed.append("scheduler")

    soon = dask.config.set(
        {"distributed.comm.timeouts.connect": "3s"}
    )  # how long a lost scheduler is waited for
    with soon, pytest.raises(ExecutorFailed, match="scheduler"):
        swept(tmp_path, LONG, executor=Dask(loopback.address), report=kill)
    assert killed == ["worker", "scheduler"]
    assert shards(tmp_path / "out")
    assert not (tmp_path / "out" / "results.parquet").exists()
    summary = swept(tmp_path, LONG, executor=Dask(workers=2), resume=True)
    assert summary["failed"] == 0
    assert outputs(tmp_path / "out") == truth


def test_a_scheduler_that_is_not_there_is_the_users_word(monkeypatch):
    monkeypatch.setattr("sim.study.cluster.CONNECT_S", 1)
    with pytest.raises(UserError, match="--cluster"):
        Dask(f"tcp://127.0.0.1:{free_port()}")


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("sim.study.cluster.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"datacenter-sim\[cluster\]"):
        Dask(workers=2)


def test_local_workers_are_watched_seldom_and_others_configurations_stay():
    """Nothing but the workers' own setting tells whether Dask's profiler takes time from the runs."""
    executor = Dask(workers=1)
    try:
        told = executor._client.run(watching)
    finally:
        executor.close()
    assert list(told.values()) == [(False, "1s")]
    assert dask.config.get("distributed.worker.profile.enabled") is True


def watching():
    import dask.config

    keys = ("distributed.worker.profile.enabled", "distributed.admin.tick.interval")
    return tuple(dask.config.get(key) for key in keys)


def test_the_dashboard_is_where_it_says():
    pytest.importorskip("bokeh")
    executor = Dask(workers=1)
    try:
        found = re.search(r"dashboard (http://\S+/status)$", executor.describe())
        assert found
        with urlopen(found.group(1), timeout=30) as page:
            assert page.status == 200
            assert "Dask" in page.read().decode()
    finally:
        executor.close()
