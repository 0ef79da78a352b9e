from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.kernel import tournament

FILLER = 100


@given(st.integers(1, 700), st.lists(st.tuples(st.integers(0, 699), st.integers(-5, 5)), max_size=80))
def test_first_is_the_lowest_index_of_the_smallest_key(count, changes):
    tree = np.zeros(tournament.size_for(count), np.int64)
    tournament.fill(tree, count, 3, FILLER)
    keys = np.full(count, 3)
    for i, key in changes:
        keys[i % count] = key
        tournament.update(tree, i % count, key)
        assert tournament.key_at(tree, i % count) == key
        assert tournament.first(tree) == int(np.argmin(keys))


@pytest.mark.parametrize(("count", "size"), [(1, 6), (2, 6), (3, 12), (64, 192), (65, 384)])
def test_size_is_of_a_full_tree(count, size):
    assert tournament.size_for(count) == size
