"""Against public measurements, where the environment variable DATACENTER_SIM_MEASURED names their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim.study.validate import validate

FOLDER = os.environ.get("DATACENTER_SIM_MEASURED", "")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="set DATACENTER_SIM_MEASURED to a folder of measurements in the tidy schema"
)


def test_calibrated_rows_are_met():
    overall = validate(sorted(Path(FOLDER).glob("*.csv")))["overall"]
    for metric, most in (("tpot_ms", 0.07), ("latency_ms", 0.08), ("tokens_per_s_output", 0.09)):
        assert overall[metric]["median_ape"] < most, metric
    assert overall["ttft_ms"]["median_ape"] < 0.22
    assert overall["tpot_ms"]["answered"] > 0.95 * overall["tpot_ms"]["rows"]
