"""The windows that lie in the span that every figure covers: from the end of the warm-up to the end of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.metrics.run import RunMetrics


@dataclass(frozen=True)
class Span:
    """Windows of [start_s, end_s]. The first begins at start_s, the last ends at end_s.

    window_start_s, width_s: float64[N] [s].  columns: float64[P, N, columns], as named in `sim.engine.state`.
    """

    start_s: float
    end_s: float
    window_start_s: np.ndarray
    width_s: np.ndarray
    columns: np.ndarray

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


def span_of(metrics: RunMetrics, start_s: float, end_s: float) -> Span:
    """Cut the windows of a run to [start_s, end_s]; a window edge must fall on start_s.

    What is booked in windows that begin at end_s or later (an event on the last edge) counts to the last.
    """
    width = metrics.window_s
    first = round((start_s - metrics.window_origin_s) / width)
    count = max(1, math.ceil((end_s - start_s) / width - 1e-9))
    inside = metrics.windows[:, first : first + count]
    columns = np.pad(inside, ((0, 0), (0, count - inside.shape[1]), (0, 0)))
    columns[:, -1] += metrics.windows[:, first + count :].sum(axis=1)
    starts = start_s + width * np.arange(count)
    widths = np.minimum(starts + width, end_s) - starts
    return Span(start_s, end_s, starts, widths, columns)
