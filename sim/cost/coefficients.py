"""The efficiencies and overheads of a step, by (accelerator generation, serving stack, precision).

A coefficient is  value of the stack x factor of the generation x factor of the precision, held within
bounds: stacks are stated for the reference generation (Hopper) in 16 bits; the factors say how the others
differ. A stack inherits what it does not state from the stack it is `like`; a generation without factors of
its own takes those of `generation.unmeasured`, and the answer says so and carries a wider band.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from sim.cost.calibration import Catalog, default_catalog
from sim.cost.types import Knowledge
from sim.errors import CatalogError, Fault, did_you_mean


def _of(unit: str, low: float, high: float, doc: str):
    return field(metadata={"unit": unit, "low": low, "high": high, "doc": doc})


@dataclass(frozen=True)
class Coefficients:
    """What shapes and datasheets do not tell. Unit, bounds and meaning stand in each field's metadata."""

    weight_bandwidth: float = _of("1", 0.2, 1.05, "share of datasheet bandwidth when reading dense weights")
    expert_bandwidth: float = _of("1", 0.1, 1.1, "share of datasheet bandwidth when reading routed experts")
    kv_bandwidth: float = _of("1", 0.1, 1.0, "share of datasheet bandwidth when reading the KV cache")
    dense_flops: float = _of("1", 0.05, 1.0, "share of dense peak in large matrix products")
    expert_flops: float = _of("1", 0.02, 1.0, "share of dense peak in grouped expert products")
    attention_flops: float = _of("1", 0.05, 1.0, "share of 16-bit peak in attention")
    all_reduce_latency_s: float = _of("s", 0.0, 5e-4, "one collective inside the scale-up domain, no data")
    link_bandwidth: float = _of("1", 0.1, 1.0, "share of one-way link bandwidth in collectives")
    scale_out_latency_s: float = _of("s", 0.0, 5e-4, "one hop of a collective beyond the scale-up domain")
    layer_s: float = _of("s", 0.0, 1e-3, "small kernels and launches of one layer")
    expert_layer_s: float = _of("s", 0.0, 1e-3, "routing, gathering and combining in one layer of experts")
    host_step_s: float = _of("s", 0.0, 2e-2, "scheduler and runtime, per step")
    host_sequence_s: float = _of("s", 0.0, 1e-3, "host work per running sequence and step")
    host_prefill_token_s: float = _of("s", 0.0, 1e-4, "host work per prefill token")
    host_serial: float = _of("1", 0.02, 1.0, "share of the host's work that holds the accelerators up")
    admit_s: float = _of("s", 0.0, 0.2, "engine blocked per admitted call")
    first_token_s: float = _of("s", 0.0, 2.0, "HTTP, tokenizer and first detokenizing, outside the engine")
    reserve_bytes: float = _of("B", 0.0, 1e10, "context, communication buffers and graphs, per accelerator")
    base_power: float = _of("TDP", 0.02, 0.6, "draw while serving that no work explains, as a share of TDP")
    flop_power: float = _of("TDP", 0.1, 6.0, "draw at 100 % of dense peak, as a share of TDP")
    irregular_power: float = _of("TDP", 0.0, 15.0, "more of it in FLOPs of fine experts and recurrent layers")
    byte_power: float = _of("TDP", 0.1, 3.0, "draw at 100 % of datasheet bandwidth, as a share of TDP")
    resident_power: float = _of("TDP", 0.0, 0.4, "draw above bare idle with a model loaded and nothing to do")


NAMES = tuple(f.name for f in fields(Coefficients))


@dataclass(frozen=True)
class Fitted:
    """The coefficients in force and how they are known.

    sigma: standard deviation of the natural logarithm of each coefficient (a multiplicative band).
    sources: citation of each.
    memory_rule: what `memory_fraction` is a share of: "card", or "rest" (what the weights leave).
    expands_kv: attention copies shared key-value heads out to every query head (eager code does).
    reference_flops_per_w, reference_bytes_per_j: 16-bit peak and bandwidth per watt of TDP of the chip that
        the power coefficients were measured on.
    """

    coefficients: Coefficients
    sigma: Mapping[str, float]
    sources: Mapping[str, str]
    memory_rule: str
    expands_kv: bool
    reference_flops_per_w: float
    reference_bytes_per_j: float
    knowledge: Knowledge
    warnings: tuple[str, ...]


def stacks(catalog: Catalog | None = None) -> tuple[str, ...]:
    """Names of the serving stacks, in the catalog's order."""
    return tuple((catalog or default_catalog()).tables["stack"])


