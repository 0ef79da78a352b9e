"""A capacity mix in words."""

from __future__ import annotations

from sim.report.mix import _break_even


def said(**shares):
    found = {"on_demand": None, "spot": None, "spill": None, **shares}
    return "".join(_break_even({"fixed_by": "reserved", "break_even": found}))


def test_what_would_take_more_than_all_hours_never_pays():
    assert said(on_demand=0.693, spot=1.37) == (
        "  break-even reserved is cheaper than renting on demand above 69.3 % of the hours, never cheaper than spot"
    )
    assert said(spill=1.0).endswith("is never cheaper than the API at full load")


def test_nothing_is_said_where_there_is_nothing_else():
    assert said() == ""
