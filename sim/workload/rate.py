"""The rate of arrivals over a run, and its integral as the engines use it.

    rate(t) = mean x shape x growth x ramp x product over surges

shape   hourly relative rates of mean 1, a step function of the hour, repeated by the day or the week
growth  g^(t / year), g the factor of a year
ramp    start + (end - start) t / duration
surge   1 + (factor - 1) s(t): s rises in a line over `ramp`, stays 1 for `lasts`, then falls as exp(-t / decay)

The engines draw a process of constant rate in operational time and map it to the clock by the inverse of the
cumulative rate (the time-rescaling theorem: D. J. Daley and D. Vere-Jones, An Introduction to the Theory of Point
Processes I, 2003, theorem 7.4.I), so that Poisson stays Poisson, and the gaps of others stretch and shrink with the
rate. The cumulative rate is given to them at the edges of equal cells, exact there and a straight line in between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.scenario.arrivals import UserArrivals
from sim.scenario.rate import Modulated, Surge, hourly

DAY_S, HOUR_S, YEAR_S = 86_400.0, 3600.0, 365.25 * 86_400.0
MOST_CELLS, FEWEST_CELLS = 1 << 17, 1024
WIDEST_CELL_S = 60.0
CELLS_OF_A_FEATURE = 16
"""Cells in the shortest part of a surge, as far as MOST_CELLS allow."""
TAIL = 40.0
"""Time constants after which nothing is left of an exponential fall (4e-18)."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)


@dataclass(frozen=True)
class Warp:
    """How a process of constant rate is mapped to the clock.

    rate_per_s: of operational time.  cumulative: float64[cells + 1], share of a period's arrivals that have come by
    each edge of its equal cells, from 0 to 1; None where the rate is constant.  start_s: where in the period a run
    begins.
    """

    rate_per_s: float
    cumulative: np.ndarray | None = None
    period_s: float = 0.0
    start_s: float = 0.0


def mean_rate_per_s(arrivals: Modulated) -> float:
    """Mean rate [requests/s] of the shape alone, before growth, ramp and surges."""
    if isinstance(arrivals, UserArrivals):
        return arrivals.users * arrivals.requests_per_user_per_day / DAY_S
    return arrivals.rate_per_s  # type: ignore[attr-defined]  # all others have it


def warp(arrivals: Modulated, duration_s: float) -> Warp:
    """The mapping for arrivals over `duration_s`: of one period of the shape where nothing else changes the rate, else
    of the whole run. Its rate is 0 where nothing arrives in the run.
    """
    mean, rates = mean_rate_per_s(arrivals), np.asarray(hourly(arrivals.shape), np.float64)
    if arrivals.changes_once:
        cells = _cells(arrivals, duration_s)
        edges = np.linspace(0.0, duration_s, cells + 1)
        cumulative = np.concatenate([[0.0], np.cumsum(expected(arrivals, edges, duration_s))])
        total = float(cumulative[-1])
        if total <= 0:
            return Warp(0.0)
        return Warp(total / duration_s, cumulative / total, duration_s)
    if len(rates) == 0:
        return Warp(mean)
    cumulative = np.concatenate([[0.0], np.cumsum(rates)]) / rates.sum()
    return Warp(mean, cumulative, HOUR_S * len(rates), HOUR_S * (arrivals.start_hour or 0.0))


def rates_per_s(arrivals: Modulated, times_s: np.ndarray, duration_s: float) -> np.ndarray:
    """The rate at each of `times_s` of a run of `duration_s` [requests/s]."""
    times = np.asarray(times_s, np.float64)
    found = np.full(times.shape, mean_rate_per_s(arrivals))
    rates = np.asarray(hourly(arrivals.shape), np.float64)
    if len(rates):
        hour = np.floor(times / HOUR_S + (arrivals.start_hour or 0.0)).astype(np.int64)
        found *= rates[hour % len(rates)] / rates.mean()
    if arrivals.growth is not None:
        found *= arrivals.growth.yearly_factor() ** (times / YEAR_S)
    if arrivals.ramp is not None:
        found *= arrivals.ramp.start + (arrivals.ramp.end - arrivals.ramp.start) * times / duration_s
    for surge in arrivals.surges or ():
        found *= 1.0 + (surge.factor - 1.0) * _height(surge, times)
    return found


