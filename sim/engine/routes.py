"""Which pools stand behind one router, and in which order requests of a place try them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.scenario.client import Link
from sim.scenario.schema import Scenario
from sim.workload.program import Program

NONE = -1
Place = tuple[str, str | None]
"""A model, and the region from which it is asked."""


@dataclass(frozen=True)
class Routes:
    """group_of: of each pool.  chain_of: row of `chains` by model and region of the asker.

    chains, network_s: as in `sim.engine.plan.Plan`.
    """

    group_of: tuple[int, ...]
    chain_of: dict[Place, int]
    chains: np.ndarray
    network_s: np.ndarray


def routes_of(scenario: Scenario, programs: Sequence[Program]) -> Routes:
    """Pools of one model, tier and region are a group; a chain goes by tier, then by distance, then in order."""
    keys = [(pool.model, pool.tier, pool.region) for pool in scenario.pools]
    groups = list(dict.fromkeys(keys))
    chain_of: dict[Place, int] = {}
    chains: list[list[int]] = []
    for workload, program in zip(scenario.workloads, programs, strict=True):
        for model in dict.fromkeys([workload.model, *(stage.model for stage in program.stages)]):
            place = (model, workload.region)
            if place in chain_of:
                continue
            ranked = sorted(
                (tier, round_trip_s(scenario.links, workload.region, region), g)
                for g, (served, tier, region) in enumerate(groups)
                if served == model
            )
            chain_of[place] = len(chains)
            chains.append([g for _, _, g in ranked])
    longest = max(map(len, chains))
    return Routes(
        group_of=tuple(map(groups.index, keys)),
        chain_of=chain_of,
        chains=np.array([c + [NONE] * (longest - len(c)) for c in chains], np.int32),
        network_s=np.array(
            [
                [round_trip_s(scenario.links, w.region, pool.region) for pool in scenario.pools]
                for w in scenario.workloads
            ]
        ),
    )


def round_trip_s(links: Sequence[Link], here: str | None, there: str | None) -> float:
    """Time there and back between two regions [s]; none within one, endless where no link joins them."""
    if here == there:
        return 0.0
    found = [link.round_trip_s for link in links if set(link.between) == {here, there}]
    return min(found, default=float("inf"))
