"""Ledgers and verdicts: what a claim's file may say, and when a figure holds."""

from __future__ import annotations

import math

import pytest

from sim.errors import CatalogError
from sim.scenario import load
from sim.study.claims.finding import compound, error_band, judge, within
from sim.study.claims.ledger import _read, folder, ledgers
from sim.study.claims.registry import tests as claim_tests


def test_every_ledger_has_a_test_and_every_test_a_ledger():
    assert set(ledgers()) == set(claim_tests())
    assert len(ledgers()) >= 38


@pytest.mark.parametrize("name", ledgers())
def test_a_ledger_says_who_claims_what(name):
    ledger = ledgers()[name]
    assert (folder() / "ledgers" / f"{name}.toml").is_file()
    assert len(ledger.claim) > 20
    assert ledger.source
    assert ledger.unit
    assert ledger.published is not None or ledger.published_text
    assert all(given.source for given in ledger.inputs.values())


@pytest.mark.parametrize("path", sorted(folder().glob("*.toml")), ids=lambda p: p.stem)
def test_a_scenario_of_a_claim_is_valid_used_and_says_what_it_shows(path):
    assert load(path).name.startswith("claim-")
    assert path.read_text().startswith("# ")
    assert any(path.name in ledger.scenarios for ledger in ledgers().values())


def test_ranges_are_spanned_corner_by_corner(tmp_path):
    (tmp_path / "ledgers").mkdir()
    path = tmp_path / "ledgers" / "x.toml"
    path.write_text(
        'id = "x"\nclaim = "c"\nsource = "s"\npublished = 3\nunit = "x"\n[inputs]\n'
        'a = { v = 2, low = 1, high = 4, source = "s" }\nb = { v = 3, low = 2, high = 3, source = "s" }\n'
        'c = { v = 10, source = "s", conf = "unverified" }\n'
    )
    ledger = _read(path)
    assert ledger.over_ranges(lambda v: v["c"] * v["a"] / v["b"]) == pytest.approx((10 / 3, 20))
    assert (ledger["a"], ledger.inputs["c"].source) == (2, "s (unverified)")


@pytest.mark.parametrize(
    "line",
    [
        "a = { v = 5, low = 6, high = 7, source = 's' }",
        "a = { v = 5 }",
        "a = { v = 5, source = 's', hi = 6 }",
    ],
)
def test_a_malformed_input_is_refused(tmp_path, line):
    path = tmp_path / "x.toml"
    path.write_text(f'id = "x"\nclaim = "c"\nsource = "s"\npublished = 3\n[inputs]\n{line}\n')
    with pytest.raises(CatalogError, match="malformed ledger"):
        _read(path)


def test_a_scenario_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "ledgers").mkdir()
    path = tmp_path / "ledgers" / "x.toml"
    path.write_text('id = "x"\nclaim = "c"\nsource = "s"\npublished = 3\nscenarios = ["nowhere.toml"]\n')
    with pytest.raises(CatalogError, match="nowhere"):
        _read(path)


@pytest.mark.parametrize(
    ("found", "interval", "verdict"),
    [
        (9.5, (9, 10), "holds"),
        (20, (8, 30), "holds only if"),
        (20, (10.9, 30), "holds only if"),
        (20, (12, 30), "does not hold"),
        (1, (0.5, 8), "does not hold"),
    ],
)
def test_verdicts(found, interval, verdict):
    assert judge(found, interval, 10, 0.1) == verdict
    assert within(found, interval, 9, 11) == verdict


def test_errors_of_factors_combine_as_independent():
    assert error_band(10, 0.4) == pytest.approx((10 / 1.4, 14))
    low, high = error_band(1, 0.4, 0.4)
    assert high == pytest.approx(1.4 ** math.sqrt(2))
    assert low * high == pytest.approx(1)
    assert compound(2, 4) == 2
