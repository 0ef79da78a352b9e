"""Who and what each dollar was spent on: the lines of a ledger divided by pool, workload, pass and phase.

A pool costs the same busy or idle, so its dollars are divided by time: the idle part of the span is the phase
`idle`; the busy part goes to the work done, each token weighing the time that its phase takes when it runs alone at
the pool's own batch and context. Electricity is divided the same way, but for its idle part, which is the energy
drawn idle. Training is divided by tokens. Idle dollars are borne by workloads and passes as busy ones are; where a
pool did no work at all they are nobody's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sim.economics.lines import Lines
from sim.economics.usage import PoolUsage, Usage

NOBODY = "(none)"
PREFILL, DECODE, IDLE = "prefill", "decode", "idle"
AXES = ("line", "pool", "workload", "pass", "phase")


@dataclass(frozen=True)
class Entry:
    """One amount [$] and what it was for. stage: workload and pass, as "chat/answer"."""

    line: str
    pool: str
    workload: str
    stage: str
    phase: str
    usd: float


Key = tuple[str, str, str]
"""Workload, pass, phase."""


def entries(lines: Lines, usage: Usage) -> tuple[Entry, ...]:
    """Every line divided; the entries of a line and pool sum to its dollars."""
    return tuple(
        Entry(line, pool.name, *key, usd * share)
        for i, pool in enumerate(usage.pools)
        for line, shares in _shares_by_line(lines, pool, usage)
        for key, share in shares.items()
        if (usd := lines[line][i])
    )


def sums(of: tuple[Entry, ...], axis: str) -> dict[str, float]:
    """Dollars by the values of one of `AXES`; on every axis they sum to the same total."""
    field = "stage" if axis == "pass" else axis
    found: dict[str, list[float]] = {}
    for entry in of:
        found.setdefault(getattr(entry, field), []).append(entry.usd)
    return {name: math.fsum(each) for name, each in found.items()}


def _shares_by_line(lines: Lines, pool: PoolUsage, usage: Usage) -> Iterator[tuple[str, Mapping[Key, float]]]:
    by_time = _shares(pool, usage, idle=1 - pool.busy)
    by_energy = _shares(pool, usage, idle=pool.idle_j / pool.it_j if pool.it_j else 0.0)
    by_tokens = _normalised(_weights(pool, usage, prefill=1.0, decode=1.0)) or {(NOBODY, NOBODY, IDLE): 1.0}
    for line in lines:
        yield line, {"electricity": by_energy, "training": by_tokens}.get(line, by_time)


def _shares(pool: PoolUsage, usage: Usage, *, idle: float) -> dict[Key, float]:
    """Shares of a pool's dollars that sum to 1, of which `idle` were spent on nothing."""
    busy = _normalised(_weights(pool, usage, prefill=pool.prefill_s, decode=pool.decode_s))
    if not busy:
        return {(NOBODY, NOBODY, IDLE): 1.0}
    found = {key: share * (1 - idle) for key, share in busy.items()}
    for (workload, stage, _), share in busy.items():
        bearer = (workload, stage, IDLE)
        found[bearer] = found.get(bearer, 0.0) + share * idle
    return found


def _weights(pool: PoolUsage, usage: Usage, *, prefill: float, decode: float) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for work in usage.work:
        if work.model != pool.model:
            continue
        stage = f"{work.workload}/{work.stage}"
        for phase, weight in ((PREFILL, work.prefilled * prefill), (DECODE, work.output * decode)):
            key = (work.workload, stage, phase)
            found[key] = found.get(key, 0.0) + weight
    return found


def _normalised(weights: Mapping[Key, float]) -> dict[Key, float]:
    total = math.fsum(weights.values())
    return {key: weight / total for key, weight in weights.items()} if total else {}
