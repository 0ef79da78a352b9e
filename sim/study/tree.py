"""The parameters behind the coefficients: stacks that are like other stacks, times generations and precisions.

ln coefficient = sum of the stack's own deviation and those of the stacks it is like
               + deviation of the accelerator's generation + deviation of the weights' precision
               + what the uncalibrated catalog says of all three.

Each deviation has a normal prior of mean 0; its width says how much things of that kind differ. What no row
speaks of stays at 0: a stack without rows is its family, a generation without rows is `unmeasured`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.cost.calibration import Catalog
from sim.cost.coefficients import format_family, stack_chain

TIMING = (
    "weight_bandwidth",
    "expert_bandwidth",
    "kv_bandwidth",
    "dense_flops",
    "expert_flops",
    "attention_flops",
    "all_reduce_latency_s",
    "layer_s",
    "expert_layer_s",
    "host_step_s",
    "host_sequence_s",
    "host_prefill_token_s",
    "host_serial",
    "admit_s",
    "first_token_s",
)
"""Coefficients fitted to times; those of power are fitted after them."""
POWER = ("base_power", "flop_power", "irregular_power", "byte_power")

_ROOT = {n: 0.3 for n in TIMING} | {"weight_bandwidth": 0.1, "kv_bandwidth": 0.2, "host_serial": 0.3}
_STACK = {
    "weight_bandwidth": 0.10,
    "expert_bandwidth": 0.25,
    "kv_bandwidth": 0.20,
    "dense_flops": 0.20,
    "expert_flops": 0.40,
    "attention_flops": 0.30,
    "all_reduce_latency_s": 0.8,
    "layer_s": 0.5,
    "expert_layer_s": 0.5,
    "host_step_s": 0.5,
    "host_sequence_s": 0.8,
    "host_prefill_token_s": 0.6,
    "host_serial": 0.4,
    "admit_s": 1.0,
    "first_token_s": 0.8,
}
_GENERATION = {
    "weight_bandwidth": 0.10,
    "expert_bandwidth": 0.15,
    "kv_bandwidth": 0.20,
    "dense_flops": 0.30,
    "expert_flops": 0.40,
    "attention_flops": 0.30,
    "all_reduce_latency_s": 0.3,
    "layer_s": 0.2,
    "expert_layer_s": 0.2,
}
_PRECISION = {
    "weight_bandwidth": 0.10,
    "expert_bandwidth": 0.15,
    "dense_flops": 0.30,
    "expert_flops": 0.40,
    "layer_s": 0.2,
}
_POWER = {"base_power": 0.3, "flop_power": 0.4, "irregular_power": 0.6, "byte_power": 0.3}
REFERENCE = "hopper"
"""Stacks are stated for this generation in 16 bits, so neither has deviations of its own."""

TYPICAL = (REFERENCE, "ampere", "blackwell")
"""Generations whose mean stands in for those without measurements: GPUs with matrix units and HBM."""

Key = tuple[str, str, str]
"""(level, thing, coefficient): level is "stack", "generation" or "precision"."""


@dataclass(frozen=True)
class Tree:
    """Which deviations there are, and their prior widths (natural logarithm). float64[P]"""

    keys: tuple[Key, ...]
    width: np.ndarray
    names: tuple[str, ...]

    def index(self) -> Mapping[Key, int]:
        """Position of each key."""
        return {key: i for i, key in enumerate(self.keys)}

    def selection(self, places: Sequence[Place], catalog: Catalog) -> np.ndarray:
        """Which deviations each place's coefficients sum: bool[len(places), names, P]."""
        index = self.index()
        found = np.zeros((len(places), len(self.names), len(self.keys)), bool)
        for i, place in enumerate(places):
            for j, name in enumerate(self.names):
                for key in _keys_of(place, name, catalog):
                    if key in index:
                        found[i, j, index[key]] = True
        return found


@dataclass(frozen=True, order=True)
class Place:
    """Where coefficients differ: (generation, stack, precision family)."""

    generation: str
    stack: str
    precision: str


def place(generation: str, stack: str, precision: str) -> Place:
    """The place of a deployment."""
    return Place(generation, stack, format_family(precision))


def tree(
    places: Sequence[Place],
    names: Sequence[str],
    catalog: Catalog,
    only: tuple[str, str] | None = None,
) -> Tree:
    """Every deviation that some place uses; with `only`, those of one (level, thing)."""
    keys: dict[Key, float] = {}
    for p in places:
        for name in names:
            for key in _keys_of(p, name, catalog):
                if only is None or key[:2] == only:
                    keys.setdefault(key, _width(key, catalog))
    return Tree(tuple(keys), np.array([keys[k] for k in keys]), tuple(names))


def _keys_of(p: Place, name: str, catalog: Catalog) -> list[Key]:
    if name in _POWER:
        return [("generation", p.generation, name)]
    found: list[Key] = [("stack", s, name) for s in stack_chain(p.stack, catalog)]
    if p.generation != REFERENCE and name in _GENERATION:
        found.append(("generation", p.generation, name))
    if p.precision != "bf16" and name in _PRECISION:
        found.append(("precision", p.precision, name))
    return found


def _width(key: Key, catalog: Catalog) -> float:
    level, thing, name = key
    if name in _POWER:
        return _POWER[name]
    if level == "stack":
        return _STACK[name] if "like" in catalog.tables["stack"][thing] else _ROOT[name]
    return (_GENERATION if level == "generation" else _PRECISION)[name]
