"""Lines of models and their list prices."""

from __future__ import annotations

import datetime
from statistics import median

import pytest

from sim.catalog.price_history import (
    day_of,
    flagship_months,
    list_price_months,
    peak_tariffs,
    price_history,
    successions,
)
from sim.errors import CatalogError


@pytest.mark.parametrize("line", successions())
def test_a_line_moves_forward_in_time(line):
    history = price_history(line)
    assert [p.date for p in history] == sorted(p.date for p in history)
    assert len({p.vendor for p in history}) == 1
    assert {p.model for p in history} == set(successions()[line].models)
    assert all(m >= 0 for m in flagship_months(line))


def test_the_flagships_price_fell_and_then_rose():
    """$30 to $1.25 a million prompt tokens from GPT-4 to GPT-5, then $5 with GPT-5.5 (list prices)."""
    prices = {p.model: p.input_usd_per_mtok for p in price_history("OpenAI flagship")}
    assert (prices["gpt-4"], prices["gpt-5"], prices["gpt-5.5"]) == (30, 1.25, 5)


def test_a_flagship_lasts_about_a_year_or_less():
    assert 2 < median(flagship_months("OpenAI flagship")) < 12
    assert len(list_price_months("OpenAI flagship")) >= len(flagship_months("OpenAI flagship"))


def test_peak_tariffs_have_hours():
    assert {t.multiplier for t in peak_tariffs()} == {2.0}
    assert peak_tariffs()[0].hours == ((1.0, 4.0), (6.0, 10.0))


def test_open_dates_are_taken_in_their_middle():
    assert day_of("2023") == datetime.date(2023, 7, 1)
    assert day_of("2023-03") == datetime.date(2023, 3, 15)
    assert day_of("2023-03-09") == datetime.date(2023, 3, 9)


def test_an_unknown_line_is_named_with_the_nearest():
    with pytest.raises(CatalogError, match="OpenAI flagship"):
        price_history("OpenAI flagshp")
