"""The electricity bill of a run: energy by the hour's price, and the charge on the month's highest 15 minutes.

It is made from the meter that a result's summary stores (`site.meter`), so that another tariff can be applied to a run
without simulating it again.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sim.catalog.tariffs import TariffEntry, TariffPeriod, tariff
from sim.errors import Fault, ScenarioError
from sim.scenario.site import Site
from sim.scenario.tariff import FlatTariff, HourlyTariff, TimeOfUseTariff

KWH_J = 3.6e6
HOUR_S = 3600.0
MONTH_S = 8760 * HOUR_S / 12
LEAP_YEAR_H = 8784
ENERGY, DEMAND = "energy", "demand"


@dataclass(frozen=True)
class Demand:
    """Highest 15 minutes [W] of a month ("2026-07") on its weekdays or weekends in one hour of the day."""

    month: str
    weekend: bool
    hour: int
    watts: float


@dataclass(frozen=True)
class Meter:
    """What the site drew: energy of each hour [J] from `start`, seconds of the span in each month, and peaks.

    serving: share of the energy that is not training's [1].  pue: site over IT energy [1], None without any.
    training: training runs as the summary has them, with their energy site_j;  site_j: all energy at the meter [J].
    """

    start: datetime
    hour_j: tuple[float, ...]
    months: Mapping[str, float]
    demand: tuple[Demand, ...]
    serving: float
    pue: float | None = None
    training: tuple[Mapping[str, Any], ...] = ()

    @property
    def site_j(self) -> float:
        return math.fsum(self.hour_j)


@dataclass(frozen=True)
class Bill:
    """Dollars by line: energy, or energy by period, and demand charges. kwh: by the same names where it is energy."""

    lines: Mapping[str, float]
    kwh: Mapping[str, float]

    @property
    def usd(self) -> float:
        return math.fsum(self.lines.values())


def meter_of(summary: Mapping[str, Any]) -> Meter:
    """The meter that a result's summary stores."""
    stored, energy = summary["site"]["meter"], summary["energy"]
    return Meter(
        start=datetime.fromisoformat(stored["start"]),
        hour_j=tuple(stored["hour_j"]),
        months=dict(stored["months"]),
        demand=tuple(Demand(m, kind == "weekend", hour, w) for m, kind, hour, w in stored["demand"]),
        serving=energy["serving_j"] / energy["site_j"] if energy["site_j"] else 1.0,
        pue=summary["site"]["pue_mean"],
        training=tuple(summary["site"]["training"]),
    )


def bill(meter: Meter, site: Site) -> Bill:
    """The whole site's bill for the span.

    energy = sum over hours of kWh x the hour's price;
    demand = sum over months of the highest 15 minutes [kW] x charge x the span's part of a month (a twelfth of 8,760
    h): the peak of a run that is shorter stands for its month's.
    Raises ScenarioError where a price file lacks an hour of the run.
    """
    chosen = site.tariff
    if chosen is None:
        return _priced(meter, TariffEntry("", "", site.electricity_usd_per_kwh or 0.0, 0.0, ()))
    if isinstance(chosen, HourlyTariff):
        return _hourly(meter, chosen)
    return _priced(meter, _entry(chosen))


def billed(meter: Meter, site: Site) -> dict[str, Any]:
    """The whole site's bill for a summary: its lines [$], their energy [kWh], and what a kWh costs in all."""
    found = bill(meter, site)
    return {
        "usd": found.usd,
        "lines": dict(found.lines),
        "kwh": dict(found.kwh),
        "usd_per_kwh": mean_usd_per_kwh(found),
        "serving_share": meter.serving,
    }


def site_terms(meter: Meter | None, site: Site) -> dict[str, Any]:
    """PUE and price of electricity [$/kWh] as given, or where they change with the hour as they came out."""
    fixed = isinstance(site.pue, int | float)
    price = site.electricity_usd_per_kwh
    return {
        "pue": site.pue if fixed else meter.pue if meter else None,
        "electricity_usd_per_kwh": mean_usd_per_kwh(bill(meter, site)) if price is None and meter else price,
    }


def mean_usd_per_kwh(found: Bill) -> float | None:
    """What a kilowatt-hour costs with all charges [$/kWh]; None without any."""
    kwh = math.fsum(found.kwh.values())
    return found.usd / kwh if kwh else None


def _entry(chosen: str | FlatTariff | TimeOfUseTariff) -> TariffEntry:
    if isinstance(chosen, str):
        return tariff(chosen)
    periods = chosen.periods if isinstance(chosen, TimeOfUseTariff) else ()
    rows = tuple(
        TariffPeriod(p.name, p.usd_per_kwh, p.months, p.days, p.hours, p.demand_usd_per_kw_month)
        for p in periods
    )
    return TariffEntry("", "", chosen.usd_per_kwh, chosen.demand_usd_per_kw_month, rows)


def period_at(entry: TariffEntry, month: int, weekend: bool, hour: int) -> TariffPeriod | None:
    """The first period that holds in an hour; None where the tariff's own price does."""
    day = "weekends" if weekend else "weekdays"
    for period in entry.periods:
        in_season = month in period.months and period.days in ("all", day)
        if in_season and period.hours[0] <= hour < period.hours[1]:
            return period
    return None


