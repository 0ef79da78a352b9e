"""Which replica takes a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.engine import state as S
from sim.engine.kernel import rng
from sim.engine.kernel.ident import keyed
from sim.engine.plan import (
    EFFICIENT_FIRST,
    LEAST_KV,
    LEAST_OUTSTANDING,
    POWER_OF_TWO,
    PREFIX_AWARE,
    RANDOM,
    ROUND_ROBIN,
    SESSION,
)
from sim.engine.reference.call import Call
from sim.engine.reference.prefix import texts_of

if TYPE_CHECKING:
    from sim.engine.reference.center import DataCenter
    from sim.engine.reference.replica import Replica


class Router:
    """The routers of one cell. turns: calls that each group was asked to take."""

    def __init__(self, center: DataCenter):
        self.center, self.plan = center, center.plan
        self.turns = [0] * len(self.plan.groups)

    def choose(self, call: Call) -> Replica | None:
        """A replica of the first group that is not full; if all are, of the first; None if none is open."""
        plan = self.plan
        row = plan.workloads[call.workload] if call.request is None else call.request.row(plan)
        fallback = None
        for g in plan.chains[row["chain"]]:
            if g == S.NONE:
                break
            replica = self.route(int(g), call)
            if replica is None:
                continue
            if len(replica.queue) + len(replica.running) < plan.groups[g]["overflow"]:
                return replica
            fallback = fallback or replica
        return fallback

    def route(self, g: int, call: Call) -> Replica | None:
        """An open replica of group `g`."""
        group = self.plan.groups[g]
        members = self.center.replicas[group["first_replica"] :][: group["replicas"]]
        members = [r for r in members if r.standing == S.OPEN]
        self.turns[g] += 1
        if not members:
            return None
        router = group["router"]
        key = self.plan.workloads[call.workload]["route_key"]

        def pick(k: int) -> Replica:
            counter = keyed(call.id) * rng.DRAWS + int(group["first_draw"]) + k
            return members[int(rng.uniform(key, counter) * len(members))]

        def outstanding(r: Replica) -> tuple[int, int]:
            return len(r.queue) + len(r.running) + int(r.pool["head_start"]), r.number

        if router == SESSION:
            if call.request is None:
                return min(members, key=outstanding)
            if call.request.home not in members:
                home = min(members, key=outstanding)
                if g != self.plan.chains[self.plan.workloads[call.workload]["chain"], 0]:
                    return home
                call.request.home = home
            return call.request.home
        if router == ROUND_ROBIN:
            return members[(self.turns[g] - 1) % len(members)]
        if router == RANDOM:
            return pick(0)
        if router == POWER_OF_TWO:
            return min(pick(0), pick(1), key=outstanding)
        if router in (LEAST_OUTSTANDING, EFFICIENT_FIRST):
            return min(members, key=outstanding)
        assert router in (LEAST_KV, PREFIX_AWARE)
        texts = texts_of(self.plan, call) if router == PREFIX_AWARE else []

        def load(r: Replica) -> tuple[float, int]:
            spared = r.prefix.found(texts, call.input) if texts and r.prefix is not None else 0
            to_compute = group["overlap_weight"] * (call.input - spared) if texts else 0
            return r.kv() + sum(c.need for c in r.queue) + to_compute, r.number

        return min(members, key=load)
