"""Plans in the terminal's report."""

from __future__ import annotations

from sim.report.plans import HEADERS, plan_lines, plan_rows

PLAN = {
    "name": "plus",
    "users": 17280.1,
    "usd_per_month": 20.0,
    "cost_usd_per_user_month": 12.0,
    "margin_usd": {
        "mean": 8.0,
        "p10": 15.0,
        "p50": 12.0,
        "p90": -4.0,
        "p99": -40.0,
        "heaviest_percent": -72.5,
    },
    "break_even_requests": 4722.6,
    "share_at_loss": 0.164,
}


def test_a_plan_in_a_row():
    (row,) = plan_rows({"plans": [PLAN]})
    assert len(row) == len(HEADERS)
    assert row == ("plus", "17,280", "$20.00", "$12.00", "$8.00", "$12.00", "-$72.50", "16.4 %")


def test_the_user_who_costs_what_he_pays():
    assert list(plan_lines({"plans": [PLAN]})) == ["break-even user of plus: 4,723 requests a month"]
    assert list(plan_lines({"plans": [{**PLAN, "break_even_requests": None}]})) == [
        "break-even user of plus: -"
    ]


def test_without_plans_there_is_nothing():
    assert list(plan_rows({})) == []
    assert list(plan_lines({"plans": []})) == []