def _priced(meter: Meter, entry: TariffEntry) -> Bill:
    """A bill by periods; what falls in none is under "energy", or "energy, otherwise" beside others."""
    rest = f"{ENERGY}, otherwise" if entry.periods else ENERGY
    kwh: dict[str, list[float]] = {}
    usd: dict[str, list[float]] = {}
    for moment, joules in _hours(meter):
        period = period_at(entry, moment.month, moment.weekday() >= 5, moment.hour)
        line = rest if period is None else f"{ENERGY}, {period.name}"
        price = entry.usd_per_kwh if period is None else period.usd_per_kwh
        kwh.setdefault(line, []).append(joules / KWH_J)
        usd.setdefault(line, []).append(joules / KWH_J * price)
    lines = {line: math.fsum(each) for line, each in usd.items()}
    lines |= _demand_lines(meter, entry)
    return Bill(lines, {line: math.fsum(each) for line, each in kwh.items()})


def _demand_lines(meter: Meter, entry: TariffEntry) -> dict[str, float]:
    lines = {}
    if entry.demand_usd_per_kw_month:
        lines[DEMAND] = _demand_usd(meter, entry.demand_usd_per_kw_month, lambda _: True)
    for period in entry.periods:
        if period.demand_usd_per_kw_month:

            def within(d: Demand, period: TariffPeriod = period) -> bool:
                return period_at(entry, int(d.month[5:]), d.weekend, d.hour) is period

            lines[f"{DEMAND}, {period.name}"] = _demand_usd(meter, period.demand_usd_per_kw_month, within)
    return lines


def _demand_usd(meter: Meter, usd_per_kw_month: float, counts: Callable[[Demand], bool]) -> float:
    total = []
    for month, seconds in meter.months.items():
        peak_w = max((d.watts for d in meter.demand if d.month == month and counts(d)), default=0.0)
        total.append(peak_w / 1e3 * usd_per_kw_month * seconds / MONTH_S)
    return math.fsum(total)


def check_prices(site: Site, duration_s: float) -> None:
    """Raises ScenarioError where a price file cannot be read, or lacks an hour in which requests arrive."""
    if isinstance(site.tariff, HourlyTariff):
        first = datetime.fromisoformat(site.start).replace(minute=0, second=0)
        for hour in range(min(int(duration_s // HOUR_S) + 1, LEAP_YEAR_H)):
            _price_at(site.tariff, first + timedelta(hours=hour))


def _price_at(chosen: HourlyTariff, moment: datetime) -> float:
    """Price of an hour in the file [$/kWh]; 29 February costs what the day before does."""
    day = min(moment.day, 28) if moment.month == 2 else moment.day
    price = read_prices(chosen.path).get((moment.month, day, moment.hour))
    if price is None:
        raise ScenarioError(
            Fault(
                "site.tariff.path",
                f'"{chosen.path}" has no price for {moment:%d %B, %H} h, which the run covers',
                "choose another site.start, or a file of a whole year",
            )
        )
    return price


def _hourly(meter: Meter, chosen: HourlyTariff) -> Bill:
    usd, kwh = [], []
    for moment, joules in _hours(meter):
        if not joules:
            continue
        price = _price_at(chosen, moment)
        kwh.append(joules / KWH_J)
        usd.append(joules / KWH_J * (price * chosen.scale + chosen.adder_usd_per_kwh))
    entry = TariffEntry("", "", 0.0, chosen.demand_usd_per_kw_month, ())
    return Bill({ENERGY: math.fsum(usd), **_demand_lines(meter, entry)}, {ENERGY: math.fsum(kwh)})


@cache
def read_prices(path: str) -> Mapping[tuple[int, int, int], float]:
    """Prices [$/kWh] by month, day and hour; of several rows for an hour, their mean. Raises ScenarioError."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(Fault("site.tariff.path", f'cannot read "{path}": {error}')) from None
    found: dict[tuple[int, int, int], list[float]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            moment = datetime.fromisoformat(row["time"].strip())
            found.setdefault((moment.month, moment.day, moment.hour), []).append(_usd_per_kwh(row))
        except (KeyError, ValueError, AttributeError, TypeError):
            raise ScenarioError(
                Fault(
                    "site.tariff.path",
                    f'"{path}", line {number}: needs the columns time and usd_per_kwh or usd_per_mwh',
                    "for example 2025-07-01T14:00,41.5 under time,usd_per_mwh",
                )
            ) from None
    return {hour: sum(each) / len(each) for hour, each in found.items()}


def _usd_per_kwh(row: Mapping[str, str]) -> float:
    price = float(row["usd_per_kwh"]) if "usd_per_kwh" in row else float(row["usd_per_mwh"]) / 1e3
    if not math.isfinite(price):
        raise ValueError("not finite")
    return price


def _hours(meter: Meter) -> Sequence[tuple[datetime, float]]:
    return [(meter.start + timedelta(hours=i), joules) for i, joules in enumerate(meter.hour_j)]
