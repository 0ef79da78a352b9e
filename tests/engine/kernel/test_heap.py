from __future__ import annotations

import heapq

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.kernel import heap

VALUES = st.lists(st.integers(-50, 50), min_size=1, max_size=60)


def filled(values):
    row = np.zeros(len(values) + 1, np.int64)
    for count, value in enumerate(values):
        heap.push(row, count, value)
    return row


def drained(row, count):
    return [heap.pop(row, left) for left in range(count, 0, -1)]


@given(VALUES)
def test_pops_in_order(values):
    assert drained(filled(values), len(values)) == sorted(values)


@given(VALUES, st.data())
def test_remove_leaves_a_heap_of_the_rest(values, data):
    row, count = filled(values), len(values)
    i = data.draw(st.integers(0, count - 1))
    gone = int(row[i])
    heap.remove(row, count, i)
    rest = sorted(values)
    rest.remove(gone)
    assert drained(row, count - 1) == rest


@given(VALUES)
def test_agrees_with_heapq(values):
    expected = list(values)
    heapq.heapify(expected)
    assert heap.pop(filled(values), len(values)) == heapq.heappop(expected)
