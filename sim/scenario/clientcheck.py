"""Faults between what clients do and the rest of a scenario: priorities, programs of passes,
sessions, regions."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING

from sim.errors import Fault, did_you_mean
from sim.scenario.mitigation import NONE
from sim.scenario.workload import FROM_TRACE, Workload

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario


def client_faults(scenario: Scenario) -> Iterable[Fault]:
    """What a workload's clients cannot do."""
    for i, workload in enumerate(scenario.workloads):
        path = f"workload[{i}]"
        others = [w for w in scenario.workloads if w is not workload and w.model == workload.model]
        if workload.admit_below is not None and any(w.priority <= workload.priority for w in others):
            least = min(w.priority for w in others)
            yield Fault(
                f"{path}.admit_below",
                "what waits would hold up others: this workload must have a lower priority than all others of its "
                f"model, and {workload.priority} is not below {least}",
                f"for example priority = {least - 1}",
            )
        for key in ("retry", "spill"):
            if getattr(workload, key) is not None and not workload.is_plain:
                yield Fault(
                    f"{path}.{key}",
                    "is for requests of one call, and these take several passes",
                    "leave it out, or use neither mitigation nor session",
                )
        if workload.session is not None:
            yield from _session_faults(f"{path}.session", workload)


def _session_faults(path: str, workload: Workload) -> Iterable[Fault]:
    """Sessions whose turns would not be single passes, or would find no lengths of their own."""
    technique = workload.mitigation.technique
    if technique != NONE:
        text = f'the turns of a session are single passes, but mitigation is "{technique}"'
        yield Fault(path, text, "leave out session or mitigation")
    if workload.job is not None:
        yield Fault(path, "images and videos are made one by one", "leave it out")
    if workload.lengths == FROM_TRACE:
        text = "every turn draws an answer's length, but the lengths are those recorded with the arrivals"
        yield Fault(path, text, 'for lengths drawn from the file: lengths = { kind = "trace", path = "..." }')


def region_faults(scenario: Scenario) -> Iterable[Fault]:
    """Regions that no link joins, and links between regions that nothing stands in."""
    named = [x.region for x in (*scenario.workloads, *scenario.pools)]
    regions = sorted({name for name in named if name is not None})
    joined = {frozenset(link.between) for link in scenario.links}
    for i, link in enumerate(scenario.links):
        for name in link.between:
            if name not in regions:
                hint = did_you_mean(name, regions) or f"the regions are {', '.join(regions) or 'none'}"
                yield Fault(f"link[{i}].between", f'no workload or pool is in the region "{name}"', hint)
    if regions and None in named:
        for kind, members in (("workload", scenario.workloads), ("pool", scenario.pools)):
            for i, member in enumerate(members):
                if member.region is None:
                    yield Fault(f"{kind}[{i}].region", "is required where others have a region")
        return
    for (i, workload), (j, pool) in product(enumerate(scenario.workloads), enumerate(scenario.pools)):
        ends = frozenset((workload.region, pool.region))
        asked = {workload.model, *workload.mitigation.models.values()}
        if pool.model in asked and len(ends) == 2 and ends not in joined:
            joined.add(ends)  # told once
            yield Fault(
                f"workload[{i}].region",
                f'no [[link]] joins "{workload.region}" and pool[{j}]\'s "{pool.region}"',
                f'for example [[link]] between = ["{workload.region}", "{pool.region}"], round_trip = "80 ms"',
            )
