from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import units

READ = [
    (units.parse_duration, "1 h", 3600),
    (units.parse_duration, "50 ms", 0.05),
    (units.parse_duration, "1.1 ms", 0.0011),
    (units.parse_duration, "5min", 300),
    (units.parse_duration, "90 s", 90),
    (units.parse_duration, "2 d", 172_800),
    (units.parse_duration, "1.5 h", 5400),
    (units.parse_duration, "  1_000   seconds ", 1000),
    (units.parse_duration, "1e3 s", 1000),
    (units.parse_duration, ".5 s", 0.5),
    (units.parse_duration, "250 µs", 250e-6),
    (units.parse_duration, "2 Hours", 7200),
    (units.parse_duration, 90, 90),
    (units.parse_duration, 0.25, 0.25),
    (units.parse_power, "400 kW", 400e3),
    (units.parse_power, "1.2 MW", 1.2e6),
    (units.parse_power, "3 kw", 3e3),
    (units.parse_power, 700, 700),
    (units.parse_energy, "1.5 kWh", 5.4e6),
    (units.parse_energy, "3 MJ", 3e6),
    (units.parse_energy, "2 mJ", 0.002),
    (units.parse_bytes, "80 GB", 80e9),
    (units.parse_bytes, "80 GiB", 80 * 2**30),
    (units.parse_money, "$25_000", 25_000),
    (units.parse_money, "$25,000", 25_000),
    (units.parse_money, "$1.2M", 1.2e6),
    (units.parse_money, "25k USD", 25_000),
    (units.parse_money, "USD 3.50", 3.5),
    (units.parse_money, 12, 12),
]


@pytest.mark.parametrize(("parse", "text", "expected"), READ)
def test_reads_quantities_as_written(parse, text, expected):
    assert parse(text) == expected


REFUSED = [
    (units.parse_duration, "5 m", 'unit "m".*us, ms, s, min, h, d.*write "min"'),
    (units.parse_duration, "5 furlongs", 'unit "furlongs".*us, ms, s, min, h, d'),
    (units.parse_duration, "soon", "not a duration.*5 min.*bare number is seconds"),
    (units.parse_duration, "", "not a duration"),
    (units.parse_duration, "1 h 30 min", "not a duration"),
    (units.parse_duration, "1,00 s", "not a duration"),
    (units.parse_duration, "1__0 s", "not a duration"),
    (units.parse_duration, True, "true is not a duration"),
    (units.parse_duration, None, "not a duration"),
    (units.parse_duration, math.nan, "not a duration"),
    (units.parse_duration, math.inf, "not a duration"),
    (units.parse_duration, "1e400 s", "not a duration"),
    (units.parse_power, "1 mw", "W, kW, MW, GW"),
    (units.parse_power, "3 kWh", 'unit "kWh"'),
    (units.parse_energy, "3 kW", 'unit "kW"'),
    (units.parse_bytes, "3 bits", "GiB"),
    (units.parse_money, "€3", "US dollars"),
    (units.parse_money, "$", "not an amount of money"),
    (units.parse_money, "$3 per hour", "not an amount of money"),
    (units.parse_money, False, "not an amount of money"),
]


@pytest.mark.parametrize(("parse", "value", "message"), REFUSED)
def test_refuses_what_it_cannot_read_and_says_what_it_can(parse, value, message):
    with pytest.raises(ValueError, match=message):
        parse(value)


WRITTEN = [
    (units.format_duration, 0, "0 s"),
    (units.format_duration, 4.5e-5, "45 us"),
    (units.format_duration, 0.045, "45 ms"),
    (units.format_duration, 0.9996, "1 s"),
    (units.format_duration, 1.2345, "1.23 s"),
    (units.format_duration, 59.96, "60 s"),
    (units.format_duration, 3599, "1 h"),
    (units.format_duration, 1e9, "11,600 d"),
    (units.format_duration, -3, "-3 s"),
    (units.format_duration, math.nan, "n/a"),
    (units.format_duration, math.inf, "inf"),
    (units.format_power, 8432, "8.43 kW"),
    (units.format_power, 0, "0 W"),
    (units.format_joules, 0.37, "370 mJ"),
    (units.format_watt_hours, 0.24 * 3600, "240 mWh"),
    (units.format_watt_hours, 0, "0 Wh"),
    (units.format_bytes, 141.2e9, "141 GB"),
    (units.format_usd, 0, "$0"),
    (units.format_usd, 0.001234, "$0.00123"),
    (units.format_usd, 0.5, "$0.50"),
    (units.format_usd, 12.5, "$12.50"),
    (units.format_usd, 999.996, "$1,000"),
    (units.format_usd, 1234, "$1,230"),
    (units.format_usd, 1_234_000_000, "$1.23B"),
    (units.format_usd, -5, "-$5.00"),
    (units.format_usd, math.nan, "n/a"),
    (units.format_count, 12_345, "12,345"),
    (units.format_count, 1.5, "1.5"),
    (units.format_count, 999_600, "1 M"),
    (units.format_count, 1_234_567, "1.23 M"),
    (units.format_count, 0, "0"),
]


@pytest.mark.parametrize(("write", "value", "expected"), WRITTEN)
def test_writes_three_significant_digits(write, value, expected):
    assert write(value) == expected


PAIRS = [
    (units.format_duration, units.parse_duration),
    (units.format_power, units.parse_power),
    (units.format_joules, units.parse_energy),
    (units.format_watt_hours, units.parse_energy),
    (units.format_bytes, units.parse_bytes),
    (units.format_usd, units.parse_money),
]


@pytest.mark.parametrize(("write", "parse"), PAIRS)
@given(value=st.floats(1e-9, 1e18))
def test_what_is_written_is_read_back_to_three_digits(write, parse, value):
    assert parse(write(value)) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize("dimension", [units.DURATION, units.POWER, units.ENERGY, units.DATA])
@given(number=st.decimals(0, 10**9, places=6))
def test_every_unit_multiplies_exactly(dimension, number):
    for unit, multiple in dimension.units.items():
        assert units._parse(f"{number} {unit}", dimension) == float(number * multiple)


@given(st.floats(0, 1e300), st.booleans())
def test_a_bare_number_means_the_same_as_its_text(value, spaced):
    text = f" {value!r} " if spaced else repr(value)
    assert units.parse_duration(value) == units.parse_duration(text) == value


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_with_value_error(text):
    for _, parse in PAIRS:
        try:
            assert math.isfinite(parse(text))
        except ValueError as error:
            assert re.search("for example", str(error))


@pytest.mark.parametrize("dimension", [units.DURATION, units.POWER, units.ENERGY, units.DATA])
def test_units_named_in_messages_are_understood(dimension):
    assert set(dimension.shown) <= set(dimension.units)
    assert units._parse(dimension.example, dimension) > 0
