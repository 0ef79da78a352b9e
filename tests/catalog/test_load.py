"""The catalog files' own grammar: sources, overrides, and what is said of a malformed entry."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from datetime import date
from importlib import resources

import pytest

from sim.catalog._load import CONFIDENCES, Document, build, name_index, plain_name, read, unpack
from sim.catalog.accelerators import accelerators
from sim.catalog.grids import grids, site_overheads
from sim.catalog.models import models
from sim.catalog.prices import api_prices, electricity_prices, price_series, rental_series
from sim.catalog.servers import servers
from sim.catalog.types import Provenance, Server
from sim.catalog.workloads import length_tables, shapes
from sim.errors import CatalogError

DOC = Document(
    "imaginary",
    {},
    {
        "A": {"cite": "A's data sheet, page 1", "date": "2020", "conf": "datasheet"},
        "B": {"cite": "B's guess", "date": "2021", "conf": "estimate"},
    },
)
SERVER = {
    "from": {"src": "A", "note": "n"},
    "accelerators": 8,
    "max_power_w": 10.0,
    "host_power_w": {"v": 1.0, "src": "B", "note": "half"},
    "psu_efficiency": 0.9,
    "price_usd": {"v": 5.0, "date": "2022-01-01"},
    "price_date": "2022-01-01",
}
ENTRIES = [
    *((e, n) for n, e in accelerators().items()),
    *((e, n) for n, e in servers().items()),
    *((e, n) for n, e in models().items()),
    *((e, n) for n, e in length_tables().items()),
    *((e, n) for n, e in shapes().items()),
    *((e, n) for n, e in electricity_prices().items()),
    *((e, n) for n, e in grids().items()),
    *((e, n) for n, e in site_overheads().items()),
]


def check_provenance(p: Provenance) -> None:
    assert p.confidence in CONFIDENCES
    assert len(p.source) > 10
    assert not p.source.startswith(("/", "."))
    assert 2016 <= int(p.date[:4]) <= 2026
    if len(p.date) == 10:
        date.fromisoformat(p.date)


@pytest.mark.parametrize("entry, name", ENTRIES, ids=[f"{type(e).__name__}-{n}" for e, n in ENTRIES])
def test_every_value_has_a_provenance(entry, name):
    for field in fields(entry):
        if field.name in ("name", "aliases", "provenance"):
            continue
        check_provenance(entry.provenance[field.name])
        value = getattr(entry, field.name)
        if hasattr(value, "items"):
            for key in value:
                check_provenance(entry.provenance[f"{field.name}.{key}"])


def test_every_dated_price_has_a_provenance():
    points = [p for name in accelerators() for p in (*price_series(name), *rental_series(name, term=None))]
    points += [p for prices in api_prices().values() for p in prices]
    assert len(points) > 250
    for point in points:
        check_provenance(point.provenance)


def test_estimates_and_unverified_figures_of_accelerators_say_how():
    for entry in accelerators().values():
        for field, p in entry.provenance.items():
            if p.confidence == "estimate":
                assert p.note, f"{entry.name}.{field}"


@pytest.mark.parametrize("name", ["accelerators", "servers", "models", "workloads", "prices", "grids"])
def test_every_source_is_used(name):
    text = (resources.files("sim.catalog") / "data" / f"{name}.toml").read_text(encoding="utf-8")
    used = set(re.findall(r'src = "([^"]+)"', text))
    assert used == set(read(name).sources)


def test_unpack_gives_values_and_where_each_is_from():
    values, found = unpack(DOC, "server.x", SERVER)
    assert values["host_power_w"] == 1.0
    assert found["max_power_w"] == Provenance("A's data sheet, page 1", "2020", "datasheet", "n")
    assert found["host_power_w"] == Provenance("B's guess", "2021", "estimate", "half")
    assert found["price_usd"] == Provenance("A's data sheet, page 1", "2022-01-01", "datasheet", "n")


def test_unpack_of_a_sub_table():
    entry = {"from": {"src": "A"}, "peak": {"fp8": {"v": 2.0, "src": "B"}, "fp16": 1.0}}
    values, found = unpack(DOC, "x", entry)
    assert values["peak"] == {"fp8": 2.0, "fp16": 1.0}
    assert found["peak.fp8"].confidence == found["peak"].confidence == "estimate"
    assert found["peak.fp16"].confidence == "datasheet"


@pytest.mark.parametrize(
    "change, where, said",
    [
        ({"from": {"src": "C"}}, "server.x.from", 'source "C" is not in [sources]'),
        ({"max_power_w": {"v": 1.0, "conf": "sure"}}, "server.x.max_power_w", '"sure"'),
        ({"max_powr_w": 1.0}, "server.x.max_powr_w", "unknown field of Server"),
    ],
)
def test_a_malformed_entry_is_refused(change, where, said):
    with pytest.raises(CatalogError) as caught:
        entry = {**SERVER, **change}
        values, found = unpack(DOC, "server.x", entry)
        build(DOC, "server.x", Server, {"name": "x", **values}, found, entry["from"])
    fault = caught.value.faults[0]
    assert fault.path == where
    assert said in fault.message
    assert caught.value.source == "imaginary.toml"


def test_a_missing_field_is_named():
    entry = {k: v for k, v in SERVER.items() if k != "psu_efficiency"}
    values, found = unpack(DOC, "server.x", entry)
    with pytest.raises(CatalogError, match="lacks psu_efficiency"):
        build(DOC, "server.x", Server, {"name": "x", **values}, found, entry["from"])


def test_two_entries_cannot_claim_one_name():
    assert name_index(DOC, {"H-100": ("H100 SXM",)}) == {"h100": "H-100", "h100sxm": "H-100"}
    with pytest.raises(CatalogError, match="already names"):
        name_index(DOC, {"H-100": (), "H200": ("h 100",)})


def test_plain_name():
    assert plain_name("TPU v5p") == plain_name("tpu-V5P") == "tpuv5p"
    assert plain_name("Qwen2.5-7B") != plain_name("Qwen25-7B")


def test_entries_cannot_be_changed():
    with pytest.raises(TypeError):
        accelerators()["H100-SXM-80GB"].peak_flops["fp8"] = 1.0
    with pytest.raises(TypeError):
        models()["x"] = None


def test_the_catalogs_load_without_heavy_imports():
    code = (
        "import sys, sim.catalog.tables as t; [t.rows(k) for k in t.kinds()];"
        "print([m for m in ('numpy', 'scipy', 'pandas', 'numba', 'pydantic', 'simpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
