"""Binary min-heap of int64 in a row of an array, its count kept by the caller."""

from __future__ import annotations

from sim.engine.kernel.jit import shared


@shared
def push(heap, count, value):
    """Add `value` to heap[:count]; the caller then counts one more."""
    i = count
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent] <= value:
            break
        heap[i] = heap[parent]
        i = parent
    heap[i] = value


@shared
def pop(heap, count):
    """Remove and return the smallest of heap[:count]; the caller then counts one less."""
    smallest = heap[0]
    _sift_down(heap, count - 1, 0, heap[count - 1])
    return smallest


@shared
def remove(heap, count, i):
    """Remove heap[i] from heap[:count]; the caller then counts one less."""
    last = heap[count - 1]
    if i == count - 1:
        return
    if i > 0 and heap[(i - 1) >> 1] > last:
        push(heap, i, last)
    else:
        _sift_down(heap, count - 1, i, last)


@shared
def _sift_down(heap, count, i, value):
    while True:
        child = 2 * i + 1
        if child >= count:
            break
        if child + 1 < count and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = value
