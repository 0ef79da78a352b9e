"""What `simulate catalog` prints: rectangular, complete, and with a source on every row."""

from __future__ import annotations

import pytest

from sim.catalog._load import CONFIDENCES
from sim.catalog.accelerators import accelerators
from sim.catalog.models import models
from sim.catalog.tables import kinds, rows
from sim.errors import CatalogError


@pytest.mark.parametrize("kind", kinds())
def test_rows_are_rectangular_and_sourced(kind):
    header, found = rows(kind)
    assert header[-2:] == ("source", "confidence")
    assert len(found) > 3
    for row in found:
        assert len(row) == len(header)
        assert all(isinstance(cell, str) for cell in row)
        assert row[-2]
        assert row[-1].partition(" ")[0] in CONFIDENCES


def test_all_entries_are_listed():
    assert {row[0] for row in rows("accelerators")[1]} == set(accelerators())
    assert {row[0] for row in rows("models")[1]} == set(models())


def test_a_row_shows_its_values():
    header, found = rows("accelerators")
    h100 = dict(zip(header, next(row for row in found if row[0] == "H100-SXM-80GB"), strict=True))
    assert h100["16-bit TFLOP/s"] == "989"
    assert h100["memory GiB"] == "80"
    assert h100["link GB/s"] == "450"
    assert h100["price $"] == "33,750"
    assert h100["confidence"] == "unverified (idle)"


def test_unknown_catalog():
    with pytest.raises(CatalogError, match='unknown catalog "acelerators"'):
        rows("acelerators")
