"""The prices that apply to a scenario: its own where given, else the catalog's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from sim.catalog.accelerators import accelerator, accelerators
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

    servers: price of one server of each pool and training run that is bought, by its name.
    rents: rent of one accelerator for an hour of those that are rented, by the same names.
    kinds: how each pool is had that says so itself ("own", "reserved", "on-demand", "spot").
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
    kinds: Mapping[str, str] = field(default_factory=dict)

    @property
    def basis(self) -> str:
        """ "own", "rent", or "mixed" where some pools are bought and others rented."""
        if self.servers and self.rents:
            return "mixed"
        return "own" if self.servers else "rent"

    @property
    def while_powered(self) -> frozenset[str]:
        """Names of what is rented by the hour that it is on: on demand and spot."""
        default = "on-demand" if self.cost.rent_term == "on_demand" else "reserved"
        return frozenset(n for n in self.rents if self.kinds.get(n, default) in ("on-demand", "spot"))


def prices_of(scenario: Scenario) -> Prices:
    """The prices that the scenario sets or leaves to the catalogs.

    Raises ScenarioError, by key, where a price is not known: the rent of an accelerator, a server's at a date, a
    curve of residual value that does not exist, an hour that a file of electricity prices lacks.
    """
    cost, faults = scenario.cost, []
    residual = _kept(lambda: _residual(cost), faults)
    age = _kept(lambda: _age_years(cost, scenario.site), faults)
    kinds = {pool.name: pool.purchase for pool in scenario.pools if pool.purchase is not None}
    servers, rents = {}, {}
    holders = [(f"pool[{i}]", pool) for i, pool in enumerate(scenario.pools)]
    holders += [(f"training[{i}]", block) for i, block in enumerate(scenario.training)]
    for key, holder in holders:
        if kinds.get(holder.name, cost.basis) == "own":
            servers[holder.name] = _kept(lambda holder=holder: _server_price(holder, cost), faults)
        else:
            rents[holder.name] = _kept(lambda key=key, holder=holder: _rent(key, holder, cost), faults)
    if servers:
        _kept(lambda: check_prices(scenario.site, scenario.duration_s), faults)
    if faults:
        raise ScenarioError(faults)
    return Prices(scenario.site, cost, scenario.revenue, servers, rents, residual or 0.0, age or 0.0, kinds)


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


def _rent(key: str, holder: Pool | Training, cost: Cost) -> Price:
    kind = holder.purchase if isinstance(holder, Pool) else None
    if isinstance(holder, Pool) and holder.usd_per_accelerator_hour is not None:
        return Price(holder.usd_per_accelerator_hour, "scenario")
    if kind is None:
        return _rent_of_basis(key, holder, cost)
    on_demand = _rent_of_basis(key, holder, cost.model_copy(update={"rent_term": "on_demand"}))
    if kind == "spot":
        less = cost.spot_discount
        return Price(on_demand.usd * (1 - less), f"{on_demand.source}, less {less:.0%} for spot")
    if kind == "on-demand":
        return on_demand
    term = "one_year" if cost.rent_term == "on_demand" else cost.rent_term
    return reserved(holder.accelerator, on_demand, term)


def _rent_of_basis(key: str, pool: Pool | Training, cost: Cost) -> Price:
    """Rent on the terms of [cost]."""
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


def reserved(name: str, on_demand: Price, term: str) -> Price:
    """Rent at a commitment ("one_year", "three_year"): the rent on demand times what vendors that list both ask, the
    median over the latest date on which one does so for accelerator `name`; where none does, over all accelerators."""
    of, pairs = name, _commitments(name, term)
    date = max((date for date, _, _ in pairs), default="")
    chosen = [pair for pair in pairs if pair[0] == date]
    if not chosen:
        of, chosen = "all accelerators", [p for other in accelerators() for p in _commitments(other, term)]
        date = max(date for date, _, _ in chosen)
    ratio = median(r for _, _, r in chosen)
    vendors = ", ".join(dict.fromkeys(vendor for _, vendor, _ in chosen))
    return Price(
        on_demand.usd * ratio,
        f"{on_demand.source}; times {ratio:.3g}, {term.replace('_', ' ')} over on demand of {of}, {vendors}, {date}",
    )


def _commitments(name: str, term: str) -> list[tuple[str, str, float]]:
    """Date, vendor and rent at `term` over rent on demand, of offers that list both."""
    listed = {(p.date, p.vendor): p.usd_per_h for p in rental_series(name, term="on_demand")}
    offers = rental_series(name, term=term)
    return [
        (p.date, p.vendor, p.usd_per_h / listed[p.date, p.vendor])
        for p in offers
        if (p.date, p.vendor) in listed
    ]


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
