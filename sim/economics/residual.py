"""What hardware is still worth: curves fitted to dated series of prices, each under the name of its series.

They disagree, and none is the truth. List prices are of new parts (a bound from above on what a used one fetches);
sticky cloud lists say what is asked, not what is paid; a market's rents say what the part still earns. A scenario
names the curve that it believes (`cost.residual_value`), or gives a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from sim.catalog.prices import price_series, rental_series
from sim.economics.series import year_of
from sim.errors import CatalogError, Fault, did_you_mean, repr_plain

_BOUGHT = {
    "v100-list": ("V100-SXM-32GB", "card", ""),
    "a100-40gb-list": ("A100-SXM-40GB", "card", ""),
    "a100-80gb-list": ("A100-SXM-80GB", "card", ""),
    "h100-dgx": ("H100-SXM-80GB", "server", "DGX"),
    "h100-hgx": ("H100-SXM-80GB", "server", "HGX"),
    "h100-average": ("H100-SXM-80GB", "average", ""),
}
_RENTED = {
    "v100-aws-rent": ("V100-SXM-16GB", "AWS"),
    "a100-40gb-aws-rent": ("A100-SXM-40GB", "AWS"),
    "a100-80gb-aws-rent": ("A100-SXM-80GB", "AWS"),
    "a100-40gb-lambda-rent": ("A100-SXM-40GB", "Lambda"),
    "h100-market-rent": ("H100-SXM-80GB", "market"),
}


@dataclass(frozen=True)
class Curve:
    """A constant share kept each year, fitted by least squares to the logarithms of a series of prices.

    retention: share of the price that is left a year later [1/year].
    error: one standard error of ln(retention) [1/year];  spread: factor of one standard deviation between the
        prices and the curve [1]; both None for two points, which any curve fits.
    ratio: last price over first [1].
    """

    name: str
    accelerator: str
    series: str
    first: str
    last: str
    points: int
    retention: float
    error: float | None
    spread: float | None
    ratio: float
    source: str

    def left(self, age_years: float) -> float:
        """Share of the price that is left at an age [1]; at most 1."""
        return min(self.retention**age_years, 1.0)

    def band(self, age_years: float, errors: float = 1.0) -> tuple[float, float] | None:
        """Shares left at an age, at most 1, when the decline is `errors` standard errors faster and slower.

        None for a curve of unknown error.
        """
        if self.error is None:
            return None
        low, high = (self.retention * math.exp(sign * errors * self.error) for sign in (-1, 1))
        return min(low**age_years, 1.0), min(high**age_years, 1.0)


@cache
def curves() -> Mapping[str, Curve]:
    """Every curve by name, fitted to the catalog's prices."""
    found = [_bought(name, *of) for name, of in _BOUGHT.items()]
    found += [_rented(name, *of) for name, of in _RENTED.items()]
    return MappingProxyType({curve.name: curve for curve in found})


def curve(name: str) -> Curve:
    """The curve called `name`. Raises CatalogError with the nearest names."""
    if name not in curves():
        hint = did_you_mean(name, curves()) or f"known: {', '.join(curves())}"
        raise CatalogError(Fault("curve", f"unknown curve of residual value {repr_plain(name)}", hint))
    return curves()[name]


def fit(dates: Sequence[str], prices: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Retention per year, standard error of its logarithm, and spread, of ln(price) = a + b t by least squares.

    Two dates or more that are not all one; the errors are None for two points (the residuals have n - 2 degrees of
    freedom).
    """
    times = [year_of(date) for date in dates]
    logs = [math.log(price) for price in prices]
    count = len(times)
    mean_t, mean_y = math.fsum(times) / count, math.fsum(logs) / count
    spread_t = math.fsum((t - mean_t) ** 2 for t in times)
    slope = math.fsum((t - mean_t) * (y - mean_y) for t, y in zip(times, logs, strict=True)) / spread_t
    if count == 2:
        return math.exp(slope), None, None
    rest = [y - mean_y - slope * (t - mean_t) for t, y in zip(times, logs, strict=True)]
    deviation = math.sqrt(math.fsum(r * r for r in rest) / (count - 2))
    return math.exp(slope), deviation / math.sqrt(spread_t), math.exp(deviation)


def _bought(name: str, chip: str, basis: str, kind: str) -> Curve:
    """kind: what the note of a price must begin with: DGX (complete, by NVIDIA) and HGX servers differ in price."""
    points = [p for p in price_series(chip, basis) if p.provenance.note.startswith(kind)]
    words = {
        "card": "list price of the card",
        "server": f"share of a {kind}",
        "average": "average sold price",
    }
    rows = [(p.date, p.usd) for p in points]
    return _curve(name, chip, words[basis], rows, points[0].provenance.source)


def _rented(name: str, chip: str, vendor: str) -> Curve:
    points = rental_series(chip, vendor=vendor)
    rows = [(p.date, p.usd_per_h) for p in points]
    return _curve(name, chip, f"rent per hour on demand, {vendor}", rows, points[0].provenance.source)


def _curve(name: str, chip: str, series: str, rows: Sequence[tuple[str, float]], source: str) -> Curve:
    dates, prices = [r[0] for r in rows], [r[1] for r in rows]
    retention, error, spread = fit(dates, prices)
    ratio = prices[-1] / prices[0]
    return Curve(name, chip, series, dates[0], dates[-1], len(rows), retention, error, spread, ratio, source)