def expected(arrivals: Modulated, edges_s: Sequence[float] | np.ndarray, duration_s: float) -> np.ndarray:
    """Expected arrivals between neighbouring `edges_s` (rising, within the run), float64[edges - 1].

    The integral of the rate, by Gauss-Legendre quadrature (5 nodes) between all the times at which it jumps or bends.
    """
    edges = np.asarray(edges_s, np.float64)
    breaks = _breaks(arrivals, float(edges[0]), float(edges[-1]))
    fine = np.unique(np.concatenate([edges, breaks]))
    low, half = fine[:-1], np.diff(fine) / 2
    times = low[:, None] + half[:, None] * (1.0 + _NODES[None, :])
    parts = (rates_per_s(arrivals, times, duration_s) @ _WEIGHTS) * half
    cumulative = np.concatenate([[0.0], np.cumsum(parts)])
    return np.diff(cumulative[np.searchsorted(fine, edges)])


def busiest_hour(arrivals: Modulated, duration_s: float) -> tuple[float, float]:
    """Start [s] and mean rate [requests/s] of the busiest of the run's whole hours of the clock (or of all of a run
    that is shorter)."""
    first = -HOUR_S * ((arrivals.start_hour or 0.0) % 1.0)
    edges = np.clip(np.arange(first, duration_s + HOUR_S, HOUR_S), 0.0, duration_s)
    edges = np.unique(edges)
    rates = expected(arrivals, edges, duration_s) / np.diff(edges)
    whole = np.diff(edges) >= min(HOUR_S, duration_s) * (1 - 1e-9)
    rates = np.where(whole, rates, -1.0) if whole.any() else rates
    best = int(np.argmax(rates >= rates.max() * (1 - 1e-9)))  # the first of equal ones
    return float(edges[best]), float(rates[best])


def _height(surge: Surge, times: np.ndarray) -> np.ndarray:
    """How far up a surge is at each time, 0 to 1."""
    since = times - surge.at_s
    top_s = surge.ramp_s + surge.lasts_s
    rise = np.clip(since / surge.ramp_s, 0.0, 1.0) if surge.ramp_s > 0 else (since >= 0).astype(float)
    if surge.decay_s > 0:
        fall = np.exp(-np.clip((since - top_s) / surge.decay_s, 0.0, TAIL))
    else:
        fall = (since < top_s).astype(float)
    return rise * fall


def _breaks(arrivals: Modulated, low: float, high: float) -> np.ndarray:
    """Times in [low, high] at which the rate jumps or bends; within an exponential fall, a grid of its own."""
    found = []
    if hourly(arrivals.shape):
        first = math.floor(low / HOUR_S + (arrivals.start_hour or 0.0))
        last = math.ceil(high / HOUR_S + (arrivals.start_hour or 0.0))
        found.append((np.arange(first, last + 1) - (arrivals.start_hour or 0.0)) * HOUR_S)
    for s in arrivals.surges or ():
        top = s.at_s + s.ramp_s + s.lasts_s
        found.append(np.array([s.at_s, s.at_s + s.ramp_s, top]))
        found.append(top + s.decay_s * np.arange(0.5, TAIL + 0.5, 0.5))
    if arrivals.growth is not None:
        found.append(np.linspace(low, high, 2 + int((high - low) / YEAR_S * 12)))
    if not found:
        return np.zeros(0)
    times = np.concatenate(found)
    return times[(times > low) & (times < high)]


def _cells(arrivals: Modulated, duration_s: float) -> int:
    """Equal cells over the run that are fine enough for its shortest feature."""
    parts = [t for s in arrivals.surges or () for t in (s.ramp_s, s.lasts_s, s.decay_s) if t > 0]
    finest_s = min([WIDEST_CELL_S, *(t / CELLS_OF_A_FEATURE for t in parts)])
    return max(FEWEST_CELLS, math.ceil(duration_s / max(finest_s, duration_s / MOST_CELLS)))