@functools.cache
def coefficients(generation: str, stack: str, precision: str, catalog: Catalog | None = None) -> Fitted:
    """The coefficients for a generation ("hopper"), stack ("vllm-2025") and weight precision ("fp8").

    catalog: where from; by default the calibrated one.
    Raises CatalogError, with the nearest names, for an unknown stack; every other gap is bridged by
    inheritance and reported in `knowledge` and `warnings`.
    """
    tables = (catalog or default_catalog()).tables
    if stack not in tables["stack"]:
        hint = f"known: {', '.join(tables['stack'])}. {did_you_mean(stack, tables['stack'])}".strip()
        raise CatalogError(Fault("stack", f'"{stack}" is not a known serving stack', hint))
    entries = _stack_entries(tables, stack)
    of_generation = _generation(tables, generation)
    factors = [of_generation, tables["precision"].get(format_family(precision), {})]
    values, sigma, sources = {}, {}, {}
    for name in NAMES:
        values[name], sigma[name], tags = _combine(name, entries[name], factors)
        sources[name] = "; ".join(tables["sources"][t] for t in tags)
    knowledge, warnings = _knowledge(tables, generation, stack, precision)
    return Fitted(
        coefficients=Coefficients(**bounded(values)),
        sigma=sigma,
        sources=sources,
        memory_rule=_stack_property(tables, stack, "memory_rule"),
        expands_kv=_stack_property(tables, stack, "expands_kv"),
        reference_flops_per_w=of_generation["reference"]["flops_per_w"],
        reference_bytes_per_j=of_generation["reference"]["bytes_per_j"],
        knowledge=knowledge,
        warnings=warnings,
    )


def coverage() -> Mapping[str, int]:
    """The largest max_batch, max_step_tokens and tensor_parallel among the measured rows."""
    return default_catalog().tables["coverage"]


def weak_spots() -> Mapping[str, str]:
    """What is known to be predicted badly, by model feature ("recurrent", "latent", "fine_experts")."""
    return default_catalog().tables["weak_spots"]


def stack_chain(stack: str, catalog: Catalog | None = None) -> tuple[str, ...]:
    """The stack and those it is like, nearest first."""
    table = (catalog or default_catalog()).tables["stack"][stack]
    return (stack, *stack_chain(table["like"], catalog)) if "like" in table else (stack,)


def format_family(precision: str) -> str:
    """The name under which coefficients of a weight precision are kept: both 16-bit formats are one."""
    return "bf16" if precision == "fp16" else precision


def _combine(name: str, entry: Mapping, levels: list[Mapping]) -> tuple[float, float, list[str]]:
    """Value, log-sd and source tags of one coefficient: the stack's value times each level's factor."""
    value, variance, tags = entry["v"], entry["sigma"] ** 2, [entry["src"]]
    for level in levels:
        change = level.get("set", {}).get(name)
        if change is not None:
            value, variance, tags = change["v"], change["sigma"] ** 2, [change["src"]]
        change = level.get("factor", {}).get(name)
        if change is not None:
            value, variance = value * change["v"], variance + change["sigma"] ** 2
            tags = tags if change["src"] in tags else [*tags, change["src"]]
    return value, math.sqrt(variance), tags


def bounded(values: Mapping[str, float]) -> dict[str, float]:
    """Values of coefficients by name, held within the bounds that each field states."""
    limits = {f.name: (f.metadata["low"], f.metadata["high"]) for f in fields(Coefficients)}
    return {n: min(max(v, limits[n][0]), limits[n][1]) for n, v in values.items()}


def _stack_entries(tables: Mapping, stack: str) -> dict[str, Mapping]:
    table = tables["stack"][stack]
    inherited = _stack_entries(tables, table["like"]) if "like" in table else {}
    return {**inherited, **{n: table[n] for n in NAMES if n in table}}


def _stack_property(tables: Mapping, stack: str, key: str):
    table = tables["stack"][stack]
    return table[key] if key in table else _stack_property(tables, table["like"], key)


def _generation(tables: Mapping, generation: str) -> Mapping:
    """The generation's table, completed from the one it is `like`."""
    all_of_them = tables["generation"]
    own = all_of_them.get(generation, all_of_them["unmeasured"])
    if "like" not in own:
        return own
    parent = _generation(tables, own["like"])
    merged = {k: {**parent.get(k, {}), **own.get(k, {})} for k in ("set", "factor")}
    return {**parent, **own, **merged}


def _knowledge(
    tables: Mapping, generation: str, stack: str, precision: str
) -> tuple[Knowledge, tuple[str, ...]]:
    """How far the measured rows behind the coefficients cover this combination."""
    measured, family = tables["measured"], format_family(precision)
    here = [m for m in measured if m["generation"] == generation]
    same_stack = [m for m in here if m["stack"] == stack]
    gaps = []
    if not here:
        gaps.append(f"no serving measurement on {generation} accelerators: figures rest on the datasheet")
    elif not same_stack:
        seen = ", ".join(m["stack"] for m in here)
        gaps.append(f"{stack} was not measured on {generation} accelerators (measured there: {seen})")
    if here and not any(family in m["precisions"] for m in here):
        gaps.append(f"{precision} was not measured on {generation} accelerators")
    covered = any(family in m["precisions"] for m in same_stack)
    basis = "measured" if covered else "same family" if here else "datasheet only"
    error = tables["expected_error"][basis]
    return (
        Knowledge(basis, stack, error["note"], error["tpot"], error["ttft"], error["throughput"]),
        tuple(gaps),
    )
