"""Quantities as people write them, to and from SI floats. Imports nothing of the project.

Parsing happens once, at the TOML edge: inside, every time is in seconds, power in watts, energy in joules,
data in bytes and money in US dollars. Formatting is for reports; what a formatter writes, the parser of the
same dimension reads back to the three significant digits shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+(?:_\d+)*)?(?:\.\d+(?:_\d+)*)?(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"\s*(?P<number>{_NUMBER})\s*(?P<unit>[^\W\d_]*)\s*")
_MONEY = re.compile(
    rf"\s*(?:USD\s*|\$\s*)?(?P<number>{_NUMBER})\s*(?P<scale>[kKMmBb]?)\s*(?P<currency>USD|usd)?\s*"
)
_MONEY_SCALE = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity: what to call it, its units as multiples of the SI unit, and how to show it.

    units: multiple of the SI unit, by spelling; matched exactly, then without case where that is unambiguous.
    shown: the spellings named in messages, smallest first.
    bare: what a number without a unit means.
    example: a correct value, for messages.
    """

    name: str
    units: Mapping[str, Decimal]
    shown: tuple[str, ...]
    bare: str
    example: str


def _units(**multiples: str) -> dict[str, Decimal]:
    return {unit: Decimal(multiple) for unit, multiple in multiples.items()}


def _spelt(multiple: int, *spellings: str) -> dict[str, Decimal]:
    return dict.fromkeys(spellings, Decimal(multiple))


DURATION = Dimension(
    "duration",
    {
        **_units(us="0.000001", ms="0.001"),
        **dict.fromkeys(("\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s"), Decimal("0.000001")),
        **_spelt(1, "s", "sec", "secs", "second", "seconds"),
        **_spelt(60, "min", "mins", "minute", "minutes"),
        **_spelt(3600, "h", "hr", "hrs", "hour", "hours"),
        **_spelt(86400, "d", "day", "days"),
        **_spelt(604800, "w", "week", "weeks"),
    },
    ("us", "ms", "s", "min", "h", "d"),
    "seconds",
    "5 min",
)
POWER = Dimension(
    "power",
    _units(mW="0.001", W="1", kW="1000", MW="1000000", GW="1000000000"),
    ("W", "kW", "MW", "GW"),
    "watts",
    "400 kW",
)
ENERGY = Dimension(
    "energy",
    {
        **_units(mJ="0.001", J="1", kJ="1000", MJ="1000000", GJ="1000000000", TJ="1000000000000"),
        **_units(mWh="3.6", Wh="3600", kWh="3600000", MWh="3600000000", GWh="3600000000000"),
        **_units(TWh="3600000000000000"),
    },
    ("J", "kJ", "MJ", "Wh", "kWh", "MWh", "GWh"),
    "joules",
    "1.5 kWh",
)
DATA = Dimension(
    "data size",
    {
        **_units(B="1", kB="1000", MB="1000000", GB="1000000000", TB="1000000000000"),
        **{f"{prefix}iB": Decimal(1024**power) for power, prefix in enumerate("KMGT", start=1)},
    },
    ("B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"),
    "bytes",
    "80 GiB",
)


def parse_duration(value: object) -> float:
    """A duration in seconds [s]: ``"90 s"``, ``"5min"``, ``"1.5 h"``, or a bare number of seconds.

    Raises ValueError, naming the units there are, where `value` is not one finite quantity.
    """
    return _parse(value, DURATION)


def parse_power(value: object) -> float:
    """A power in watts [W]: ``"400 kW"``, or a bare number of watts. Raises ValueError."""
    return _parse(value, POWER)


def parse_energy(value: object) -> float:
    """An energy in joules [J]: ``"1.5 kWh"``, ``"3 MJ"``, or a bare number of joules. Raises ValueError."""
    return _parse(value, ENERGY)


def parse_bytes(value: object) -> float:
    """A data size in bytes [B]: ``"80 GB"`` (10^9), ``"80 GiB"`` (2^30), a bare number. Raises ValueError."""
    return _parse(value, DATA)


def parse_money(value: object) -> float:
    """US dollars [$]: ``"$25_000"``, ``"$1.2M"``, ``"25k USD"``, or a bare number. Raises ValueError."""
    matched = _MONEY.fullmatch(value) if isinstance(value, str) else None
    number = _number(value if matched is None else matched["number"])
    if number is None:
        raise ValueError(
            f'{_quoted(value)} is not an amount of money: write US dollars, for example "$25_000", "$1.2M" '
            "or a bare number (k, M and B stand for thousand, million and billion)"
        )
    return float(number * _MONEY_SCALE[matched["scale"].lower() if matched else ""])


def format_duration(seconds: float) -> str:
    """Seconds [s] with three significant digits: ``"45 ms"``, ``"1.23 s"``, ``"2 h"``."""
    return _format(
        seconds, "s", ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "us"))
    )


