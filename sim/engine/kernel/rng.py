"""Keyed randomness: a draw depends on (key, counter) only, never on the order of events.

The generator is splitmix64 read at random places: state = key + counter x golden ratio, then Stafford's mix 13
(Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195). Keys come from `stream_key`; counters are request ids times
`DRAWS` plus the number of the draw.
"""

from __future__ import annotations

import math

import numpy as np
from numba import uint64

from sim.engine.kernel.jit import scalar, shared

DRAWS = 64
"""Draws that one request may take from one stream."""

_GOLDEN = uint64(0x9E3779B97F4A7C15)
_MIX_1 = uint64(0xBF58476D1CE4E5B9)
_MIX_2 = uint64(0x94D049BB133111EB)


@scalar
def mix(z):
    """splitmix64's output function on uint64."""
    z = (z ^ (z >> uint64(30))) * _MIX_1
    z = (z ^ (z >> uint64(27))) * _MIX_2
    return z ^ (z >> uint64(31))


@scalar
def bits(key, counter):
    """64 random bits of stream `key` (uint64) at `counter` (integer)."""
    return mix(key + (uint64(counter) + uint64(1)) * _GOLDEN)


@scalar
def uniform(key, counter):
    """Uniform in (0, 1), never 0 or 1."""
    return (np.float64(bits(key, counter) >> uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@shared
def exponential(key, counter):
    """Exponential of mean 1."""
    return -math.log(uniform(key, counter))


@shared
def weibull(key, counter, shape, scale):
    """Weibull of `shape` and `scale`: scale (-ln U)^(1 / shape) (Weibull 1951, doi:10.1115/1.4010337)."""
    return scale * exponential(key, counter) ** (1.0 / shape)


@shared
def normal(key, counter):
    """Standard normal from draws `counter` and `counter` + 1 (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(uniform(key, counter)))
    return radius * math.cos(2.0 * math.pi * uniform(key, counter + 1))


@shared
def gamma(key, counter, shape):
    """Gamma of `shape` and mean 1, from at most DRAWS draws (Marsaglia and Tsang 2000, doi:10.1145/358407.358414)."""
    boost = 1.0
    a = shape
    if shape < 1.0:
        boost = uniform(key, counter + DRAWS - 1) ** (1.0 / shape)
        a = shape + 1.0
    d = a - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    v = 1.0
    for attempt in range(DRAWS // 3 - 1):
        x = normal(key, counter + 3 * attempt)
        v = (1.0 + c * x) ** 3
        if v > 0.0:
            u = uniform(key, counter + 3 * attempt + 2)
            if math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
                break
    return d * max(v, 0.0) * boost / shape


def stream_key(seed: int, *path: int) -> np.uint64:
    """Key of a stream of draws, from the run's seed and small integers that name the stream."""
    with np.errstate(over="ignore"):
        key = np.uint64(seed % (1 << 64))
        for part in (len(path), *path):
            key = _mix_python(key + (np.uint64(part) + np.uint64(1)) * np.uint64(_GOLDEN))
    return key


def _mix_python(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    return z ^ (z >> np.uint64(31))
