"""A simulator of GPU data centers that serve generative AI.

import sim

scenario = sim.load("scenarios/quickstart.toml", ["pool.0.replicas=16"])
result = sim.run(scenario)
result.summary["latency"]["ttft_s"]["p99"]

sim.plan(scenario), sim.compare(scenario, ["A100-SXM-80GB", "H100-SXM-80GB"]) and sim.scale(scenario, [1e3, 1e6]) give
the studies of the same names as plain data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.run import Result, run

if TYPE_CHECKING:
    from sim.scenario import Scenario, load
    from sim.study.compare import compare_accelerators as compare
    from sim.study.plan import plan
    from sim.study.scale import scale

__all__ = ["Result", "Scenario", "compare", "load", "plan", "run", "scale"]


def __getattr__(name: str) -> Any:
    """Reading scenarios needs pydantic, studies need numba and scipy; they are imported when first asked for."""
    if name in ("Scenario", "load"):
        import sim.scenario

        return getattr(sim.scenario, name)
    if name == "compare":
        from sim.study.compare import compare_accelerators

        return compare_accelerators
    if name in ("plan", "scale"):
        from importlib import import_module

        return getattr(import_module(f"sim.study.{name}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
