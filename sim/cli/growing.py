"""Options of `simulate plan --growth`, as people write them: 8%/month, 26 weeks, 20 MW and 35 MW from a date on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from sim.cli.words import quantity, words
from sim.errors import Fault, UserError
from sim.units import parse_duration, parse_power

_RATE = re.compile(
    r"\s*(?P<number>-?[\d.]+(?:e-?\d+)?)\s*(?P<percent>%?)\s*(?:/|per)\s*(?P<unit>month|year)\s*"
)
_OPTIONS = (
    click.option(
        "--growth",
        metavar="RATE",
        help='Do not plan: say when growing demand outgrows the scenario\'s fleet, for example "8%/month" or '
        '"150%/year", and by when to order.',
    ),
    click.option(
        "--growth-spread",
        metavar="RATE",
        help='Standard deviation of that growth, "2%/month". Default: a quarter of it (an assumption).',
    ),
    click.option(
        "--lead-time", default="26 weeks", show_default=True, metavar="TIME", help="From order to service."
    ),
    click.option(
        "--energised",
        metavar="POWER[,POWER@DATE,...]",
        help='Power at the site, now and from dates on: "20 MW" or "20 MW,35 MW@2027-06".',
    ),
    click.option(
        "--power-lead-time",
        default="209 weeks",
        show_default=True,
        metavar="TIME",
        help="From request to energised power.",
    ),
    click.option(
        "--months",
        type=click.IntRange(1, 240),
        default=24,
        show_default=True,
        help="To look ahead with --growth.",
    ),
)


def growth_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def outlook_of(
    start: str,
    growth: str,
    growth_spread: str | None,
    lead_time: str,
    energised: str | None,
    power_lead_time: str,
    months: int,
) -> Any:
    """The outlook that the options describe. start: of the scenario's site.  Raises UserError."""
    from sim.economics.decisions.order import Growth
    from sim.study.growth import RELATIVE_SPREAD, Outlook

    rate = _monthly("--growth", growth)
    spread = (
        RELATIVE_SPREAD * abs(rate) if growth_spread is None else _monthly("--growth-spread", growth_spread)
    )
    if spread < 0:
        raise UserError(Fault("--growth-spread", f"must be from 0 up; given {growth_spread}"))
    return Outlook(
        growth=Growth(rate, spread),
        lead_time_s=quantity("--lead-time", lead_time, parse_duration),
        power_lead_time_s=quantity("--power-lead-time", power_lead_time, parse_duration),
        energised=_energised(energised, start),
        months=months,
    )


def _monthly(option: str, text: str) -> float:
    """Growth of a month; a yearly one is compound."""
    found = _RATE.fullmatch(text)
    try:
        rate = float(found["number"]) / (100 if found["percent"] else 1) if found else math.nan
    except ValueError:
        rate = math.nan
    if found is None or not rate > -1:
        raise UserError(Fault(option, f'"{text}" is not a growth', 'for example "8%/month" or "1.5/year"'))
    return rate if found["unit"] == "month" else (1 + rate) ** (1 / 12) - 1


def _energised(text: str | None, start: str) -> tuple[Any, ...]:
    from sim.economics.decisions.order import MONTH_S, Energised

    found = []
    for part in words(text):
        power, _, date = part.partition("@")
        try:
            day = datetime.fromisoformat((date.strip() + "-01")[:10]) if date else None
            power_w = parse_power(power.strip())
        except ValueError as error:
            hint = 'for example "20 MW,35 MW@2027-06"'
            raise UserError(Fault("--energised", str(error), hint)) from None
        months = 0.0 if day is None else (day - datetime.fromisoformat(start)).total_seconds() / MONTH_S
        found.append(Energised(max(months, 0.0), power_w))
    steps = [e.from_month for e in found]
    if steps != sorted(set(steps)) or (found and steps[0] > 0):
        raise UserError(
            Fault(
                "--energised",
                "begins with the power there is now, and goes on by date",
                "20 MW,35 MW@2027-06",
            )
        )
    return tuple(found)
