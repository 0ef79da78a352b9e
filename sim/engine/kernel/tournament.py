"""Winner tree: the index of the smallest of many int64 keys; ties go to the lower index.

`winner` is int32[2 * size], size a power of two: leaf i stands at size + i, and a node names the winner below it, so
winner[1] is the index of the smallest key. A changed key costs log2(size) comparisons, no positions are kept.
"""

from __future__ import annotations

import numpy as np

from sim.engine.kernel.jit import shared


def leaves_for(count: int) -> int:
    """Smallest power of two that is at least `count` (and 2)."""
    return max(2, 1 << (count - 1).bit_length())


@shared
def build(winner, keys):
    """Fill `winner` from `keys` int64[size]."""
    size = keys.size
    for i in range(size):
        winner[size + i] = i
    for node in range(size - 1, 0, -1):
        left, right = winner[2 * node], winner[2 * node + 1]
        winner[node] = left if keys[left] <= keys[right] else right


@shared
def update(winner, keys, i):
    """Restore the tree after keys[i] changed."""
    node = (keys.size + i) >> 1
    while node > 0:
        left, right = winner[2 * node], winner[2 * node + 1]
        best = left if keys[left] <= keys[right] else right
        if best == winner[node] and best != i:
            return  # i neither won here before nor wins now: nothing changes above
        winner[node] = best
        node >>= 1


def new(count: int, filler: int) -> tuple[np.ndarray, np.ndarray]:
    """A tree over `count` keys, all `filler`: (winner int32[2 * size], keys int64[size])."""
    size = leaves_for(count)
    keys = np.full(size, filler, np.int64)
    winner = np.zeros(2 * size, np.int32)
    build(winner, keys)
    return winner, keys
