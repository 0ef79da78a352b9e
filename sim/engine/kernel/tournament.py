"""Which of many int64 keys is smallest: a min tree whose nodes are cache lines of eight keys.

`tree` is int64: first the 8 keys of the root's children, then the 64 of theirs, ..., last the leaves, one per index.
Each entry above the leaves is the least of the eight below it, so a changed key costs one line per level, log8(n) of
them, and none above the first level at which the least did not change. Ties go to the lower index.
"""

from __future__ import annotations

import numpy as np

from sim.engine.kernel.jit import shared

FAN = 8


@shared
def key_at(tree, i):
    """Key of index `i`."""
    return tree[((tree.size - 8) >> 3) + i]


@shared
def update(tree, i, key):
    """Set the key of index `i`."""
    offset = (tree.size - 8) >> 3
    tree[offset + i] = key
    while offset > 0:
        line = offset + (i & ~7)
        least = tree[line]
        for k in range(1, 8):
            least = min(least, tree[line + k])
        offset = (offset - 8) >> 3
        i >>= 3
        if tree[offset + i] == least:
            return
        tree[offset + i] = least


@shared
def first(tree):
    """Index of the smallest key."""
    leaves = (tree.size - 8) >> 3
    offset = 0
    i = 0
    while True:
        line = offset + 8 * i
        best = 0
        least = tree[line]
        for k in range(1, 8):
            if tree[line + k] < least:
                best, least = k, tree[line + k]
        i = 8 * i + best
        if offset == leaves:
            return i
        offset = 8 * offset + 8


def size_for(count: int) -> int:
    """Entries of a tree over `count` indices."""
    leaves = FAN
    while leaves < count:
        leaves *= FAN
    return (FAN * leaves - FAN) // (FAN - 1)


def fill(tree: np.ndarray, count: int, key: int, filler: int) -> None:
    """Give the first `count` indices `key`, and those that only pad the tree `filler` (at least `key`)."""
    end = tree.size
    level = np.full((FAN - 1) * end // FAN + 1, filler, np.int64)
    level[:count] = key
    while True:
        tree[end - level.size : end] = level
        end -= level.size
        if end == 0:
            return
        level = level.reshape(-1, FAN).min(axis=1)
