"""A fleet over years: demand grows, generations arrive, prices fall; what a unit of work costs in each year.

At the start of every year the machines that are due go, and as many of the newest generation come as demand needs
beyond what is left. Machines are divisible. Accounts: straight-line depreciation to the residual value over a
machine's life, interest on the book value at the start of the year, running cost; what a machine that goes fetches
less than its book value is a loss of that year. So what was paid for machines is depreciation, losses, what sales
brought in, and what is still in the books.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sim.economics.capital import present_value
from sim.economics.decisions.machine import Machine, Place, running_usd, unit_cost_usd
from sim.economics.depreciation import StraightLine, written_off


@dataclass(frozen=True)
class Generation:
    """Machines that can be bought from `year` on, at a price of which `price_kept` is left a year later [1/year]."""

    name: str
    year: int
    machine: Machine
    price_kept: float = 1.0

    def bought_in(self, year: int) -> Machine:
        """The machine at its price of that year."""
        price_usd = self.machine.price_usd * self.price_kept ** (year - self.year)
        return replace(self.machine, price_usd=price_usd)


@dataclass(frozen=True)
class Outlook:
    """What the years bring, and the rule that the fleet follows.

    demand: work of the first year [work/year];  growth: of the next year over this [1].
    utilization: of capacity, at most [1].  generations: at least one that can be bought in the first year.
    value_kept: share of its price that a used machine fetches a year later, each year [1/year].
    rule: when machines go. "life-end": at the end of their life. "when-cheaper": also as soon as running one costs
        more per unit of work than buying and running the newest.
    """

    place: Place
    first_year: int
    years: int
    demand: float
    growth: float
    generations: tuple[Generation, ...]
    utilization: float = 1.0
    value_kept: float = 0.0
    rule: Literal["life-end", "when-cheaper"] = "life-end"

    def newest(self, year: int) -> Machine:
        """The machine to buy in `year`. Raises ValueError where there is none yet."""
        there = [g for g in self.generations if g.year <= year]
        if not there:
            raise ValueError(f"no generation can be bought in {year}")
        return max(there, key=lambda g: g.year).bought_in(year)


@dataclass(frozen=True)
class Cohort:
    """So many machines of one kind, bought at the start of one year."""

    machine: Machine
    bought: int
    units: float

    @property
    def schedule(self) -> StraightLine:
        return StraightLine(self.machine.life_years, self.machine.residual)

    def book_usd(self, year: int) -> float:
        """Book value at the start of `year` [$]."""
        return self.units * self.machine.price_usd * self.schedule.book(year - self.bought)


@dataclass(frozen=True)
class Year:
    """The accounts of one year [$], its work, and what a unit of it cost [$/work].

    capex_usd, sales_usd: paid for machines, and got for those that went, at the start of the year.
    """

    year: int
    work: float
    capacity: float
    bought_units: float
    retired_units: float
    capex_usd: float
    sales_usd: float
    depreciation_usd: float
    loss_usd: float
    interest_usd: float
    running_usd: float
    book_usd: float

    @property
    def cost_usd(self) -> float:
        return self.depreciation_usd + self.loss_usd + self.interest_usd + self.running_usd

    @property
    def usd_per_work(self) -> float:
        return self.cost_usd / self.work


def accounts(outlook: Outlook) -> tuple[Year, ...]:
    """The years of the outlook, from a fleet of nothing. book_usd: what is left at the end of each.

    Raises ValueError where nothing can be bought in the first year.
    """
    fleet: tuple[Cohort, ...] = ()
    found = []
    for k in range(outlook.years):
        year = outlook.first_year + k
        work = outlook.demand * outlook.growth**k
        going = tuple(c for c in fleet if _due(c, year, outlook))
        staying = tuple(c for c in fleet if c not in going)
        newest = outlook.newest(year)
        lacking = max(work / outlook.utilization - _capacity(staying), 0.0)
        bought = Cohort(newest, year, lacking / newest.performance)
        fleet = (*staying, bought) if lacking else staying
        found.append(_year(outlook, year, work, fleet, bought, going))
    return tuple(found)


def present_cost_usd(years: Sequence[Year], rate: float) -> float:
    """Value at the first year's start of all that the years pay, less what the machines left are in the books for [$].

    Purchases and sales at the start of a year, running cost at its end.
    """
    bought = present_value([y.capex_usd - y.sales_usd for y in years], rate, "start")
    ran = present_value([y.running_usd for y in years], rate)
    return bought + ran - years[-1].book_usd * (1 + rate) ** -len(years)


def _due(cohort: Cohort, year: int, outlook: Outlook) -> bool:
    if year - cohort.bought >= cohort.machine.life_years:
        return True
    if outlook.rule == "life-end":
        return False
    running = running_usd(cohort.machine, outlook.place) / cohort.machine.performance
    return running > unit_cost_usd(outlook.newest(year), outlook.place)


def _capacity(fleet: Sequence[Cohort]) -> float:
    return math.fsum(c.units * c.machine.performance for c in fleet)


def _year(
    outlook: Outlook, year: int, work: float, fleet: Sequence[Cohort], bought: Cohort, going: Sequence[Cohort]
) -> Year:
    sales = [c.units * c.machine.price_usd * outlook.value_kept ** (year - c.bought) for c in going]
    left = math.fsum(c.book_usd(year) for c in going)
    written = (
        c.units * c.machine.price_usd * written_off(c.schedule, year - c.bought, year + 1 - c.bought)
        for c in fleet
    )
    return Year(
        year=year,
        work=work,
        capacity=_capacity(fleet),
        bought_units=bought.units,
        retired_units=math.fsum(c.units for c in going),
        capex_usd=bought.units * bought.machine.price_usd,
        sales_usd=math.fsum(sales),
        depreciation_usd=math.fsum(written),
        loss_usd=left - math.fsum(sales),
        interest_usd=outlook.place.rate * math.fsum(c.book_usd(year) for c in fleet),
        running_usd=math.fsum(c.units * running_usd(c.machine, outlook.place) for c in fleet),
        book_usd=math.fsum(c.book_usd(year + 1) for c in fleet),
    )
