"""Names of calls: workload, number of the request in it, and number of the pass in the request, in one int64.

Among events of one kind at one tick the lower name goes first. Pass 0 is the request itself; a plain request is its
own only call.
"""

from __future__ import annotations

from sim.engine.kernel.jit import scalar

PASS_BITS, NUMBER_BITS = 14, 40
PASSES = 1 << PASS_BITS
_KEYED = (1 << (PASS_BITS + NUMBER_BITS)) - 1


@scalar
def name_of(workload, number):
    """Name of request `number` of `workload`."""
    return (workload << (PASS_BITS + NUMBER_BITS)) | (number << PASS_BITS)


@scalar
def workload_of(name):
    """Number of the workload."""
    return name >> (PASS_BITS + NUMBER_BITS)


@scalar
def number_of(name):
    """Number of the request in its workload."""
    return (name & _KEYED) >> PASS_BITS


@scalar
def pass_of(name):
    """Number of the pass in its request."""
    return name & (PASSES - 1)


@scalar
def keyed(name):
    """What draws of this pass are keyed by, within a workload's streams."""
    return name & _KEYED
