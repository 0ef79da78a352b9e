"""An own chip, or the one that can be bought: development against what each unit saves."""

from __future__ import annotations

from dataclasses import dataclass

from sim.economics.decisions.machine import Machine, Place, owning_usd, running_usd


@dataclass(frozen=True)
class OwnChip:
    """own: a machine of own chips, its price the cost of making it.  bought: the machine it replaces.

    development_usd: design, masks, software, until it works [$].  late_years: time until it is there.
    bought_gain: yearly gain of performance per dollar of what can be bought meanwhile [1/year].
    """

    own: Machine
    bought: Machine
    development_usd: float
    late_years: float = 0.0
    bought_gain: float = 0.0


def cost_ratio(performance_per_dollar: float) -> float:
    """Cost of work over what it was, when performance per dollar is multiplied [1]: +30 % makes 1 / 1.3."""
    return 1 / performance_per_dollar


def bought_then(case: OwnChip) -> Machine:
    """The machine that the same money buys when the own chip is there, with the performance of that time."""
    gained = (1 + case.bought_gain) ** case.late_years
    m = case.bought
    return Machine(
        m.performance * gained, m.power_kw, m.price_usd, m.life_years, m.residual, m.upkeep_usd_per_year
    )


def saving_usd_per_work(case: OwnChip, place: Place) -> float:
    """What a unit of work costs less on own chips [$/work], development apart; below 0: more."""

    def each(machine: Machine) -> float:
        return (owning_usd(machine, place) + running_usd(machine, place)) / machine.performance

    return each(bought_then(case)) - each(case.own)


def break_even_units(case: OwnChip, place: Place) -> float:
    """Machines, each used for its life, whose savings repay the development [1]; infinite where none are made.

    Development is paid `late_years` before the first saving; savings are not discounted within a life beyond what
    the annuity holds.
    """
    saving = saving_usd_per_work(case, place) * case.own.performance * case.own.life_years
    grown = case.development_usd * (1 + place.rate) ** case.late_years
    return grown / saving if saving > 0 else float("inf")
