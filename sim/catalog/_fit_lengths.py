"""Makes the token-length tables of data/workloads.toml; run by hand, never imported by the catalog.

python -m sim.catalog._fit_lengths published                     the Azure conversation table, from moments
python -m sim.catalog._fit_lengths trace FILE INPUT OUTPUT       a table from a trace's two length columns
python -m sim.catalog._fit_lengths clients FILE MODEL            a mixture over ServeGen's clients
python -m sim.catalog._fit_lengths classes FILE MODEL            ServeGen's largest clients one by one, and the rest
python -m sim.catalog._fit_lengths week FILE MODEL               168 hourly rates from ServeGen's rates
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.optimize import minimize

from sim.catalog.quantiles import mean_tokens, sd_tokens

MIDDLE = (
    0.0,
    0.02,
    0.05,
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.75,
    0.8,
    0.85,
    0.9,
    0.95,
    0.98,
    0.99,
    0.995,
    0.999,
    1.0,
)
FINE = (
    *(0.0, 0.0005, 0.001, 0.002, 0.004),
    *(round(0.005 * k, 4) for k in range(1, 198)),
    *(0.9875, 0.99, 0.992, 0.994, 0.995, 0.996, 0.997, 0.998, 0.9985, 0.999, 0.9993, 0.9996, 0.9998, 1.0),
)
MIXED = (
    *(round(0.025 * k, 4) for k in range(40)),
    *(0.98, 0.985, 0.99, 0.9925, 0.995, 0.9965, 0.998, 0.999, 0.9995, 0.9998, 1.0),
)

OF_A_CLASS = (*(round(0.05 * k, 4) for k in range(19)), 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
LARGEST = 5
"""Clients that are a class of their own."""


def fit_published(known: dict[float, float], mean: float, sd: float, low: float, requests: int) -> np.ndarray:
    """Tokens at MIDDLE that pass through the `known` quantiles and have the published mean and sd.

    The tail goes on as an exponential through p90 and p99, to the longest expected of `requests`. Between
    known points the fractions of the rise are free; the smoothest set (least change of log slope, the
    shortest drawn weakly to `low`) that meets both moments within 0.1 % is taken.
    """
    p = np.array(MIDDLE)
    decade = known[0.99] - known[0.9]
    known = known | {0.999: known[0.99] + decade, 1.0: known[0.99] + decade * np.log10(0.01 * requests)}
    fixed = [0.0, *sorted(known)]

    def table(z: np.ndarray) -> np.ndarray:
        heights = [np.exp(z[0]), *(known[q] for q in fixed[1:])]
        tokens, at = np.empty(len(p)), 1
        for pa, pb, ta, tb in zip(fixed, fixed[1:], heights, heights[1:], strict=False):
            inside = np.flatnonzero((p >= pa) & (p <= pb))
            rises = np.exp(z[at : at + len(inside) - 1]) * np.diff(p[inside])
            at += len(inside) - 1
            tokens[inside] = ta + (tb - ta) * np.concatenate(([0.0], np.cumsum(rises) / rises.sum()))
        return tokens

    def cost(z: np.ndarray) -> float:
        t = table(z)
        slope = np.log(np.diff(t) / np.diff(p))
        miss = (mean_tokens(MIDDLE, list(t)) / mean - 1.0) ** 2 + (sd_tokens(MIDDLE, list(t)) / sd - 1.0) ** 2
        shortest = (np.log(t[0] / low)) ** 2
        return float(np.sum(np.diff(slope) ** 2) + 0.3 * shortest + 1e6 * miss + 1e-3 * np.sum(z[1:] ** 2))

    start = np.concatenate(([np.log(low)], np.zeros(len(p) - 1)))
    best = minimize(cost, start, method="L-BFGS-B", options={"maxiter": 5000, "maxfun": 500000})
    return table(best.x)


def from_samples(lengths: Iterable[int]) -> np.ndarray:
    """Tokens at FINE of an empirical distribution, its order statistics at mid-ranks, its extremes at 0 and
    1.
    """
    values = np.sort(np.fromiter(lengths, dtype=float))
    ranks = (np.arange(len(values)) + 0.5) / len(values)
    return np.interp(
        FINE, np.concatenate(([0.0], ranks, [1.0])), np.concatenate(([values[0]], values, [values[-1]]))
    )


def from_clients(clients: list[tuple[float, ...]], at: Sequence[float] = MIXED) -> np.ndarray:
    """Tokens at `at` of a mixture of clients, each (weight, mean, p50, p90, p99).

    A client's inverse CDF is linear in log tokens through (0, low), its three quantiles and (1, high). With
    high at p99, low is set between 1 and p50 so that the client's mean comes out; where even p50 is too
    low, high rises.
    """
    grid = (np.arange(2000) + 0.5) / 2000

    def lengths(low: float, high: float, middle: Sequence[float]) -> np.ndarray:
        return np.exp(np.interp(grid, (0, 0.5, 0.9, 0.99, 1), np.log((low, *middle, high))))

    values, weights = [], []
    for weight, mean, *middle in clients:
        p50, p99 = middle[0], middle[-1]
        low = _solve(lambda x, m=middle: lengths(x, m[-1], m).mean(), mean, 1.0, p50)
        high = _solve(lambda x, m=middle, a=low: lengths(a, x, m).mean(), mean, p99, 5 * p99)
        values.append(lengths(low, high, middle))
        weights.append(np.full(len(grid), weight))
    flat, mass = np.concatenate(values), np.concatenate(weights)
    order = np.argsort(flat)
    cumulative = np.cumsum(mass[order])
    return np.interp(at, (cumulative - mass[order] / 2) / cumulative[-1], flat[order])


Client = tuple[tuple[float, ...], tuple[float, ...]]
"""(rate, mean, p50, p90, p99) of a client's inputs and of its outputs."""


