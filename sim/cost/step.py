"""The tables of `StepCost` for one replica, its memory budget, and how far the figures can be trusted."""

from __future__ import annotations

import numpy as np

from sim.catalog.types import Accelerator, Model
from sim.cost import dvfs, power, timing
from sim.cost.calibration import Catalog
from sim.cost.coefficients import Fitted, coefficients, coverage, weak_spots
from sim.cost.deployment import Deployment, Limits, check
from sim.cost.memory import ALONE, Beside, memory_budget
from sim.cost.power import FINE_EXPERTS
from sim.cost.precision import HEAD_BYTES, number_format, stored_as
from sim.cost.setting import Setting, setting
from sim.cost.types import StepCost
from sim.cost.work import busiest_share


def step_cost(
    model: Model,
    accelerator: Accelerator,
    deployment: Deployment,
    *,
    max_batch: int,
    max_step_tokens: int,
    typical_context: float = 1024.0,
    fitted: Fitted | None = None,
    clock: float = 1.0,
    width: int = 1,
    beside: Beside = ALONE,
) -> StepCost:
    """Tables of one replica's step time and energy, its memory budget, and how all this is known.

    max_batch: sequences per step;  max_step_tokens: computed tokens per step (at least
        max_batch, since every sequence computes one);
    typical_context: mean context per sequence [tokens], which only sliding windows ask for (see `Limits`);
    fitted: coefficients to use in place of the catalog's for (generation, stack, precision).
    width: tokens that a step computes of each decoding sequence; above 1 it verifies a draft, which `speculation`
        adds the time and energy of.  beside: what the draft takes of the memory.
    clock: share of full core clock at which the accelerators run, for `dvfs.capped` and `dvfs.locked`.
    Raises ScenarioError if the deployment is impossible or the model does not fit, CatalogError for an
    unknown stack or precision.
    """
    check(deployment, model)
    limits = Limits(max_batch, max(max_step_tokens, max_batch * width), typical_context, width)
    if fitted is None:
        fitted = fitted_for(accelerator, deployment)
    s = setting(model, accelerator, deployment, limits, fitted.coefficients, expands_kv=fitted.expands_kv)
    memory = memory_budget(
        model,
        accelerator,
        deployment,
        limits,
        memory_rule=fitted.memory_rule,
        reserve_bytes=fitted.coefficients.reserve_bytes,
        beside=beside,
    )
    joules = power.energy(accelerator, fitted, s.arithmetic)
    if clock != 1.0:
        s, joules = dvfs.slowed(s, clock), dvfs.scaled(joules, clock, accelerator.idle_w)
    end, lanes = limits.max_step_tokens, deployment.lanes
    tokens = np.arange(end + lanes + 1, dtype=np.float64)
    sequences = np.arange(max_batch + 1, dtype=np.float64)
    time, joule = timing.token_s(s, tokens), power.token_j(s, joules, tokens)
    return StepCost(
        token_s=time[: end + 1],
        token_s_beyond=float(time[end + lanes] - time[end]) / lanes,
        sequence_s=timing.sequence_s(s, sequences, width),
        kv_s=timing.kv_token_s(s, width) * busiest_share(sequences, lanes),
        attention_s=timing.prefill_pair_s(s),
        host_s=timing.host_s(s, sequences),
        host_prefill_s=timing.host_token_s(s),
        admit_s=s.coefficients.admit_s,
        first_token_s=s.coefficients.first_token_s,
        token_j=joule[: end + 1],
        token_j_beyond=float(joule[end + lanes] - joule[end]) / lanes,
        sequence_j=power.sequence_j(s, joules, width),
        kv_j=power.kv_j(s, joules, width),
        attention_j=s.attention.prefill_pair * joules.attention_flop_j,
        static_w=joules.serving_w * deployment.accelerators,
        idle_w=joules.idle_w * deployment.accelerators,
        accelerators=deployment.accelerators,
        memory=memory,
        knowledge=fitted.knowledge,
        warnings=(*fitted.warnings, *_warnings(s, limits)),
        width=width,
    )


def fitted_for(accelerator: Accelerator, deployment: Deployment, catalog: Catalog | None = None) -> Fitted:
    """The catalog's coefficients for a deployment; weights that the chip cannot multiply as they are stored
    count as weight-only."""
    precision = stored_as(number_format(deployment.precision), accelerator)
    return coefficients(accelerator.generation, deployment.stack, precision, catalog)


def _warnings(s: Setting, limits: Limits) -> tuple[str, ...]:
    """Where the figures leave what was measured, apart from generation, stack and precision."""
    d, chip = s.deployment, s.accelerator
    found = []
    missing = s.format.compute and s.arithmetic not in s.format.compute
    if missing and s.format.linear_bytes < HEAD_BYTES:
        found.append(f"{chip.name} has no {s.format.name} arithmetic: products run in {s.arithmetic}")
    if d.group > chip.domain_size:
        found.append(
            f"a stage of {d.group} is more than the {chip.domain_size} that {chip.name}'s link joins"
        )
    names = ("pipeline_parallel", "expert_parallel", "attention_data_parallel")
    unmeasured = [n for n in names if getattr(d, n) > 1]
    if unmeasured:
        found.append(f"no measurement behind {', '.join(unmeasured)}: time from shapes and links alone")
    asked = {
        "max_batch": limits.max_batch,
        "max_step_tokens": limits.max_step_tokens,
        "tensor_parallel": d.tensor_parallel,
    }
    found += [
        f"{name} = {asked[name]} is beyond the measured {most}"
        for name, most in coverage().items()
        if asked[name] > most
    ]
    return (*found, *_weak_spots(s))


def _weak_spots(s: Setting) -> list[str]:
    moe = s.model.moe
    present = {
        "recurrent": s.model.recurrent is not None,
        "latent": s.model.latent is not None,
        "fine_experts": moe is not None
        and moe.experts >= FINE_EXPERTS
        and s.accelerator.generation != "hopper",
    }
    return [text for feature, text in weak_spots().items() if present[feature]]
