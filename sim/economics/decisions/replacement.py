"""Keep the old machines, or buy new ones that do the same work with less?

Over the life of the new machine, in value of today. With F = 1 / A(r, n), the present value of a dollar a year:

    NPV of replacing one old machine = F O_old + resale - (P - S v^n + F O_new) / ratio

where O is a year's running cost, P the new machine's price, S v^n its salvage in today's value, and ratio the
performance of new over old. It rises with the ratio, and is zero at

    break-even ratio = (P - S v^n + F O_new) / (F O_old + resale)

That is with the work given. Where power is given instead and every unit of work sells (`CappedSite`), each kW earns
by how much work it does, and the old machines' cost is the revenue that they keep out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sim.economics.capital import annuity_factor
from sim.economics.decisions.machine import Machine, Place, running_usd


@dataclass(frozen=True)
class Replacement:
    """The old machine (its price is sunk), the new one, and what an old one fetches today [$]."""

    old: Machine
    new: Machine
    resale_usd: float = 0.0

    @property
    def ratio(self) -> float:
        """Performance of one new machine over one old [1]."""
        return self.new.performance / self.old.performance


def present_value_factor(rate: float, years: float) -> float:
    """Value today of a dollar a year, paid at the ends of `years` years [$]."""
    return 1 / annuity_factor(rate, years)


def net_price_usd(machine: Machine, rate: float) -> float:
    """Price less today's value of the salvage [$]."""
    return machine.price_usd * (1 - machine.residual * (1 + rate) ** -machine.life_years)


def lifetime_usd(machine: Machine, place: Place) -> float:
    """Value today of buying a machine and running it for its life [$]."""
    factor = present_value_factor(place.rate, machine.life_years)
    return net_price_usd(machine, place.rate) + factor * running_usd(machine, place)


def npv_usd(case: Replacement, place: Place) -> float:
    """Value today of replacing one old machine, by as much of new ones as does its work [$]; above 0: replace."""
    factor = present_value_factor(place.rate, case.new.life_years)
    kept = factor * running_usd(case.old, place) + case.resale_usd
    return kept - lifetime_usd(case.new, place) / case.ratio


def break_even_ratio(case: Replacement, place: Place) -> float:
    """Performance of new over old at which replacing breaks even [1], at the new machine's price and power.

    Infinite where keeping costs nothing.
    """
    factor = present_value_factor(place.rate, case.new.life_years)
    kept = factor * running_usd(case.old, place) + case.resale_usd
    return lifetime_usd(case.new, place) / kept if kept > 0 else float("inf")


def break_even_usd_per_kwh(case: Replacement, place: Place) -> float:
    """Price of electricity at which replacing breaks even [$/kWh]; infinite where new machines use no less.

    NPV is linear in it: by the values at 0 and 1 $/kWh.
    """
    return _root(*(npv_usd(case, replace(place, usd_per_kwh=usd)) for usd in (0.0, 1.0)))


def break_even_usd_per_kw_month(case: Replacement, place: Place) -> float:
    """Price of hosting at which replacing breaks even [$/(kW month)]; infinite where new machines need no less."""
    return _root(*(npv_usd(case, replace(place, usd_per_kw_month=usd)) for usd in (0.0, 1.0)))


def break_even_price_usd(case: Replacement, place: Place) -> float:
    """Price of the new machine at which replacing breaks even [$]; below 0 where even a gift would not pay."""
    free, one = (npv_usd(replace(case, new=replace(case.new, price_usd=usd)), place) for usd in (0.0, 1.0))
    return free / (free - one)


def _root(at_zero: float, at_one: float) -> float:
    """Where a line through two values crosses zero, above 0; infinite where it does not rise to it."""
    if at_zero >= 0:
        return 0.0
    return -at_zero / (at_one - at_zero) if at_one > at_zero else float("inf")


# ---------------------------------------------------------------- power is what is scarce


@dataclass(frozen=True)
class CappedSite:
    """A site of `it_kw` of IT power that sells every unit of work at `usd_per_work`."""

    place: Place
    it_kw: float
    usd_per_work: float


def revenue_per_mw_year(machine: Machine, usd_per_work: float) -> float:
    """What a MW of these machines earns in a year [$/(MW year)]."""
    return usd_per_work * machine.performance / machine.power_kw * 1e3


def capped_npv_usd(case: Replacement, site: CappedSite) -> float:
    """Value today of filling the site with new machines in place of the old [$], over the new ones' life.

    Each kW of new ones: F (v w_new - o_new) - (P - S v^n) / kW, less what the old kW would go on earning,
    F (v w_old - o_old), plus its resale; where the old ones lose money they are switched off instead.
    """
    factor = present_value_factor(site.place.rate, case.new.life_years)

    def earned(machine: Machine) -> float:
        return site.usd_per_work * machine.performance - running_usd(machine, site.place)

    new = (factor * earned(case.new) - net_price_usd(case.new, site.place.rate)) / case.new.power_kw
    old = (factor * max(earned(case.old), 0.0) - case.resale_usd) / case.old.power_kw
    return site.it_kw * (new - old)


def capped_break_even_ratio(case: Replacement, site: CappedSite) -> float:
    """Work per kW of new over old at which filling a power-capped site with new machines breaks even [1].

    At the new machine's price and running cost per kW. Infinite where work sells for nothing.
    """
    if site.usd_per_work <= 0:
        return float("inf")
    factor = present_value_factor(site.place.rate, case.new.life_years)
    lacking = -capped_npv_usd(case, site) / site.it_kw / (factor * site.usd_per_work)
    new, old = (m.performance / m.power_kw for m in (case.new, case.old))
    return (new + lacking) / old
