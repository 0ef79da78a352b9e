"""Lengths of a mixture of client classes, as pairs that the engines draw a request's lengths from.

A class's lengths go together (a client with long prompts has its own answers), which two independent tables cannot
say. So a mixture becomes rows of (input, output), each as likely, as if they stood in a trace: every class has its
share of the rows, its quantiles at equal steps, and outputs in an order that spreads evenly over inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from sim.catalog.types import ClientLengths
from sim.catalog.workloads import length_table
from sim.scenario.lengths import (
    INPUT_FLOOR,
    OUTPUT_FLOOR,
    FixedLengths,
    LognormalLengths,
    MixLengths,
    QuantileLengths,
    UniformLengths,
)

ROWS = 1 << 16
GOLDEN = 0.5 * (5**0.5 - 1)
"""Multiples of it, modulo 1, fill [0, 1] evenly at every length (a Kronecker sequence)."""
Quantile = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ClientClass:
    """A share of the requests, and the quantile functions of its input and output, before rounding."""

    share: float
    input: Quantile
    output: Quantile
    least: tuple[int, int]


def is_mixture(lengths: object) -> bool:
    """Whether lengths are of several classes of clients: a mix, or a name in the catalog that stands for one."""
    return isinstance(lengths, MixLengths) or (isinstance(lengths, str) and bool(_clients(lengths)))


def classes(lengths: object) -> list[ClientClass]:
    """The classes of a mixture; shares sum to 1. A part that is itself a mixture counts with its classes."""
    if isinstance(lengths, MixLengths):
        parts = zip(lengths.shares(), lengths.parts, strict=True)
        return [c for share, part in parts for c in _scaled(share, classes(part.lengths))]
    if isinstance(lengths, str):
        clients = _clients(lengths)
        total = sum(c.share for c in clients)
        return [
            ClientClass(c.share / total, _table(c.p, c.input_tokens), _table(c.p, c.output_tokens), (1, 1))
            for c in clients
        ] or [_named(lengths)]
    return [ClientClass(1.0, *_sides(lengths), (INPUT_FLOOR, OUTPUT_FLOOR))]


@lru_cache(maxsize=16)
def pairs(lengths: Hashable, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and outputs of `rows` requests of the mixture, int32[rows] each, read-only: every row is as likely."""
    found = classes(lengths)
    counts = _apportioned([c.share for c in found], rows)
    inputs, outputs = [], []
    for one, count in zip(found, counts, strict=True):
        steps = (np.arange(count) + 0.5) / max(count, 1)
        spread = np.argsort(np.argsort(np.arange(count) * GOLDEN % 1.0))
        for side, quantile, u, least in (
            (inputs, one.input, steps, one.least[0]),
            (outputs, one.output, steps[spread], one.least[1]),
        ):
            side.append(np.maximum(np.floor(np.minimum(quantile(u), 1e9) + 0.5), least).astype(np.int32))
    found_pairs = np.concatenate(inputs), np.concatenate(outputs)
    for side in found_pairs:
        side.flags.writeable = False  # they are shared between runs
    return found_pairs


def _clients(name: str) -> tuple[ClientLengths, ...]:
    return length_table(name).clients


def _scaled(share: float, parts: Sequence[ClientClass]) -> list[ClientClass]:
    return [ClientClass(share * p.share, p.input, p.output, p.least) for p in parts]


def _named(name: str) -> ClientClass:
    table = length_table(name)
    return ClientClass(
        1.0, _table(table.input_p, table.input_tokens), _table(table.output_p, table.output_tokens), (1, 1)
    )


def _sides(lengths: object) -> tuple[Quantile, Quantile]:
    match lengths:
        case FixedLengths():
            return _constant(lengths.input), _constant(lengths.output)
        case UniformLengths():
            return _uniform(*lengths.input), _uniform(*lengths.output)
        case LognormalLengths():
            return _lognormal(*lengths.input.mu_sigma()), _lognormal(*lengths.output.mu_sigma())
        case QuantileLengths():
            return _table(*zip(*lengths.input, strict=True)), _table(*zip(*lengths.output, strict=True))
    raise TypeError(f"{type(lengths).__name__} is no part of a mixture")


def _constant(tokens: int) -> Quantile:
    return lambda u: np.full(len(u), float(tokens))


def _uniform(low: int, high: int) -> Quantile:
    return lambda u: low + np.floor(u * (high - low + 1.0))


def _lognormal(mu: float, sigma: float) -> Quantile:
    return lambda u: np.exp(mu + sigma * ndtri(u))


def _table(p: Sequence[float], tokens: Sequence[float]) -> Quantile:
    return lambda u: np.interp(u, p, tokens)


def _apportioned(shares: Sequence[float], rows: int) -> np.ndarray:
    """Whole rows in proportion to shares, by largest remainders."""
    exact = np.asarray(shares) / np.sum(shares) * rows
    counts = np.floor(exact).astype(np.int64)
    for i in np.argsort(counts - exact, kind="stable")[: rows - int(counts.sum())]:
        counts[i] += 1
    return counts
