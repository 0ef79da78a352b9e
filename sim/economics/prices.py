"""The prices that apply to a scenario: its own where given, else the catalog's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from sim.catalog.accelerators import accelerator
from sim.catalog.prices import price_series, rental_series
from sim.catalog.servers import server
from sim.catalog.types import RentalPoint, Server
from sim.economics.electricity import check_prices
from sim.economics.residual import curve
from sim.economics.series import longest_basis, read_price, year_of
from sim.errors import CatalogError, Fault, ScenarioError, UserError
from sim.scenario.money import Cost
from sim.scenario.pool import Pool
from sim.scenario.revenue import Revenue
from sim.scenario.schema import Scenario
from sim.scenario.site import Site
from sim.scenario.training import Training

RECENT_YEARS = 1.0
"""Age up to which a vendor's last offer counts as its offer on a later day."""
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Price:
    """A price [$] and where it is from, in words."""

    usd: float
    source: str


@dataclass(frozen=True)
class Prices:
    """Everything that turns the usage of a fleet into money.

    servers: price of one server of each pool and training run, by its name (basis "own").
    rents: rent of one accelerator for an hour, by the same names (basis "rent").
    residual: share of the price that hardware fetches at the end of its life [1].
    age_years: of the hardware when the run starts [years].
    """

    site: Site
    cost: Cost
    revenue: Revenue | None
    servers: dict[str, Price]
    rents: dict[str, Price]
    residual: float = 0.0
    age_years: float = 0.0


def prices_of(scenario: Scenario) -> Prices:
    """The prices that the scenario sets or leaves to the catalogs.

    Raises ScenarioError, by key, where a price is not known: the rent of an accelerator, a server's at a date, a
    curve of residual value that does not exist, an hour that a file of electricity prices lacks.
    """
    cost, faults = scenario.cost, []
    residual = _kept(lambda: _residual(cost), faults)
    age = _kept(lambda: _age_years(cost, scenario.site), faults)
    if cost.basis == "own":
        _kept(lambda: check_prices(scenario.site, scenario.duration_s), faults)
    servers, rents = {}, {}
    holders = [(f"pool[{i}]", pool) for i, pool in enumerate(scenario.pools)]
    holders += [(f"training[{i}]", block) for i, block in enumerate(scenario.training)]
    for key, holder in holders:
        if cost.basis == "own":
            servers[holder.name] = _kept(lambda holder=holder: _server_price(holder, cost), faults)
        else:
            rents[holder.name] = _kept(lambda key=key, holder=holder: _rent(key, holder, cost), faults)
    if faults:
        raise ScenarioError(faults)
    return Prices(scenario.site, cost, scenario.revenue, servers, rents, residual or 0.0, age or 0.0)


def _kept(make: Callable[[], _Found], faults: list[Fault]) -> _Found | None:
    """What `make` returns; its faults are added to `faults`, to be raised together."""
    try:
        return make()
    except UserError as error:
        faults += error.faults
        return None


def _age_years(cost: Cost, site: Site) -> float:
    if cost.age_years is not None:
        return cost.age_years
    if cost.purchase_date is None:
        return 0.0
    age = year_of(site.start[:10]) - year_of(cost.purchase_date)
    if age < 0 and not site.start.startswith(cost.purchase_date):
        raise ScenarioError(
            Fault(
                "cost.purchase_date",
                f"is {cost.purchase_date}, after the run starts: {site.start}",
                "give site.start, or cost.age_years",
            )
        )
    return max(age, 0.0)


def _residual(cost: Cost) -> float:
    given = cost.residual_value
    if not isinstance(given, str):
        return given
    try:
        return curve(given).left(cost.depreciation_years)
    except CatalogError as error:
        first = error.faults[0]
        raise ScenarioError(Fault("cost.residual_value", first.message, first.hint)) from None


# ---------------------------------------------------------------- buying


def _server_price(pool: Pool | Training, cost: Cost) -> Price:
    found = server(accelerator(pool.accelerator).server)
    if cost.server_price_usd is not None:
        return Price(cost.server_price_usd, "scenario")
    if cost.purchase_date is not None:
        return server_price_on(pool.accelerator, found, cost.purchase_date, cost.price_series)
    origin = found.provenance["price_usd"]
    return Price(found.price_usd, f"{found.name}, {origin.date or 'undated'}, {origin.confidence}")


def server_price_on(name: str, found: Server, date: str, series: str = "longest") -> Price:
    """Price of the server `found` around the accelerator `name`, bought on `date` (ISO).

    A series of servers' shares gives it as it is. Other series are of a part: the catalog's price of the server is
    moved from its own date along them. Raises ScenarioError where the accelerator has no such series.
    """
    basis = longest_basis(name) if series == "longest" else series
    points = price_series(name, basis) if basis else ()
    if not points:
        raise ScenarioError(
            Fault(
                "cost.purchase_date",
                f'no dated prices of "{name}"'
                + ("" if series == "longest" else f' in the series "{series}"'),
                "give cost.server_price_usd, or leave purchase_date out",
            )
        )
    then = read_price(points, date)
    origin = points[-1].provenance
    if basis == "server":
        usd = then.usd * found.accelerators
        return Price(usd, f"{found.name} on {date}: shares of a server, {then.where}, {origin.confidence}")
    base = read_price(points, found.price_date)
    moved = then.usd / base.usd
    return Price(
        found.price_usd * moved,
        f"{found.name} of {found.price_date} moved to {date} (x {moved:.3g}) along the {basis} price, {then.where}, "
        f"{origin.confidence}",
    )


# ---------------------------------------------------------------- renting


def _rent(key: str, pool: Pool | Training, cost: Cost) -> Price:
    given = cost.rent_usd_per_accelerator_hour
    if given is not None:
        return Price(given, "scenario")
    found = rent_on(pool.accelerator, cost.rent_term, cost.rent_date)
    if found is None:
        on = f" on {cost.rent_date}" if cost.rent_date else ""
        term = "" if cost.rent_term == "on_demand" else f" at {cost.rent_term.replace('_', '-')} commitment"
        raise ScenarioError(
            Fault(
                f"{key}.accelerator",
                f'no hourly rent of "{pool.accelerator}" is known{term}{on}, and cost.basis is "rent"',
                "give cost.rent_usd_per_accelerator_hour",
            )
        )
    if not cost.rent_discount:
        return found
    return Price(found.usd * (1 - cost.rent_discount), f"{found.source}, less {cost.rent_discount:.0%}")


def rent_on(name: str, term: str = "on_demand", date: str | None = None) -> Price | None:
    """Rent of one accelerator `name` for an hour, the median over offers; None where none is known.

    Of the catalog's last date; with `date`, of each vendor's last offer in the year before it.
    """
    series = rental_series(name, term=term)
    if date is None:
        offers: Sequence[RentalPoint] = [p for p in series if p.date == series[-1].date]
    else:
        at = year_of(date)
        past = [p for p in series if at - RECENT_YEARS <= year_of(p.date) <= at]
        offers = list({p.vendor: p for p in past}.values())
    if not offers:
        return None
    words = term.replace("_", " ") + ("" if term == "on_demand" else " reserved")
    dates = _span(p.date for p in offers)
    vendors = ", ".join(dict.fromkeys(p.vendor for p in offers))
    return Price(
        median(p.usd_per_h for p in offers),
        f"{words}, {vendors}, {dates}, {offers[-1].provenance.confidence}",
    )


def _span(dates: Iterable[str]) -> str:
    known = sorted(dates)
    return known[0] if known[0] == known[-1] else f"{known[0]} to {known[-1]}"
