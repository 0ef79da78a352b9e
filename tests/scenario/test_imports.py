"""What checking a scenario may import: no compiler, no data frames, no engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numba", "pandas", "simpy", "pyarrow", "scipy", "numpy", "sim.engine", "sim.metrics")


@pytest.mark.parametrize(
    "code", ["import sim.scenario", "from sim.scenario import loads; loads(sys.argv[1])"]
)
def test_reading_a_scenario_imports_nothing_heavy(code):
    from tests.scenario.texts import LEAST

    program = f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program, LEAST], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
