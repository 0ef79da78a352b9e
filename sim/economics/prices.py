"""The prices that apply to a scenario: its own where given, else the catalog's."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from sim.catalog.accelerators import accelerator
from sim.catalog.prices import rental_series
from sim.catalog.servers import server
from sim.errors import Fault, ScenarioError
from sim.scenario.money import Cost
from sim.scenario.pool import Pool
from sim.scenario.revenue import Revenue
from sim.scenario.schema import Scenario
from sim.scenario.site import Site


@dataclass(frozen=True)
class Price:
    """A price [$] and where it is from, in words."""

    usd: float
    source: str


@dataclass(frozen=True)
class Prices:
    """Everything that turns the usage of a fleet into money.

    servers: price of one server of each pool, by pool name (basis "own").
    rents: rent of one accelerator for an hour, by pool name (basis "rent").
    """

    site: Site
    cost: Cost
    revenue: Revenue | None
    servers: dict[str, Price]
    rents: dict[str, Price]


def prices_of(scenario: Scenario) -> Prices:
    """The prices that the scenario sets or leaves to the catalogs.

    Raises ScenarioError, by pool, where accelerators are to be rented and no rent of them is known.
    """
    cost = scenario.cost
    servers, rents = {}, {}
    if cost.basis == "own":
        servers = {pool.name: _server_price(pool, cost) for pool in scenario.pools}
    else:
        rents = _rents(scenario)
    return Prices(scenario.site, cost, scenario.revenue, servers, rents)


def _server_price(pool: Pool, cost: Cost) -> Price:
    found = server(accelerator(pool.accelerator).server)
    if cost.server_price_usd is not None:
        return Price(cost.server_price_usd, "scenario")
    origin = found.provenance["price_usd"]
    return Price(found.price_usd, f"{found.name}, {origin.date or 'undated'}, {origin.confidence}")


def _rents(scenario: Scenario) -> dict[str, Price]:
    given = scenario.cost.rent_usd_per_accelerator_hour
    found, faults = {}, []
    for i, pool in enumerate(scenario.pools):
        price = Price(given, "scenario") if given is not None else _latest_rent(pool.accelerator)
        if price is None:
            faults.append(
                Fault(
                    f"pool[{i}].accelerator",
                    f'no hourly rent of "{pool.accelerator}" is known, and cost.basis is "rent"',
                    "give cost.rent_usd_per_accelerator_hour",
                )
            )
        else:
            found[pool.name] = price
    if faults:
        raise ScenarioError(faults)
    return found


def _latest_rent(name: str) -> Price | None:
    """The on-demand rent of the catalog's last date; of several offers on it, the median."""
    series = rental_series(name)
    if not series:
        return None
    last = [p for p in series if p.date == series[-1].date]
    vendors = ", ".join(dict.fromkeys(p.vendor for p in last))
    source = f"on demand, {vendors}, {last[0].date}, {last[0].provenance.confidence}"
    return Price(median(p.usd_per_h for p in last), source)
