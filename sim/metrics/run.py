"""What an engine hands on: the raw, additive books of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RunMetrics:
    """Books of one run, of W workloads and P pools; columns as named in `sim.engine.state`.

    counters: int64[W, C].  histograms: int64[W, 4, BUCKETS] of TTFT, TPOT, end-to-end and queue time [s].
    sums: float64[W, 4], sums of the same latencies [s].
    windows: float64[P, N, columns]; window i covers [origin_s + i width_s, origin_s + (i + 1) width_s).
    stage_counters: int64[stages of all programs, columns].  stage_times: float64[stages, columns] [s].
    calls: finished requests, LOG records in order of completion, as many as were asked for.  passes: the same of the
    passes of programs.
    end_s: the time at which the last call ended.  in_flight: calls that had not ended by then.
    segments: events of the data plane.  governed: of each cell, what its power governor saw (records of time_s,
    site_w and rung).  fleet, outages: of each cell, what its control plane did (records of `sim.engine.fleet.spec`);
    empty where nothing changes the fleet.
    """

    counters: np.ndarray
    histograms: np.ndarray
    sums: np.ndarray
    windows: np.ndarray
    window_s: float
    window_origin_s: float
    stage_counters: np.ndarray
    stage_times: np.ndarray
    calls: np.ndarray
    passes: np.ndarray
    end_s: float
    in_flight: int
    segments: int
    governed: tuple[np.ndarray, ...] = ()
    fleet: tuple[np.ndarray, ...] = ()
    outages: tuple[np.ndarray, ...] = ()

    def window_starts_s(self) -> np.ndarray:
        """Start of each window, float64[N] [s]."""
        return self.window_origin_s + self.window_s * np.arange(self.windows.shape[1])


def merge(parts: Sequence[RunMetrics]) -> RunMetrics:
    """The books of several cells as one; calls that end at one tick stand in the order of their cells."""
    if len(parts) == 1:
        return parts[0]
    longest = max(p.windows.shape[1] for p in parts)
    windows = sum(np.pad(p.windows, ((0, 0), (0, longest - p.windows.shape[1]), (0, 0))) for p in parts)
    return RunMetrics(
        counters=np.sum([p.counters for p in parts], axis=0),
        histograms=np.sum([p.histograms for p in parts], axis=0),
        sums=np.sum([p.sums for p in parts], axis=0),
        windows=np.asarray(windows),
        window_s=parts[0].window_s,
        window_origin_s=parts[0].window_origin_s,
        stage_counters=np.sum([p.stage_counters for p in parts], axis=0),
        stage_times=np.sum([p.stage_times for p in parts], axis=0),
        calls=_in_order([p.calls for p in parts]),
        passes=_in_order([p.passes for p in parts]),
        end_s=max(p.end_s for p in parts),
        in_flight=sum(p.in_flight for p in parts),
        segments=sum(p.segments for p in parts),
        governed=tuple(rows for p in parts for rows in p.governed),
        fleet=tuple(rows for p in parts for rows in p.fleet),
        outages=tuple(rows for p in parts for rows in p.outages),
    )


def _in_order(logs: Sequence[np.ndarray]) -> np.ndarray:
    rows = np.concatenate(logs)
    return rows[np.argsort(np.round(rows["finish_s"] * 2.0**30), kind="stable")]
