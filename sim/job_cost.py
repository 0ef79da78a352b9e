"""The step cost of a pool that makes images or videos, from the scenario's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sim.cost.types import StepCost

if TYPE_CHECKING:
    from sim.scenario.pool import Pool
    from sim.scenario.workload import Workload


def pool_job_cost(
    pool: Pool, workloads: Sequence[Workload], calibration_z: Mapping[str, float], cap_w: float | None
) -> StepCost:
    """Tables of one replica, with the boards' power limit in them.

    calibration_z: where in their intervals the coefficients are.  cap_w: power that each accelerator is held to [W];
    None: its TDP. Raises ScenarioError where the model or the largest batch does not fit.
    """
    from sim.catalog.accelerators import accelerator
    from sim.catalog.diffusion import diffusion_model
    from sim.cost.diffusion import job_cost
    from sim.cost.diffusion_coefficients import job_coefficients
    from sim.cost.dvfs import SLOW_CLOCK, capped
    from sim.cost.limit import power_limited
    from sim.metrics.jobs import shape_of

    chip = accelerator(pool.accelerator)

    def tables(clock: float) -> StepCost:
        return job_cost(
            diffusion_model(pool.model),
            chip,
            shape_of(workloads, pool.model),
            max_batch=pool.scheduler.max_batch,
            precision=pool.precision,
            accelerators=pool.tensor_parallel,
            memory_fraction=pool.memory_fraction,
            watermark=pool.scheduler.kv_watermark,
            fitted=job_coefficients(chip.generation).at(calibration_z),
            clock=clock,
        )

    cost = tables(1.0)
    if cap_w is None:
        return power_limited(cost, chip.tdp_w, 0.0)
    return capped(cost, cap_w, slow=tables(SLOW_CLOCK), tdp_w=chip.tdp_w, typical_context=0.0)
