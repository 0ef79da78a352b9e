"""A machine as a decision sees it: what it costs, does and draws, and what running it costs in a year."""

from __future__ import annotations

from dataclasses import dataclass

from sim.economics.capital import annuity_usd
from sim.economics.lines import YEAR_H


@dataclass(frozen=True)
class Place:
    """Where machines stand, and the cost of money.

    usd_per_kwh: at the meter.  pue: site energy over IT energy [1].  usd_per_kw_month: hosting of IT power, 0 where
    the building is paid for.  load: mean draw over nameplate [1].  rate: cost of capital [1/year].
    """

    usd_per_kwh: float = 0.08
    pue: float = 1.2
    usd_per_kw_month: float = 184.0
    load: float = 0.76
    rate: float = 0.10


@dataclass(frozen=True)
class Machine:
    """One unit. performance: work it does, in any unit that is the same for all machines compared [work/year].

    price_usd: new.  power_kw: nameplate.  life_years: over which a new one is used.  residual: share of the price
    that it fetches then [1].  upkeep_usd_per_year: repair, software, staff.
    """

    performance: float
    power_kw: float
    price_usd: float = 0.0
    life_years: float = 4.0
    residual: float = 0.0
    upkeep_usd_per_year: float = 0.0


def electricity_usd(machine: Machine, place: Place) -> float:
    """Electricity of a year [$/year]."""
    return machine.power_kw * place.load * place.pue * YEAR_H * place.usd_per_kwh


def running_usd(machine: Machine, place: Place) -> float:
    """What a year of a machine costs once it is there [$/year]: electricity, hosting by nameplate, upkeep."""
    hosting = machine.power_kw * place.usd_per_kw_month * 12
    return electricity_usd(machine, place) + hosting + machine.upkeep_usd_per_year


def owning_usd(machine: Machine, place: Place) -> float:
    """The level yearly payment for the machine itself, with interest, less what it still fetches [$/year]."""
    return annuity_usd(machine.price_usd, machine.life_years, place.rate, machine.residual)


def unit_cost_usd(machine: Machine, place: Place, utilization: float = 1.0) -> float:
    """Cost of a unit of work on a new machine that works `utilization` of the time [$/work]."""
    return (owning_usd(machine, place) + running_usd(machine, place)) / (machine.performance * utilization)