def in_classes(
    clients: Sequence[Client], largest: int = LARGEST
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """(share of the rate, input and output tokens at OF_A_CLASS) of each of the largest clients, and of the rest."""
    by_rate = sorted(clients, key=lambda c: -c[0][0])
    groups = [[c] for c in by_rate[:largest]] + ([by_rate[largest:]] if len(by_rate) > largest else [])
    total = sum(c[0][0] for c in clients)
    return [
        (
            sum(c[0][0] for c in group) / total,
            from_clients([c[0] for c in group], OF_A_CLASS),
            from_clients([c[1] for c in group], OF_A_CLASS),
        )
        for group in groups
    ]


def zipf_exponent(rates: Sequence[float], ranks: int = 20) -> float:
    """Exponent s of rate ~ rank^-s, by least squares on the logarithms of the `ranks` largest."""
    top = np.sort(np.asarray(rates))[::-1][:ranks]
    top = top[top > 0]
    return float(-np.polyfit(np.log(np.arange(1, len(top) + 1)), np.log(top), 1)[0])


def _solve(rising: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where `rising` reaches `target`, or the nearer end of [low, high]."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return low


def _rows(path: str) -> Iterable[dict[str, str]]:
    with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as file:
        yield from map(json.loads, file) if ".jsonl" in path else csv.DictReader(file)


def _show(name: str, p: Iterable[float], tokens: np.ndarray) -> None:
    p = tuple(p)
    rounded = [float(f"{t:.0f}" if t >= 100 else f"{t:.3g}") for t in tokens]
    print(f"# {name}: mean {mean_tokens(p, rounded):.1f}, sd {sd_tokens(p, rounded):.1f}")
    print(f"{name} = [{', '.join(f'{t:g}' for t in rounded)}]")


def read_clients(path: str, model: str) -> tuple[list[Client], list[float]]:
    """Clients of `model` whose quantiles are published, and the rates of all."""
    rows = [r for r in _rows(path) if r["model"] == model]
    sides = [(_quantile_columns(r, "input"), _quantile_columns(r, "output")) for r in rows]
    return [(i, o) for i, o in sides if i and o], [float(r["mean_rate_rps"]) for r in rows]


def _list(tokens: Iterable[float]) -> str:
    return f"[{', '.join(f'{t:.0f}' if t >= 100 else f'{t:.3g}' for t in tokens)}]"


def _quantile_columns(row: dict[str, str], side: str) -> tuple[float, ...] | None:
    names = ("mean_rate_rps", *(f"{side}_tokens_{q}" for q in ("mean", "p50", "p90", "p99")))
    return tuple(float(row[n]) for n in names) if all(row[n] for n in names) else None


def main(arguments: list[str]) -> None:
    """Prints the table that the first argument names, as lines for workloads.toml."""
    what, *rest = arguments
    if what == "published":
        print(f"p = {list(MIDDLE)}")
        known = {0.5: 1020.0, 0.9: 2734.0, 0.99: 4142.0}
        _show("input", MIDDLE, fit_published(known, 1155.0, 1109.0, 3.0, 19366))
        known = {0.5: 129.0, 0.9: 424.0, 0.99: 601.0}
        _show("output", MIDDLE, fit_published(known, 211.0, 163.0, 3.0, 19366))
    elif what == "trace":
        rows = list(_rows(rest[0]))
        print(f"p = {list(FINE)}")
        _show("input", FINE, from_samples(int(r[rest[1]]) for r in rows))
        _show("output", FINE, from_samples(int(r[rest[2]]) for r in rows))
    elif what == "clients":
        rows = [r for r in _rows(rest[0]) if r["model"] == rest[1]]
        print(f"p = {list(MIXED)}")
        for side in ("input", "output"):
            _show(side, MIXED, from_clients([c for r in rows if (c := _quantile_columns(r, side))]))
    elif what == "classes":
        clients, rates = read_clients(*rest)
        known = sum(c[0][0] for c in clients) / sum(rates)
        print(
            f"# {len(clients)} of {len(rates)} clients, {known:.0%} of the rate; Zipf {zipf_exponent(rates):.2f}"
        )
        print(f"p = {list(OF_A_CLASS)}\nclients = [")
        for share, inputs, outputs in in_classes(clients):
            print(f"    {{ share = {share:.4f}, input = {_list(inputs)}, output = {_list(outputs)} }},")
        print("]")
    elif what == "week":
        rates = np.array([float(r["total_rate_rps"]) for r in _rows(rest[0]) if r["model"] == rest[1]])
        hourly = rates[: len(rates) // 1008 * 1008].reshape(-1, 168, 6).mean(axis=(0, 2))
        print(f"hourly = [{', '.join(f'{x:.3f}' for x in hourly / hourly.mean())}]")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
