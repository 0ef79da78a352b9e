"""docs/money.md names every line, key, schedule and curve, with the figures that the code gives."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from sim.economics.decisions.machine import Machine, Place
from sim.economics.decisions.replacement import CappedSite, Replacement, break_even_ratio, capped_npv_usd
from sim.economics.residual import curves
from sim.scenario.money import Depreciation
from tests.economics.test_ledger import breakdown
from tests.samples import ROOT

TEXT = (ROOT / "docs" / "money.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([a-z0-9_.-]+)`", TEXT))


def test_every_line_is_there():
    lines = {*breakdown(), *breakdown(building="own"), "rent"}
    assert lines <= NAMED


def test_every_schedule_and_curve_is_there():
    assert set(get_args(Depreciation)) <= NAMED
    assert set(curves()) <= NAMED


@pytest.mark.parametrize("name", curves())
def test_figures_of_the_curves(name):
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}`"))
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    found = curves()[name]
    assert cells[2].startswith(f"{found.points}, {found.first[:4]}")
    assert float(cells[3]) == pytest.approx(found.retention, abs=5e-4)
    assert cells[4] == ("-" if found.spread is None else f"x {found.spread:.2f}")
    assert float(cells[5]) == pytest.approx(found.ratio, abs=5e-3)
    assert float(cells[6].split()[0]) == pytest.approx(found.left(3), abs=5e-3)


def test_figures_of_the_ten_boxes():
    boxes = Replacement(Machine(1.0, 100.0), Machine(2.0, 100.0, 3_900_000.0))
    places = (Place(0.08, 1, 0, 1, 0), Place(0, 1, 184, 1, 0), Place())
    assert [round(break_even_ratio(boxes, p), 1) for p in places] == [14.9, 5.4, 5.3]
    low, high = (CappedSite(Place(), 1000.0, usd) for usd in (1.15e6, 1.25e6))
    assert capped_npv_usd(boxes, low) < 0 < capped_npv_usd(boxes, high)
