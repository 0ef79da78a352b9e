"""Keyed draws: reproducible, even, independent of order, and of the laws they claim."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sim.engine.kernel import rng

KEY = rng.stream_key(7, 0, 1)


def sample(draw, count=20_000, **more):
    return np.array([draw(KEY, i * rng.DRAWS, **more) for i in range(count)])


def test_splitmix64_reference_values():
    # first outputs of splitmix64 from state 0 (Vigna, prng.di.unimi.it/splitmix64.c)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(rng.bits(np.uint64(0), i)) for i in range(3)] == expected


def test_a_draw_depends_on_its_counter_alone():
    forward = [rng.uniform(KEY, i) for i in range(50)]
    backward = [rng.uniform(KEY, i) for i in reversed(range(50))]
    assert forward == backward[::-1]


def test_streams_and_seeds_differ():
    keys = {int(rng.stream_key(seed, *path)) for seed in range(20) for path in ((0, 0), (0, 1), (1, 0), (1,))}
    assert len(keys) == 80


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (rng.uniform, stats.uniform()),
        (rng.exponential, stats.expon()),
        (rng.normal, stats.norm()),
    ],
    ids=["uniform", "exponential", "normal"],
)
def test_laws(draw, law):
    assert stats.kstest(sample(draw), law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("cv", [0.2, 1.0, 3.0, 8.0])
def test_gamma(cv):
    shape = cv**-2
    values = np.array([rng.gamma(KEY, i * rng.DRAWS, shape) for i in range(20_000)])
    assert stats.kstest(values, stats.gamma(shape, scale=1 / shape).cdf).pvalue > 1e-3


def test_neighbouring_requests_are_uncorrelated():
    u = sample(rng.uniform)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(len(u))
