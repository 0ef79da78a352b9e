"""A simulator of GPU data centers that serve generative AI.

import sim

scenario = sim.load("scenarios/quickstart.toml", ["pool.0.replicas=16"])
result = sim.run(scenario)
result.summary["latency"]["ttft_s"]["p99"]

The studies give plain data, as the commands of the same names do with --json:
sim.compare(scenario, ["A100-SXM-80GB", "H100-SXM-80GB"])
sim.plan(scenario, space=sim.Space(accelerators=("H100-SXM-80GB",)), limits=sim.Limits(usd_per_hour=500))
sim.scale(scenario, [1e3, 1e6])
sim.sweep("scenarios/quickstart-sweep.toml", "runs/quickstart", processes=2)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sim.run import Result, run

if TYPE_CHECKING:
    from sim.scenario import Scenario, load
    from sim.study.compare import compare_accelerators as compare
    from sim.study.plan import Space, plan
    from sim.study.plan_points import Limits
    from sim.study.scale import scale
    from sim.study.sweep import sweep

__all__ = ["Limits", "Result", "Scenario", "Space", "compare", "load", "plan", "run", "scale", "sweep"]

_PLACES = {
    "Limits": ("sim.study.plan_points", "Limits"),
    "Scenario": ("sim.scenario", "Scenario"),
    "Space": ("sim.study.plan", "Space"),
    "compare": ("sim.study.compare", "compare_accelerators"),
    "load": ("sim.scenario", "load"),
    "plan": ("sim.study.plan", "plan"),
    "scale": ("sim.study.scale", "scale"),
    "sweep": ("sim.study.sweep", "sweep"),
}
"""Imported when first asked for: reading scenarios needs pydantic, studies need numba and scipy."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
