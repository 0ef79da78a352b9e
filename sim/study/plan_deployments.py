"""The ways to deploy a model on an accelerator, screened by the step-cost tables alone.

Parallel sizes, batch and token budget multiply to hundreds of configurations. Each is judged by what one replica may
hold at the TPOT target for each of its accelerators; only the best are worth simulating.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.catalog.types import Accelerator, Model
from sim.errors import Fault, ScenarioError, UserError
from sim.metrics.moments import Moments, length_moments, mixture
from sim.metrics.sustained import Sustained, held_at_target, tightest_tpot_s
from sim.run import step_costs
from sim.scenario.placement import NETWORKED_TENSOR_PARALLEL, default_16_bit, runnable
from sim.scenario.pool import Pool
from sim.scenario.schema import Scenario
from sim.study.sizing_demand import peak_rate_per_s
from sim.workload.demand import read_traces
from sim.workload.trace import Trace

MOST_ACCELERATORS = 1024
"""In one replica."""
BATCHES = (32, 64, 128, 256, 512, 1024)
BUDGETS = (512, 2048, 8192)
SERVER = 8
"""Tensor parallelism from which on pipelines are tried: within a server nobody prefers them."""
WIDE = (4, 8, 16, 32, 64)
"""Copies of the attention tried for models with routed experts."""


@dataclass(frozen=True)
class Deployment:
    """One way to serve: a pool of one replica, and what it may hold by the tables.

    rps_per_accelerator: requests per second at the TPOT target over the replica's accelerators.
    """

    pool: Pool
    sustained: Sustained
    rps_per_accelerator: float

    @property
    def shape(self) -> tuple[object, ...]:
        """What cannot be changed without loading the model anew."""
        p = self.pool
        return (
            p.accelerator,
            p.precision,
            p.tensor_parallel,
            p.pipeline_parallel,
            p.attention_data_parallel,
        )


@dataclass(frozen=True)
class Screened:
    """Deployments, best first by `rps_per_accelerator`; how many were reckoned; and why others were not."""

    deployments: tuple[Deployment, ...]
    reckoned: int
    why_not: str


def precision_on(chip: str, wanted: str) -> str:
    """`wanted` where the chip runs it; 8-bit integers for fp8 where it multiplies these; else 16 bits."""
    found = accelerator(chip)
    if wanted in runnable(found):
        return wanted
    return "int8" if wanted == "fp8" and "int8" in found.peak_flops else default_16_bit(chip)


def screen(
    scenario: Scenario,
    template: Pool,
    chip: str,
    *,
    precisions: Sequence[str] | None = None,
    schedulers: Sequence[str] | None = None,
) -> Screened:
    """Every deployment of `template`'s model on `chip` that fits, judged by the tables.

    template: gives what is not searched (stack, memory fraction, scheduler's other rules).
    precisions, schedulers: to try; default: the template's, in 16 bits where the chip lacks that format.
    """
    traces = read_traces(scenario)
    lengths, tpot_s = asked(scenario, template.model, traces)
    found: list[Deployment] = []
    faults: list[str] = []
    reckoned = 0
    kinds = schedulers or (template.scheduler.kind,)
    for precision in dict.fromkeys(precisions or (precision_on(chip, template.precision),)):
        for shape in shapes(accelerator(chip), model(template.model)):
            for pool in _variants(template, chip, precision, shape, kinds, faults):
                reckoned += 1
                try:
                    cost = step_costs(_only(scenario, pool), traces)[0]
                except UserError as error:
                    faults.append(error.faults[0].message)
                    continue
                held = held_at_target(cost, pool.scheduler, lengths, tpot_s)
                if held is not None:
                    rate = held.requests_per_s / pool.accelerators_per_replica
                    found.append(Deployment(pool, held, rate))
    best = sorted(found, key=lambda d: (-d.rps_per_accelerator, d.pool.accelerators_per_replica))
    return Screened(tuple(best), reckoned, "" if best else _why_not(faults, chip, template, tpot_s))


def shapes(chip: Accelerator, served: Model) -> Iterator[Mapping[str, int]]:
    """Parallel sizes worth trying: tensor parallel within the fast links (or two servers), pipelines of the widest
    of these, and for routed experts wide expert parallelism."""
    reach = max(chip.domain_size, NETWORKED_TENSOR_PARALLEL)
    widest = min(chip.domain_size, served.heads, SERVER)
    for tp in (2**i for i in range(11)):
        if tp > min(reach, served.heads):
            break
        for pp in (2**i for i in range(8)):
            if tp * pp <= MOST_ACCELERATORS and pp <= served.layers and (pp == 1 or tp >= widest):
                yield {"tensor_parallel": tp, "pipeline_parallel": pp}
        if served.moe is None:
            continue
        for copies in WIDE:
            experts = tp * copies
            if experts <= served.moe.experts and experts <= max(reach, 64):
                yield {"tensor_parallel": tp, "attention_data_parallel": copies, "expert_parallel": experts}


def best_shapes(screened: Screened, count: int) -> tuple[Deployment, ...]:
    """The best deployment of each of the `count` best shapes."""
    seen: dict[tuple[object, ...], Deployment] = {}
    for deployment in screened.deployments:
        seen.setdefault(deployment.shape, deployment)
    return tuple(seen.values())[:count]


def served_by(scenario: Scenario, pools: Sequence[Pool]) -> Scenario:
    """The scenario with another fleet, and without a price that was meant for the old one."""
    cost = scenario.cost.model_copy(update={"server_price_usd": None, "rent_usd_per_accelerator_hour": None})
    named = tuple(p.model_copy(update={"name": f"{p.accelerator}-{i}"}) for i, p in enumerate(pools))
    same = {p.accelerator for p in pools} == {p.accelerator for p in scenario.pools}
    update: dict[str, object] = {"pools": named} if same else {"pools": named, "cost": cost}
    return scenario.model_copy(update=update)


def _variants(
    template: Pool,
    chip: str,
    precision: str,
    shape: Mapping[str, int],
    kinds: Sequence[str],
    faults: list[str],
) -> Iterator[Pool]:
    """Pools of one shape over schedulers, batches and budgets; refusals of the schema go to `faults`."""
    for kind in kinds:
        own = kind == template.scheduler.kind
        batches = (*BATCHES, template.scheduler.max_batch) if own else BATCHES
        budgets = (*BUDGETS, template.scheduler.token_budget) if own else BUDGETS
        for batch in sorted(set(batches)):
            for budget in sorted(set(budgets)):
                if kind == "chunked-prefill" and budget < batch:
                    continue
                try:
                    yield _pool(template, chip, precision, shape, kind, batch, budget)
                except ValueError as error:
                    faults.append(_message(error))
                    return


def _pool(
    template: Pool, chip: str, precision: str, shape: Mapping[str, int], kind: str, batch: int, budget: int
) -> Pool:
    scheduler = {**template.scheduler.model_dump(), "kind": kind, "max_batch": batch, "token_budget": budget}
    sizes = ("tensor_parallel", "pipeline_parallel", "attention_data_parallel", "expert_parallel")
    kept = template.model_dump(exclude={"kv_precision", "scheduler", "name", *sizes})
    changed = {"accelerator": chip, "precision": precision, "scheduler": scheduler, "replicas": 1, **shape}
    if template.kv_precision not in ("bf16", "fp16"):
        changed["kv_precision"] = template.kv_precision
    return Pool.model_validate({**kept, **changed})


def _message(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    return str(errors()[0].get("ctx", {}).get("error", errors()[0]["msg"]))


def _only(scenario: Scenario, pool: Pool) -> Scenario:
    """The scenario with this pool alone and what asks for its model: enough for its step cost."""
    asking = tuple(w for w in scenario.workloads if w.model == pool.model)
    return scenario.model_copy(update={"pools": (pool,), "workloads": asking})


def asked(scenario: Scenario, name: str, traces: Mapping[str, Trace]) -> tuple[Moments, float | None]:
    """Lengths asked of a model, each workload's by its rate, and the tightest TPOT target [s]."""
    asking = [w for w in scenario.workloads if w.model == name]
    moments = [m for w in asking if (m := length_moments(w, traces)) is not None]
    rates = [peak_rate_per_s(w, scenario.duration_s) or 1.0 for w in asking]
    return mixture(moments, rates), tightest_tpot_s([w.slo for w in asking])


def _why_not(faults: Sequence[str], chip: str, template: Pool, tpot_s: float | None) -> str:
    fitting = [f for f in faults if "does not fit" in f]
    if fitting:
        return f"{fitting[-1]} (the largest replica tried)"
    if faults and tpot_s is None:
        return faults[-1]
    return (
        f"no deployment of {template.model} on {chip} steps within a TPOT of {tpot_s:g} s"
        if tpot_s
        else "none fits"
    )


def templates(scenario: Scenario) -> tuple[Pool, ...]:
    """The first pool of each model: what others are deployed like. Raises ScenarioError for pools with roles, whose
    ratio is another search."""
    apart = [i for i, pool in enumerate(scenario.pools) if pool.role is not None]
    if apart:
        text = "deployments are chosen for pools that prefill and decode; this one does a part"
        hint = "use simulate plan --disaggregate for the split, or --fixed-fleet for what the fleet holds"
        raise ScenarioError(Fault(f"pool[{apart[0]}].role", text, hint))
    first: dict[str, Pool] = {}
    for pool in scenario.pools:
        first.setdefault(pool.model, pool)
    return tuple(first.values())


def known_accelerators(names: Sequence[str]) -> tuple[str, ...]:
    """Catalog names of accelerators; raises ScenarioError with every unknown one and the nearest names."""
    found, faults = [], []
    for name in names:
        try:
            found.append(accelerator(name).name)
        except UserError as error:
            faults += [Fault("--accelerators", f.message, f.hint) for f in error.faults]
    if faults:
        raise ScenarioError(faults)
    return tuple(dict.fromkeys(found))
