"""One planned fleet as a point: what it costs, how fast it answers, what it draws; limits, and the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.scenario.schema import Scenario
from sim.study.compare import racks
from sim.study.sizing import Sized

OBJECTIVES = {"cost": "usd_per_hour", "accelerators": "accelerators", "energy": "j_per_output_token"}
FRONT = ("usd_per_hour", "e2e_p90_s", "j_per_output_token")
"""What the Pareto front trades: cost, latency, energy."""


@dataclass(frozen=True)
class Limits:
    """What a fleet may be at most; None is no limit.

    site_w: nameplate IT power times the PUE [W].  capex_usd: servers, network and storage [$].
    """

    site_w: float | None = None
    capex_usd: float | None = None
    usd_per_hour: float | None = None
    accelerators: float | None = None
    racks: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Point:
    """A fleet that meets the latency targets, and its figures by name."""

    sized: Sized
    figures: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {
            "pools": [pool_words(p) for p in self.sized.scenario.pools],
            "replicas": self.sized.replicas,
            "cells": self.sized.cells,
            **{k: v if math.isfinite(v) else None for k, v in self.figures.items()},
        }


def pool_words(pool: Any) -> dict[str, Any]:
    """A pool in a plan: what to deploy, and how often."""
    return {
        "accelerator": pool.accelerator,
        "model": pool.model,
        "replicas": pool.replicas,
        "precision": pool.precision,
        "tensor_parallel": pool.tensor_parallel,
        "pipeline_parallel": pool.pipeline_parallel,
        "attention_data_parallel": pool.attention_data_parallel,
        "expert_parallel": pool.expert_parallel,
        "scheduler": pool.scheduler.kind,
        "max_batch": pool.scheduler.max_batch,
        "token_budget": pool.scheduler.token_budget,
    }


def point(sized: Sized) -> Point:
    """The whole fleet's figures, from the first verifying run of one of its cells."""
    s, cells = sized.summary, sized.cells
    capex = s["cost"]["capex_usd"]
    latency = s["latency"]
    return Point(
        sized,
        {
            "accelerators": float(sized.accelerators),
            "site_w": s["power"]["provisioned_it_w"] * cells * sized.scenario.site.pue,
            "capex_usd": math.nan if capex is None else capex * cells,
            "usd_per_hour": s["cost"]["usd_per_hour"] * cells,
            "racks": float(sum(racks(p["accelerator"], p["servers"] * cells) for p in s["pools"])),
            "usd_per_mtok_output": _number(s["cost"]["usd_per_mtok_output"]),
            "usd_per_request": _number(s["cost"]["usd_per_request"]),
            "j_per_output_token": _number(s["energy"]["j_per_output_token"]),
            "ttft_p99_s": _number(latency["ttft_s"]["p99"]),
            "tpot_p99_s": _number(latency["tpot_s"]["p99"]),
            "e2e_p90_s": _number(latency["e2e_s"]["p90"]),
            "attainment": min(
                (v.attainment for v in sized.verdicts if v.attainment is not None), default=math.nan
            ),
        },
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def overshoot(found: Point, limits: Limits) -> dict[str, float]:
    """Each limit that the fleet exceeds, as the fleet's figure over the limit, the furthest first."""
    over = {
        name: found.figures[name] / limit
        for name, limit in limits.as_dict().items()
        if limit is not None and found.figures[name] > limit
    }
    return dict(sorted(over.items(), key=lambda item: -item[1]))


def near_limits(found: Point, limits: Limits) -> list[str]:
    """Limits that the fleet with one replica more would exceed (power, budget, ...)."""
    more = 1 + 1 / found.sized.replicas
    return [
        n for n, limit in limits.as_dict().items() if limit is not None and found.figures[n] * more > limit
    ]


def pareto_front(points: Sequence[Point], keys: Sequence[str] = FRONT) -> tuple[Point, ...]:
    """Points that no other beats or equals in every one of `keys` (smaller is better) without being equal in all,
    by the first key; of equal points the first stands."""
    front: list[Point] = []
    for p in sorted(points, key=lambda p: tuple(p.figures[k] for k in keys)):
        if not any(all(q.figures[k] <= p.figures[k] for k in keys) for q in front):
            front.append(p)
    return tuple(front)


def describe(scenario: Scenario) -> str:
    """The fleet in one line: "12 x TP2 H100-SXM-80GB fp8 b256"."""
    parts = []
    for p in scenario.pools:
        cut = f"TP{p.tensor_parallel}"
        cut += f" PP{p.pipeline_parallel}" if p.pipeline_parallel > 1 else ""
        cut += f" DP{p.attention_data_parallel}" if p.attention_data_parallel > 1 else ""
        parts.append(f"{p.replicas:,} x {cut} {p.accelerator} {p.precision} b{p.scheduler.max_batch}")
    return " + ".join(parts)
