"""Prices by date: accelerators bought and rented, API tokens, electricity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from sim.catalog._load import Document, build, name_index, plain_name, read, unknown
from sim.catalog.accelerators import accelerator
from sim.catalog.types import ApiPrice, ElectricityPrice, PricePoint, Provenance, RentalPoint

BASES = ("card", "server", "average")
TERMS = ("on_demand", "one_year", "three_year", "owner")
_Row = TypeVar("_Row")


@cache
def price_series(name: str, basis: str | None = None) -> tuple[PricePoint, ...]:
    """What the accelerator called `name` cost to buy, by date; `basis` (see PricePoint) picks one kind.

    Empty where no price is known. Raises CatalogError for an unknown accelerator or basis.
    """
    _known("basis", basis, BASES)
    wanted = accelerator(name).name
    return tuple(p for p in _purchases() if p.accelerator == wanted and basis in (None, p.basis))


@cache
def rental_series(
    name: str, *, term: str | None = "on_demand", vendor: str | None = None
) -> tuple[RentalPoint, ...]:
    """What the accelerator called `name` cost to rent an hour, by date, at one `term` (None: all of them).

    Empty where no price is known. Raises CatalogError for an unknown accelerator, term or vendor.
    """
    _known("term", term, TERMS)
    _known("vendor", vendor, sorted({p.vendor for p in _rentals()}))
    wanted = accelerator(name).name
    points = (p for p in _rentals() if p.accelerator == wanted)
    return tuple(p for p in points if term in (None, p.term) and vendor in (None, p.vendor))


@cache
def api_prices() -> Mapping[str, tuple[ApiPrice, ...]]:
    """List prices of hosted models, each model's in order of date."""
    found: dict[str, list[ApiPrice]] = {}
    for price in sorted(_rows("api", _api), key=lambda p: p.date):
        found.setdefault(price.model, []).append(price)
    return MappingProxyType({name: tuple(prices) for name, prices in found.items()})


def api_price(name: str, date: str | None = None) -> ApiPrice:
    """The list price of the hosted model `name` in force on `date` (ISO), or the latest.

    Raises CatalogError where the model is unknown, or was not yet priced on `date`.
    """
    index = name_index(read("prices"), {n: () for n in api_prices()})
    hit = index.get(plain_name(name))
    if hit is None:
        raise unknown("API model", name, api_prices(), "prices")
    prices = [p for p in api_prices()[hit] if date is None or p.date <= date]
    if not prices:
        first = api_prices()[hit][0].date
        raise read("prices").fault("API model", f'no price of "{hit}" on {date}', f"the first is of {first}")
    return prices[-1]


@cache
def electricity_prices() -> Mapping[str, ElectricityPrice]:
    """Average electricity prices by region."""
    return MappingProxyType({p.region: p for p in _rows("electricity", _electricity)})


def electricity(region: str) -> ElectricityPrice:
    """Average electricity prices of `region` ("US-TX"). Raises CatalogError with the nearest names."""
    index = {plain_name(r): r for r in electricity_prices()}
    hit = index.get(plain_name(region))
    if hit is None:
        raise unknown("region", region, electricity_prices(), "prices")
    return electricity_prices()[hit]


@cache
def _purchases() -> tuple[PricePoint, ...]:
    return tuple(sorted(_rows("purchase", _purchase), key=lambda p: (p.accelerator, p.date)))


@cache
def _rentals() -> tuple[RentalPoint, ...]:
    groups = _rows("rental", _rental)
    return tuple(sorted((p for group in groups for p in group), key=lambda p: (p.accelerator, p.date)))


def _rows(
    table: str, make: Callable[[Document, str, Mapping[str, Any], Sequence[Any]], _Row]
) -> Iterator[_Row]:
    """Each row of the blocks of `table`, made into an entry. Raises CatalogError for a malformed row."""
    doc = read("prices")
    for b, block in enumerate(doc.body[table]):
        for r, row in enumerate(block["rows"]):
            where = f"{table}[{b}].rows[{r}]"
            try:
                yield make(doc, where, block, row)
            except (ValueError, TypeError, IndexError) as error:
                raise doc.fault(where, f"malformed row {row}: {error}") from error


def _dated(doc: Document, where: str, block: Mapping[str, Any], date: str, note: str = "") -> Provenance:
    own = {**block["from"], "date": date}
    return doc.provenance(where, own | {"note": note} if note else own)


def _purchase(doc: Document, where: str, block: Mapping[str, Any], row: Sequence[Any]) -> PricePoint:
    name, date, usd, basis, *note = row
    if basis not in BASES:
        raise ValueError(f"basis is none of {', '.join(BASES)}")
    return PricePoint(name, date, float(usd), basis, _dated(doc, where, block, date, *note))


def _rental(
    doc: Document, where: str, block: Mapping[str, Any], row: Sequence[Any]
) -> tuple[RentalPoint, ...]:
    name, date, vendor, *prices = row
    source = _dated(doc, where, block, date)
    terms = (block["term"],) if "term" in block else TERMS[:3]
    offers = zip(terms, prices, strict=False)
    return tuple(RentalPoint(name, date, float(usd), vendor, term, source) for term, usd in offers)


def _api(doc: Document, where: str, block: Mapping[str, Any], row: Sequence[Any]) -> ApiPrice:
    model, vendor, date, in_usd, out_usd, *cached = row
    cached_usd = float(cached[0]) if cached else None
    source = _dated(doc, where, block, date)
    return ApiPrice(model, vendor, date, float(in_usd), float(out_usd), cached_usd, source)


def _electricity(doc: Document, where: str, block: Mapping[str, Any], row: Sequence[Any]) -> ElectricityPrice:
    region, industrial, commercial, *note = row
    origin = {**block["from"], **({"note": note[0]} if note else {})}
    values = {
        "region": region,
        "industrial_usd_per_kwh": float(industrial),
        "commercial_usd_per_kwh": float(commercial),
    }
    return build(doc, where, ElectricityPrice, values, {}, origin)


def _known(kind: str, given: str | None, choices: Sequence[str]) -> None:
    if given is not None and given not in choices:
        raise unknown(kind, given, choices, "prices")
