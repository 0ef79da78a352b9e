from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.kernel import tournament


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(-5, 5)), max_size=60))
def test_winner_is_the_first_of_the_smallest(count, changes):
    winner, keys = tournament.new(count, 100)
    for i, key in changes:
        keys[i % count] = key
        tournament.update(winner, keys, i % count)
        assert winner[1] == int(np.argmin(keys))


def test_size_is_a_power_of_two_that_holds_all():
    assert [tournament.leaves_for(n) for n in (1, 2, 3, 4, 5, 65536)] == [2, 2, 4, 4, 8, 65536]
