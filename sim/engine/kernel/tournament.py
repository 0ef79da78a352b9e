"""Which of many int64 keys is smallest: a winner tree walked without a branch to guess; ties go to the lower index.

`tree` is int64[3 * size], size a power of two: first the keys, then a binary tree of size leaves whose node names the
index of the smallest key below it (leaf i at size + i of it, the root at 1). A changed key is played up to the root
against each sibling's winner. Whose addresses these are is known beforehand, so they are fetched side by side; only
a comparison and two selections per level wait for one another.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from sim.engine.kernel.jit import shared


@shared
def key_at(tree, i):
    """Key of index `i`."""
    return tree[i]


@shared
def first(tree):
    """Index of the smallest key."""
    return tree[tree.size // 3 + 1]


@shared
def update(tree, i, key):
    """Set the key of index `i`."""
    size = uint64(tree.size) // uint64(3)
    tree[i] = key
    best = np.int64(i)
    node = size + uint64(i)
    while node > 1:
        sibling = tree[size + (node ^ uint64(1))]
        rival = tree[uint64(sibling)]
        lost = rival < key + np.int64(node & uint64(1))  # the left sibling of an odd node wins ties
        best = sibling if lost else best
        key = rival if lost else key
        node >>= uint64(1)
        tree[size + node] = best


def size_for(count: int) -> int:
    """Entries of a tree over `count` indices."""
    return 3 * max(2, 1 << (count - 1).bit_length())


def fill(tree: np.ndarray, count: int, key: int, filler: int) -> None:
    """Give the first `count` indices `key`, and those that only pad the tree `filler` (at least `key`)."""
    size = len(tree) // 3
    tree[:count] = key
    tree[count:size] = filler
    winners = np.arange(size)
    while True:
        tree[size + len(winners) : size + 2 * len(winners)] = winners
        if len(winners) == 1:
            return
        winners = winners[::2]  # keys do not fall with the index, so the left one wins
