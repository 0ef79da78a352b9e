"""The result as a directory: whole or absent, the same bytes for the same run."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import sim
from sim import results
from sim.errors import UserError
from sim.scenario import load
from tests.samples import small


@pytest.fixture(scope="module")
def result():
    return sim.run(small(), log_requests=300)


def test_a_result_reads_back(result, tmp_path):
    where = results.write(result, tmp_path / "out")
    assert {p.name for p in where.iterdir()} == set(results.FILES)
    stored = results.read(where)
    assert stored.summary == result.summary
    for table in ("windows", "requests"):
        for name, column in getattr(result, table).items():
            found = getattr(stored, table)[name]
            same = np.array_equal(found, column, equal_nan=column.dtype.kind == "f")
            assert same, name
    assert load(where / results.SCENARIO) == result.scenario


def test_requests_are_written_only_when_logged(tmp_path):
    where = results.write(sim.run(small("duration=10 s")), tmp_path / "out")
    assert not (where / results.REQUESTS).exists()
    assert results.read(where).requests is None


def test_the_same_run_writes_the_same_bytes(result, tmp_path):
    again = sim.run(small(), log_requests=300, threads=1)
    one, two = (results.write(r, tmp_path / str(i)) for i, r in enumerate((result, again)))
    for name in (results.WINDOWS, results.REQUESTS, results.SCENARIO):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    summaries = [json.loads((d / results.SUMMARY).read_text()) for d in (one, two)]
    assert all(s.pop("wall_s") > 0 for s in summaries)
    assert list(summaries[0].items()) == list(summaries[1].items())


def test_parquet_says_what_it_is_of(result, tmp_path):
    where = results.write(result, tmp_path / "out")
    file = pq.ParquetFile(where / results.WINDOWS)
    metadata = {k.decode(): v.decode() for k, v in file.schema_arrow.metadata.items()}
    assert metadata["seed"] == "3"
    assert metadata["scenario_sha256"] == result.summary["scenario_sha256"]
    assert "version.numba" in metadata
    assert file.metadata.row_group(0).column(1).compression == "ZSTD"


def test_missing_values_are_null(tmp_path):
    single = small("duration=10 s", "workload.0.lengths={kind='fixed', input=9, output=1}")
    where = results.write(sim.run(single, log_requests=500), tmp_path / "out")
    table = pq.read_table(where / results.REQUESTS)
    tpots = dict.fromkeys(("chat", "code"), ())
    for workload, tpot_s in zip(*(table.column(c).to_pylist() for c in ("workload", "tpot_s")), strict=True):
        tpots[workload] += (tpot_s,)
    assert set(tpots["chat"]) == {None}
    assert any(isinstance(t, float) for t in tpots["code"])


def test_an_earlier_result_is_replaced(result, tmp_path):
    where = tmp_path / "out"
    results.write(sim.run(small("duration=10 s")), where)
    results.write(result, where)
    assert results.read(where).summary["requests"] == result.summary["requests"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_earlier_result_survives_a_failure_to_write(result, tmp_path, monkeypatch):
    where = tmp_path / "out"
    results.write(result, where)
    before = {p.name: p.read_bytes() for p in where.iterdir()}

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "_write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        results.write(result, where)
    assert {p.name: p.read_bytes() for p in where.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_empty_directory_is_taken(result, tmp_path):
    (tmp_path / "out").mkdir()
    results.write(result, tmp_path / "out")
    assert results.read(tmp_path / "out")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: (p / "notes.txt").write_text("mine"), "is not a result of this program"),
        (lambda p: (p / "result.json").write_text('{"other": 1}'), "is not a result of this program"),
        (lambda p: (p / "result.json").write_text("{"), "is not a result of this program"),
    ],
)
def test_a_directory_of_somebody_else_is_refused(result, tmp_path, make, message):
    make(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(UserError, match=message):
        results.write(result, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_files_added_to_a_result_are_not_lost(result, tmp_path):
    where = results.write(result, tmp_path / "out")
    (where / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"also holds notes\.txt"):
        results.write(result, where)
    assert (where / "notes.txt").read_text() == "mine"


def test_a_file_is_no_place_for_a_result(result, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="is a file"):
        results.write(result, tmp_path / "out")
    with pytest.raises(UserError, match="cannot write"):
        results.write(result, tmp_path / "out" / "deeper")


def test_what_is_no_result_is_not_read(tmp_path):
    with pytest.raises(UserError, match="is not a result"):
        results.read(tmp_path)


def test_a_damaged_result_is_said(result, tmp_path):
    where = results.write(result, tmp_path / "out")
    (where / results.WINDOWS).write_bytes(b"PAR1")
    with pytest.raises(UserError, match="damaged"):
        results.read(where)


def test_the_default_directory_is_named_after_scenario_and_hash():
    assert str(results.default_directory("Chat 70B / eu", "0123456789ab")) == "runs/Chat-70B-eu-01234567"
    assert str(results.default_directory("///", "0123456789ab")) == "runs/run-01234567"
