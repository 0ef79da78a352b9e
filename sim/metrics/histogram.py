"""Log-bucket histogram: 64 linear buckets per octave, so a quantile is within 0.8 % of the sample; merging is `+`.

The bucket of a positive double is read off its bits (exponent and top six bits of the mantissa), as in
HdrHistogram (G. Tene, hdrhistogram.org), without a logarithm.
"""

from __future__ import annotations

# pyright: reportCallIssue=false, reportAttributeAccessIssue=false, reportPrivateImportUsage=false
# (numba's types do not know all of its options)
import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

SUB_BITS = 6
LOWEST_EXPONENT = -24
"""Values below 2**-24 (6e-8) share bucket 0."""
OCTAVES = 48
BUCKETS = OCTAVES << SUB_BITS

_SHIFT = 52 - SUB_BITS
_OFFSET = (1023 + LOWEST_EXPONENT) << SUB_BITS


@intrinsic
def _bits(typing_context, value):
    """The 64 bits of a double as int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), codegen


@njit(_nrt=False, forceinline=True)
def bucket(value):
    """Index of the bucket that holds `value` (float64, any unit); what lies outside the range is clipped."""
    i = (_bits(value) >> _SHIFT) - _OFFSET
    return min(max(i, 0), BUCKETS - 1)


def bucket_of(value: float) -> int:
    """`bucket` in plain Python."""
    return min(max((int(np.float64(value).view(np.int64)) >> _SHIFT) - _OFFSET, 0), BUCKETS - 1)


def edges() -> np.ndarray:
    """Bucket edges, float64[BUCKETS + 1]; bucket i holds edges[i] <= value < edges[i + 1]."""
    i = np.arange(BUCKETS + 1)
    return np.ldexp(1 + (i & ((1 << SUB_BITS) - 1)) / (1 << SUB_BITS), (i >> SUB_BITS) + LOWEST_EXPONENT)


def quantile(counts: np.ndarray, q: float) -> float:
    """The `q` quantile of a histogram int64[BUCKETS], placed within its bucket by rank; nan if it is empty.

    A value in bucket 0 (as a wait of zero) counts as 0.
    """
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    if total == 0:
        return math.nan
    rank = q * (total - 1)
    i = int(np.searchsorted(cumulative, rank, side="right"))
    if i == 0:
        return 0.0
    low, high = edges()[i : i + 2]
    before = int(cumulative[i - 1])
    return float(low + (high - low) * (rank - before + 0.5) / int(counts[i]))
