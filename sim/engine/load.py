"""What a scaler sees of a cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Load(NamedTuple):
    """Of a cell at one tick.

    queued, running: int64[R], calls that wait, and that were admitted, at each replica.
    asked: int64[G], calls that were offered to each group so far.
    """

    queued: np.ndarray
    running: np.ndarray
    asked: np.ndarray
