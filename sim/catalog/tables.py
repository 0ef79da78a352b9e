"""The catalogs as rows of text, for `simulate catalog KIND`: headline values, source and confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sim.catalog import (
    accelerators,
    diffusion,
    grids,
    models,
    prices,
    regions,
    servers,
    tariffs,
    techniques,
    workloads,
)
from sim.catalog._load import short_source, unknown
from sim.catalog.quantiles import mean_tokens
from sim.catalog.shapes import kv_bytes_per_token, parameters_active, parameters_total
from sim.catalog.types import (
    Accelerator,
    ApiPrice,
    LengthTable,
    Model,
    PricePoint,
    Provenance,
    RentalPoint,
    Technique,
    TechniqueEffect,
)

Header = tuple[str, ...]
Row = tuple[str, ...]

_GIB = 2.0**30
_WORST_FIRST = ("unverified", "estimate", "press", "measured", "datasheet")


def kinds() -> tuple[str, ...]:
    """What can be listed."""
    return tuple(_TABLES)


def rows(kind: str) -> tuple[Header, tuple[Row, ...]]:
    """Header and rows of the catalog `kind`. Raises CatalogError where there is no such catalog."""
    if kind not in _TABLES:
        raise unknown("catalog", kind, _TABLES, "accelerators")
    header, make = _TABLES[kind]
    return header, tuple(make())


def _provenance(provenance: Mapping[str, Provenance], *fields: str) -> Row:
    """Source of the first of `fields`, and the lowest confidence among them with the fields that have it."""
    by_confidence = {f: provenance[f].confidence for f in fields}
    worst = next(c for c in _WORST_FIRST if c in by_confidence.values())
    which = [f.rpartition("_")[0].replace("_", " ") or f for f, c in by_confidence.items() if c == worst]
    confidence = worst if len(which) == len(fields) else f"{worst} ({', '.join(which)})"
    return short_source(provenance[fields[0]]), confidence


def _one(provenance: Provenance) -> Row:
    return short_source(provenance), provenance.confidence


def _si(value: float, unit: float, digits: int = 0) -> str:
    return f"{value / unit:,.{digits}f}" if value else "-"


def _accelerators() -> Iterable[Row]:
    for a in accelerators.accelerators().values():
        yield (
            *(a.name, a.vendor, a.generation, a.launch, *_peaks(a)),
            *(_si(a.memory_bytes, _GIB, 0 if a.memory_bytes > _GIB else 2), _si(a.memory_bytes_per_s, 1e9)),
            *(_si(a.link_bytes_per_s, 1e9), str(a.domain_size), f"{a.tdp_w:g}", f"{a.idle_w:g}"),
            *(f"{a.price_usd:,.0f}", a.price_date, a.server, ", ".join(a.aliases)),
            *_provenance(a.provenance, "peak_flops", "memory_bytes", "tdp_w", "idle_w", "price_usd"),
        )


def _peaks(a: Accelerator) -> Row:
    best = {"16-bit": ("bf16", "fp16"), "fp8": ("fp8",), "int8": ("int8",), "fp4": ("fp4",)}
    return tuple(
        _si(max((a.peak_flops.get(p, 0.0) for p in names), default=0.0), 1e12) for names in best.values()
    )


def _servers() -> Iterable[Row]:
    for s in servers.servers().values():
        yield (
            *(s.name, str(s.accelerators), _si(s.max_power_w, 1e3, 1), _si(s.host_power_w, 1e3, 2)),
            *(f"{s.fan_fraction:.2f}", f"{s.psu_efficiency:.2f}", f"{s.price_usd:,.0f}", s.price_date),
            *_provenance(s.provenance, "max_power_w", "host_power_w", "price_usd"),
        )


def _models() -> Iterable[Row]:
    for m in models.models().values():
        yield (
            *(m.name, m.family, _si(parameters_total(m), 1e9, 2), _si(parameters_active(m), 1e9, 2)),
            *(str(m.layers), str(m.hidden), f"{m.heads}/{m.kv_heads}/{m.head_dim}", _experts(m)),
            *(_si(kv_bytes_per_token(m), 1024.0, 1), f"{m.max_context:,}", m.native_precision),
            *(", ".join(m.aliases), *_provenance(m.provenance, "layers", "published_total")),
        )


def _diffusion() -> Iterable[Row]:
    for m in diffusion.diffusion_models().values():
        width, height = m.size
        yield (
            *(
                m.name,
                m.family,
                m.kind,
                _si(m.parameters, 1e9, 2),
                str(m.layers),
                str(m.hidden),
                str(m.heads),
            ),
            *(str(m.guidance_passes), str(m.steps), f"{width} x {height}", str(m.frames)),
            *(
                ", ".join(m.aliases),
                *_provenance(m.provenance, "layers", "parameters", "steps", "decoder_flops"),
            ),
        )


def _experts(m: Model) -> str:
    if m.moe is None:
        return "-"
    return f"{m.moe.experts}/{m.moe.top_k}" + (f"+{m.moe.shared}" if m.moe.shared else "")


def _workloads() -> Iterable[Row]:
    for t in workloads.length_tables().values():
        yield (t.name, "lengths", *_moments(t), t.description, *_one(t.provenance["input_tokens"]))
    for s in workloads.shapes().values():
        peak = f"{max(s.hourly) / min(s.hourly):.1f}"
        yield (s.name, "shape", "-", "-", peak, s.description, *_one(s.provenance["hourly"]))


def _moments(t: LengthTable) -> Row:
    return (
        f"{mean_tokens(t.input_p, t.input_tokens):,.0f}",
        f"{mean_tokens(t.output_p, t.output_tokens):,.0f}",
        "-",
    )


def _prices() -> Iterable[Row]:
    for name in accelerators.accelerators():
        yield from map(_purchase, prices.price_series(name))
        yield from map(_rental, prices.rental_series(name, term=None))
    for dated in prices.api_prices().values():
        yield from map(_api, dated)
    for e in prices.electricity_prices().values():
        price = f"{e.industrial_usd_per_kwh:.3f} / {e.commercial_usd_per_kwh:.3f}"
        source = e.provenance["industrial_usd_per_kwh"]
        yield ("electricity", e.region, source.date, price, "$/kWh industrial / commercial", *_one(source))


def _purchase(p: PricePoint) -> Row:
    return ("buy", p.accelerator, p.date, f"{p.usd:,.0f}", f"$ ({p.basis})", *_one(p.provenance))


def _rental(p: RentalPoint) -> Row:
    terms = f"$/h {p.term.replace('_', ' ')}, {p.vendor}"
    return ("rent", p.accelerator, p.date, f"{p.usd_per_h:.2f}", terms, *_one(p.provenance))


def _api(p: ApiPrice) -> Row:
    cached = "" if p.cached_usd_per_mtok is None else f" ({p.cached_usd_per_mtok:g} cached)"
    price = f"{p.input_usd_per_mtok:g} / {p.output_usd_per_mtok:g}{cached}"
    return ("API", p.model, p.date, price, f"$/Mtok in / out, {p.vendor}", *_one(p.provenance))


def _grids() -> Iterable[Row]:
    for g in grids.grids().values():
        source = g.provenance["g_per_kwh"]
        yield (g.grid, g.description, f"{g.g_per_kwh:,.0f}", "g CO2e/kWh", source.date, *_one(source))
    for s in grids.site_overheads().values():
        source = s.provenance["pue"]
        yield (s.operator, "power usage effectiveness", f"{s.pue:.2f}", "site/IT", source.date, *_one(source))
    values, sources = grids.embodied_kg()
    for name, kg in values.items():
        what = name.removesuffix("_kg")
        yield (
            what,
            "carbon of making one",
            f"{kg:,.0f}",
            "kg CO2e",
            sources[name].date,
            *_one(sources[name]),
        )


def _regions() -> Iterable[Row]:
    for r in regions.regions().values():
        yield (
            *(r.name, r.description, r.grid, r.electricity, r.tariff or "-", f"{r.wue_l_per_kwh:.2f}"),
            *(f"{min(r.monthly_c):.0f} to {max(r.monthly_c):.0f}", ", ".join(r.aliases)),
            *_provenance(r.provenance, "monthly_c", "wue_l_per_kwh", "grid"),
        )


def _tariffs() -> Iterable[Row]:
    for t in tariffs.tariffs().values():
        energies = [t.usd_per_kwh, *(p.usd_per_kwh for p in t.periods)]
        yield (
            *(t.name, t.description, f"{min(energies):.3f} to {max(energies):.3f}"),
            *(f"{t.demand_usd_per_kw_month:.2f}", str(len(t.periods))),
            *_provenance(t.provenance, "demand_usd_per_kw_month", "usd_per_kwh"),
        )


def _techniques() -> Iterable[Row]:
    for t in techniques.techniques().values():
        given = ", ".join(f"{p['name']} = {p['default']:g}" for p in t.form.get("parameter", ()))
        roles = dict.fromkeys(s["model"] for s in t.form["stage"] if "model" in s)
        effects = "; ".join(map(_effect, t.effects))
        yield (
            *(t.name, t.family, t.about, given or "-", ", ".join(roles) or "-", _stages(t)),
            *(effects or "-", ", ".join(t.aliases), *_one(t.provenance)),
        )


def _stages(t: Technique) -> str:
    """Stages in order, with the number of calls where that is not one: ``sample x samples > score x samples``."""
    steps = []
    for stage in t.form["stage"]:
        calls = stage.get("calls", 1)
        number = "n" if isinstance(calls, dict) else f"({calls})" if " " in str(calls) else calls
        many = "" if calls == 1 else f" x {number}"
        loop = f" (back to {stage['repeat']['stage']})" if "repeat" in stage else ""
        steps.append(f"{stage['name']}{many}{loop}")
    return " > ".join(steps)


def _effect(e: TechniqueEffect) -> str:
    before = "" if e.before is None else f"{e.before:g} -> "
    return f"{e.benchmark}: {e.metric} {before}{e.after:g} ({e.provenance.confidence})"


_PROVENANCE = ("source", "confidence")
_TABLES: Mapping[str, tuple[Header, Callable[[], Iterable[Row]]]] = {
    "accelerators": (
        (
            *("name", "vendor", "generation", "launch", "16-bit TFLOP/s", "fp8", "int8", "fp4", "memory GiB"),
            *("GB/s", "link GB/s", "domain", "TDP W", "idle W", "price $", "price date", "server", "aliases"),
            *_PROVENANCE,
        ),
        _accelerators,
    ),
    "models": (
        (
            *("name", "family", "params B", "active B", "layers", "hidden", "heads/kv/dim", "experts"),
            *("KV KiB/token", "context", "precision", "aliases", *_PROVENANCE),
        ),
        _models,
    ),
    "diffusion": (
        (
            *("name", "family", "kind", "params B", "layers", "hidden", "heads", "passes", "steps"),
            *("width x height", "frames", "aliases", *_PROVENANCE),
        ),
        _diffusion,
    ),
    "servers": (
        (
            *("name", "accelerators", "nameplate kW", "host kW", "fan fraction", "PSU efficiency"),
            *("price $", "price date", *_PROVENANCE),
        ),
        _servers,
    ),
    "workloads": (
        ("name", "kind", "mean input", "mean output", "peak/trough", "description", *_PROVENANCE),
        _workloads,
    ),
    "prices": (("kind", "of", "date", "price", "unit", *_PROVENANCE), _prices),
    "regions": (
        (
            *("name", "description", "grid", "electricity", "tariff", "WUE L/kWh", "monthly mean C"),
            *("aliases", *_PROVENANCE),
        ),
        _regions,
    ),
    "tariffs": (
        ("name", "description", "$/kWh", "$/kW month", "periods", *_PROVENANCE),
        _tariffs,
    ),
    "techniques": (
        (
            *("name", "family", "description", "parameters", "other models", "stages", "published effects"),
            *("aliases", *_PROVENANCE),
        ),
        _techniques,
    ),
    "grids": (("name", "description", "value", "unit", "date", *_PROVENANCE), _grids),
}
