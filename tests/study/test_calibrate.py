from __future__ import annotations

import itertools
import math
import tomllib

import numpy as np
import pytest

from sim.cost.calibration import VARIABLE, Catalog, default_catalog, prior_catalog, read_calibration
from sim.cost.coefficients import coefficients, stacks
from sim.errors import CatalogError, UserError
from sim.study.calibrate import calibrate, calibrate_stack
from sim.study.calibration_file import write
from sim.study.observe import log_predictions, observations, thinned
from sim.study.tree import TIMING
from sim.study.validate import answers, by, errors, metric_name, read_files
from tests.study.measured import CLOSED, STATIC, write_rows

SLOW = {"layer_s": 2.0, "host_sequence_s": 1.8, "dense_flops": 0.7}


def slow_rows(tmp_path):
    """Rows that a machine with other coefficients than the catalog's would have shown."""
    blank = [
        {**base, "tp": tp, "num_gpus": tp, "batch_or_concurrency": c, "input_len": n, "metric": m}
        for base, metrics in ((CLOSED, ("tpot_ms", "ttft_ms")), (STATIC, ("latency_ms",)))
        for tp, c, n, m in itertools.product(("2", "4"), ("4", "16", "64"), ("256", "2048"), metrics)
    ]
    readings = read_files([write_rows(tmp_path / "blank.csv", blank)]).answered
    rows = []
    for o in observations(readings, ("tpot_ms", "ttft_ms", "latency_ms")):
        d = o.reading.setup.deployment
        base = coefficients("hopper", d.stack, d.precision, prior_catalog()).coefficients
        logs = np.log([getattr(base, n) * SLOW.get(n, 1.0) for n in TIMING])
        value = dict(zip(o.metrics, np.exp(log_predictions(o, TIMING, logs, prior_catalog())), strict=True))
        rows += [
            {**r.text, "metric": r.metric, "value": repr(float(value[metric_name(r.metric)]))}
            for r in o.reading.case.rows
        ]
    return write_rows(tmp_path / "slow.csv", rows)


def median(path, catalog: Catalog) -> float:
    return errors(answers(read_files([path]), catalog))["median_ape"]


def test_a_calibration_finds_its_way_back_to_other_coefficients(tmp_path):
    path = slow_rows(tmp_path)
    tables, _ = calibrate([path], date="2031-01-02", workers=1)
    before = median(path, prior_catalog())
    after = median(path, prior_catalog().overlaid(tables))
    assert before > 0.1
    assert after < 0.03
    layer = tables["stack"]["vllm-2025"]["layer_s"]
    assert layer["v"] > prior_catalog().tables["stack"]["vllm-2025"]["layer_s"]["v"]
    assert 0 < layer["sigma"] < 0.5
    assert tables["calibration"]["date"] == "2031-01-02"
    assert {"generation": "hopper", "stack": "vllm-2025", "precisions": ["bf16", "fp8"]} in tables["measured"]


def test_a_stack_of_ones_own_is_written_read_and_used(tmp_path, monkeypatch):
    path, out = slow_rows(tmp_path), tmp_path / "own.toml"
    tables = calibrate_stack([path], name="mine", like="vllm-2025", date="2031-01-02", workers=1)
    write(tables, out)
    assert read_calibration(out)["stack"]["mine"] == tables["stack"]["mine"]
    monkeypatch.setenv(VARIABLE, str(out))
    default_catalog.cache_clear()
    coefficients.cache_clear()
    try:
        assert "mine" in stacks()
        named = write_rows(
            tmp_path / "named.csv",
            [
                {**r.text, "metric": r.metric, "value": repr(r.value), "framework": "mine"}
                for r in rows_of(path)
            ],
        )
        assert median(named, default_catalog()) < 0.04
        assert coefficients("hopper", "mine", "fp8").knowledge.basis == "measured"
    finally:
        monkeypatch.delenv(VARIABLE)
        default_catalog.cache_clear()
        coefficients.cache_clear()


def rows_of(path):
    return [row for r in read_files([path]).answered for row in r.case.rows]


def test_what_cannot_be_calibrated_is_refused(tmp_path):
    path = write_rows(tmp_path / "m.csv", [STATIC])
    with pytest.raises(UserError, match='did you mean "vllm-2025"'):
        calibrate_stack([path], name="mine", like="vllm-2052", date="2031-01-02")
    with pytest.raises(UserError, match="exists"):
        calibrate_stack([path], name="vllm-2025", like="vllm-2024", date="2031-01-02")
    nothing = write_rows(tmp_path / "n.csv", [{**STATIC, "metric": "smell"}])
    with pytest.raises(UserError, match="no row"):
        calibrate([nothing], date="2031-01-02")
    with pytest.raises(CatalogError, match="cannot read the calibration"):
        read_calibration(tmp_path / "absent.toml")


def test_a_calibration_file_says_what_was_written(tmp_path):
    tables = {
        "calibration": {"date": "2031-01-02", "files": ["a.csv"], "rows": 3},
        "sources": {"fit": 'a "quoted" \\ citation'},
        "stack": {"vllm-0.18": {"like": "vllm-2025", "layer_s": {"v": 5.2e-05, "sigma": 0.1, "src": "fit"}}},
        "measured": [{"generation": "hopper", "stack": "vllm-0.18", "precisions": ["bf16", "fp8"]}],
    }
    write(tables, tmp_path / "c.toml")
    assert tomllib.loads((tmp_path / "c.toml").read_text()) == tables


def test_thinning_keeps_the_weight_of_all(tmp_path):
    rows = [{**STATIC, "input_len": str(100 + i)} for i in range(30)]
    seen = observations(read_files([write_rows(tmp_path / "m.csv", rows)]).answered, ("latency_ms",))
    few = thinned(seen, 7)
    assert len(few) == 7
    assert sum(sum(o.rows) for o in few) == pytest.approx(30)
    assert len(by(few, lambda o: o.reading.setup)) == 7


def test_an_overlay_replaces_entries_and_keeps_the_rest():
    entry = {"v": 1e-3, "sigma": 0.1, "src": "trial"}
    over = prior_catalog().overlaid({"stack": {"vllm-2025": {"layer_s": entry}}})
    changed, kept = (coefficients("hopper", "vllm-2025", "bf16", c) for c in (over, prior_catalog()))
    assert changed.coefficients.layer_s == 1e-3
    assert changed.coefficients.kv_bandwidth == kept.coefficients.kv_bandwidth
    assert math.isclose(coefficients("hopper", "vllm-0.18", "bf16", over).coefficients.layer_s, 1e-3)
