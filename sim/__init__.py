"""A simulator of GPU data centers that serve generative AI.

import sim

scenario = sim.load("scenarios/quickstart.toml", ["pool.0.replicas=16"])
result = sim.run(scenario)
result.summary["latency"]["ttft_s"]["p99"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.run import Result, run

if TYPE_CHECKING:
    from sim.scenario import Scenario, load

__all__ = ["Result", "Scenario", "load", "run"]


def __getattr__(name: str) -> Any:
    """Reading scenarios needs pydantic; it is imported when first asked for."""
    if name in ("Scenario", "load"):
        import sim.scenario

        return getattr(sim.scenario, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
