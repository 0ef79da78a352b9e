"""Build or rent: an owner pays for every hour, a tenant on demand for those that are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.economics.decisions.machine import Machine, Place, owning_usd, running_usd
from sim.economics.lines import YEAR_H


@dataclass(frozen=True)
class Offer:
    """What a cloud asks for one accelerator [$/h]: on demand by the hour used, reserved for every hour."""

    on_demand_usd_per_h: float
    reserved_usd_per_h: float


@dataclass(frozen=True)
class Cheapest:
    """The choice at one level of use: "own", "reserve" or "on demand", and its cost in a year [$/year]."""

    choice: str
    usd_per_year: float


def owner_usd_per_h(machine: Machine, place: Place, accelerators: int) -> float:
    """What an owner pays per accelerator and hour, used or not [$/h], of a machine with so many."""
    return (owning_usd(machine, place) + running_usd(machine, place)) / accelerators / YEAR_H


def break_even_utilization(owner_per_h: float, on_demand_per_h: float) -> float:
    """Share of hours in use above which owning (or reserving) beats renting on demand [1]; above 1: never."""
    return owner_per_h / on_demand_per_h


def cheapest(owner_per_h: float, offer: Offer, utilization: float) -> Cheapest:
    """The cheapest way to have one accelerator that is used `utilization` of the hours [1]."""
    costs = {
        "own": owner_per_h,
        "reserve": offer.reserved_usd_per_h,
        "on demand": offer.on_demand_usd_per_h * utilization,
    }
    choice = min(costs, key=lambda name: costs[name])
    return Cheapest(choice, costs[choice] * YEAR_H)


def base_load(needed: Sequence[float], fixed_per_h: float, on_demand_per_h: float) -> float:
    """Accelerators to own (or reserve) for a load by the hour, the rest being rented on demand.

    needed: accelerators wanted in each of a sequence of equal times.  As many as are in use for at least the
    break-even share of them: one more would stand idle too often to pay.
    """
    share = break_even_utilization(fixed_per_h, on_demand_per_h)
    most = sorted(needed, reverse=True)
    used = next((level for k, level in enumerate(most, start=1) if k / len(most) >= share), 0.0)
    return used if share <= 1 else 0.0


def mixed_usd_per_h(
    needed: Sequence[float], owned: float, fixed_per_h: float, on_demand_per_h: float
) -> float:
    """Mean cost of the load with `owned` accelerators paid for at all times, and the rest on demand [$/h]."""
    rented = sum(max(n - owned, 0.0) for n in needed) / len(needed)
    return owned * fixed_per_h + rented * on_demand_per_h