def format_power(watts: float) -> str:
    """Watts [W] with three significant digits: ``"638 W"``, ``"8.4 kW"``."""
    return _format(watts, "W", ((1e9, "GW"), (1e6, "MW"), (1e3, "kW"), (1, "W")))


def format_joules(joules: float) -> str:
    """Joules [J] with three significant digits: ``"370 mJ"``, ``"1.2 kJ"``."""
    return _format(joules, "J", ((1e12, "TJ"), (1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"), (1, "J"), (1e-3, "mJ")))


def format_watt_hours(joules: float) -> str:
    """Joules [J] as watt-hours with three significant digits: ``"240 mWh"``, ``"3.1 kWh"``."""
    scale = ((1e12, "TWh"), (1e9, "GWh"), (1e6, "MWh"), (1e3, "kWh"), (1, "Wh"), (1e-3, "mWh"))
    return _format(joules, "Wh", tuple((wh * 3600, unit) for wh, unit in scale))


def format_bytes(size: float) -> str:
    """Bytes [B], in decimal units, with three significant digits: ``"141 GB"``."""
    return _format(size, "B", ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")))


def format_usd(usd: float) -> str:
    """US dollars with three significant digits, or cents where they count: ``"$0.00123"``, ``"$12.50"``,
    ``"$1,230"``, ``"$1.2M"``."""
    if not math.isfinite(usd):
        return _not_finite(usd)
    sign, size = ("-", -usd) if usd < 0 else ("", usd)
    if size == 0:
        return "$0"
    size = _rounded(size) if size < 1 or size >= 1000 else round(size, 2)
    for scale, letter in ((1e9, "B"), (1e6, "M")):
        if size >= scale:
            return f"{sign}${_digits(size / scale)}{letter}"
    cents = f"{size:.2f}"
    in_cents = size < 1000 and (size >= 1 or float(cents) == size)
    return f"{sign}${cents if in_cents else _digits(size)}"


def format_count(count: float) -> str:
    """A count: whole below a million (``"12,345"``), then three significant digits (``"1.23 M"``)."""
    if math.isfinite(count) and abs(count) < 999_500:
        return f"{count:,.0f}" if float(count).is_integer() or abs(count) >= 100 else _digits(count)
    return _format(count, "", ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1, "")))


def _parse(value: object, dimension: Dimension) -> float:
    number, unit = (value, "") if not isinstance(value, str) else _split(value)
    size, multiple = _number(number), _multiple(unit, dimension)
    if size is None or multiple is None:
        raise ValueError(_explain(value, unit, size is not None, dimension))
    return float(size * multiple)


def _split(text: str) -> tuple[str, str]:
    matched = _QUANTITY.fullmatch(text)
    return (matched["number"], matched["unit"]) if matched else ("", "")


def _number(value: object) -> Decimal | None:
    """Exact value of a number or its text; None where it is neither, or is not a finite float."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value.replace(",", "").replace("_", "") if isinstance(value, str) else repr(value)
    if not any(c.isdigit() for c in text) or not math.isfinite(_float(text)):
        return None
    return Decimal(text)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _multiple(unit: str, dimension: Dimension) -> Decimal | None:
    if not unit:
        return Decimal(1)
    if unit in dimension.units:
        return dimension.units[unit]
    found = {m for u, m in dimension.units.items() if u.lower() == unit.lower()}
    return found.pop() if len(found) == 1 else None  # "mw" could be mW or MW


def _explain(value: object, unit: str, number_is_fine: bool, dimension: Dimension) -> str:
    units = ", ".join(dimension.shown)
    if unit and number_is_fine:
        unclear = (
            ' ("m" could be minutes or months: write "min")' if (unit, dimension) == ("m", DURATION) else ""
        )
        return (
            f'{_quoted(value)} has the unit "{unit}", which is not one of {units}{unclear}; '
            f'for example "{dimension.example}"'
        )
    return (
        f"{_quoted(value)} is not a {dimension.name}: write a number and a unit ({units}), "
        f'for example "{dimension.example}"; a bare number is {dimension.bare}'
    )


def _quoted(value: object) -> str:
    return (
        f'"{value}"'
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )


def _format(value: float, base: str, scale: tuple[tuple[float, str], ...]) -> str:
    if not math.isfinite(value):
        return _not_finite(value)
    for multiple, unit in scale:
        if abs(_rounded(value / multiple)) >= 1:
            return f"{_digits(value / multiple)} {unit}".rstrip()
    last, unit = scale[-1]
    return f"{_digits(value / last)} {unit}".rstrip() if value else f"0 {base}".rstrip()


def _not_finite(value: float) -> str:
    return "n/a" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _digits(value: float) -> str:
    """Three significant digits without an exponent, thousands separated by commas."""
    rounded = _rounded(value)
    if rounded == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
