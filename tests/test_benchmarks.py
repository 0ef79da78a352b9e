"""Benchmarks are not run by the tests, but they must not rot: each can be imported, and the C loop is the kernel's."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from benchmarks import fleet, floor

MODULES = sorted(path.stem for path in Path(floor.__file__).parent.glob("*.py") if not path.stem.startswith("_"))


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_imported(name):
    importlib.import_module(f"benchmarks.{name}")


@pytest.mark.skipif(not floor.available(), reason="needs a C compiler")
def test_the_loop_in_c_writes_the_books_of_the_kernel():
    (plan,) = fleet.plans(4, 2000)
    assert floor.compare(plan, rounds=1)["difference"] <= floor.TOLERANCE


def test_the_loop_in_c_refuses_what_it_does_not_know():
    (plan,) = fleet.plans(4, 100)
    with pytest.raises(ValueError, match="priorities, patience"):
        floor.advance_of(plan._replace(classes=2), None)
