"""The [cost] table: defaults that follow from other keys, and what it refuses."""

from __future__ import annotations

import datetime

import pytest
from pydantic import ValidationError

from sim.scenario.money import Cost


def test_double_declining_and_a_life_of_work_follow_the_years():
    four = Cost(depreciation_years=4.0)
    assert (four.declining_rate, four.life_busy_hours) == (0.5, 35_040)
    assert Cost(depreciation_years=1.0).declining_rate == 0.9
    assert Cost(depreciation_years=4.0, declining_rate=0.3).declining_rate == 0.3


def test_an_annuity_goes_with_a_straight_line():
    assert Cost().capital_charge == "annuity"
    assert Cost(capital_charge="book-value").capital_charge == "book-value"
    assert Cost(depreciation="macrs").capital_charge == "book-value"
    with pytest.raises(ValidationError, match="goes with depreciation"):
        Cost(depreciation="macrs", capital_charge="annuity")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2024-07-01", "2024-07-01"),
        ("2024-07", "2024-07"),
        (2024, "2024"),
        (datetime.date(2024, 7, 1), "2024-07-01"),
    ],
)
def test_dates_are_years_months_or_days(given, kept):
    assert Cost(purchase_date=given).purchase_date == kept


@pytest.mark.parametrize("given", ["July 2024", "2024-13", "2024-02-30", 20240701, True, ""])
def test_what_is_no_date_is_refused(given):
    with pytest.raises(ValidationError, match="must be a date such as"):
        Cost(purchase_date=given)


def test_a_residual_value_is_a_share_or_a_name():
    assert Cost(residual_value=0.25).residual_value == 0.25
    assert Cost(residual_value="h100-average").residual_value == "h100-average"
    for wrong in (1.5, -0.1, True, ""):
        with pytest.raises(ValidationError, match="share from 0 to 1, or the name of a curve"):
            Cost(residual_value=wrong)
