"""The reference engine's adapters: those that running calls are for, and the unused in order of their release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.engine.kernel import rng
from sim.engine.kernel.ident import number_of
from sim.engine.plan import Plan

if TYPE_CHECKING:
    from sim.engine.reference.call import Call


class Adapters:
    """The adapters in the memory of one replica of `pool`."""

    def __init__(self, plan: Plan, pool: np.void):
        first = int(pool["adapter_first"])
        self.plan, self.places = plan, int(pool["adapter_slots"])
        self.popularity = plan.adapter_p[first : first + int(pool["adapters"])]
        self.users: dict[int, int] = {}
        self.unused: list[int] = []

    def of(self, call: Call) -> int:
        """Number of the adapter that a call's request is for."""
        key = self.plan.workloads[call.workload]["adapter_key"]
        u = rng.uniform(key, number_of(call.id) * rng.DRAWS)
        return min(int(np.searchsorted(self.popularity, u)), len(self.popularity) - 1)

    def has_place_for(self, call: Call) -> bool:
        return self.of(call) in self.users or len(self.users) < self.places or bool(self.unused)

    def take(self, call: Call) -> int:
        """Hold the call's adapter; returns 1 if it is loaded for that, else 0."""
        adapter = self.of(call)
        loaded = adapter not in self.users
        if loaded and len(self.users) == self.places:
            del self.users[self.unused.pop(0)]
        if adapter in self.unused:
            self.unused.remove(adapter)
        self.users[adapter] = self.users.get(adapter, 0) + 1
        return int(loaded)

    def release(self, call: Call) -> None:
        """The call no longer runs."""
        adapter = self.of(call)
        self.users[adapter] -= 1
        if self.users[adapter] == 0:
            self.unused.append(adapter)
