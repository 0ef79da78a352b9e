"""[site] and [[training]]: a region fills in what is not given, given keys win, and faults are said."""

from __future__ import annotations

import pytest

from sim.catalog.regions import regions
from sim.errors import ScenarioError
from sim.scenario import dump_toml, loads
from sim.scenario.site import DEFAULT_START, Site
from tests.samples import SMALL, small


def test_defaults_without_a_region():
    site = small().site
    assert (site.pue, site.electricity_usd_per_kwh, site.carbon_g_per_kwh) == (1.2, 0.08, "US")
    assert (site.wue_l_per_kwh, site.grid_water_l_per_kwh, site.power_limit_w) == (0.3, None, None)
    assert site.start == DEFAULT_START


def test_a_region_fills_in_what_is_not_given():
    site = small("site.region=Virginia").site
    assert (site.region, site.electricity_usd_per_kwh, site.carbon_g_per_kwh) == ("virginia", 0.089, "US-VA")
    assert (site.wue_l_per_kwh, site.grid_water_l_per_kwh, site.pue) == (0.17, 2.385, 1.2)


def test_given_keys_win():
    site = small("site.region=ireland", "site.carbon_g_per_kwh=5", "site.electricity_usd_per_kwh=0.3").site
    assert (site.carbon_g_per_kwh, site.electricity_usd_per_kwh, site.wue_l_per_kwh) == (5.0, 0.3, 0.03)


@pytest.mark.parametrize("name", [*regions()])
def test_every_region_makes_a_site_that_reads_back(name):
    changes = [f"site.region={name}", "site.pue.model=load-temperature"]
    if tariff := regions()[name].tariff:
        changes.append(f"site.tariff={tariff}")
    made = small(*changes)
    assert loads(dump_toml(made)) == made


def test_all_of_a_site_reads_back():
    made = small(
        "site.tariff={kind='time-of-use', usd_per_kwh=0.05, periods=[{name='p', hours=[7, 22], usd_per_kwh=0.1}]}",
        "site.start=2026-07-01T06:30:00",
        "site.power_limit=20 MW",
        "training=[{accelerator='B200', accelerators=64, end='30 s'}]",
        "pool.0.spare={servers=1, state='sleep'}",
    )
    assert made.site.start == "2026-07-01T06:30"
    assert made.site.power_limit_w == 20e6
    assert made.training[0].name == "training-0"
    assert loads(dump_toml(made)) == made


def fault(*changes):
    with pytest.raises(ScenarioError) as caught:
        small(*changes)
    return caught.value.faults[0]


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        (["site.region=virgina"], "site.region", 'unknown region "virgina"'),
        (["site.start=noon"], "site.start", "must be a local date and time"),
        (["site.start=9999-12-31"], "site.start", "must lie in the years"),
        (["site.start=2026-07-01T00:00Z"], "site.start", "is local time"),
        (["site.power_limit=20 parsec"], "site.power_limit", "has the unit"),
        (["site.pue=0.9"], "site.pue", "must be at least 1"),
        (["site.pue.model=load-temperature"], "site.pue", "needs to know how warm"),
        (["site.pue={model='guess'}"], "site.pue.model", "is not known"),
        (["site.tariff=nope"], "site.tariff", 'unknown tariff "nope"'),
        (["site.tariff={kind='tou'}"], "site.tariff.kind", "is not known"),
        (["site.tariff={kind='hourly', path='nowhere.csv'}"], "site.tariff.path", "does not exist"),
        (
            ["site.tariff=day-night", "site.electricity_usd_per_kwh=0.1"],
            "site.electricity_usd_per_kwh",
            "is not used where",
        ),
        (["site.carbon_hourly=[1, 2]"], "site.carbon_hourly", "needs 24 values"),
        (["training=[{accelerator='H1', accelerators=1}]"], "training[0].accelerator", "unknown accelerator"),
        (
            ["training=[{accelerator='H100', accelerators=8, start='2 h', end='1 h'}]"],
            "training[0].end",
            "must be after start",
        ),
        (["training=[{name='a100', accelerator='H100', accelerators=8}]"], "training", "names two"),
        (["pool.0.spare={servers=1, state='awake'}"], "pool[0].spare.state", "is not known"),
    ],
)
def test_faults_name_the_key_and_the_value(changes, path, message):
    found = fault(*changes)
    assert found.path == path
    assert message in found.message


@pytest.mark.parametrize(
    ("period", "path"),
    [
        ("{name='p', hours=[22, 7], usd_per_kwh=1}", "hours"),
        ("{name='p', hours=[7], usd_per_kwh=1}", "hours"),
        ("{name='p', months=[0], usd_per_kwh=1}", "months"),
        ("{name='p', months=[], usd_per_kwh=1}", "months"),
    ],
)
def test_periods_are_checked(period, path):
    found = fault(f"site.tariff={{kind='time-of-use', usd_per_kwh=0.1, periods=[{period}]}}")
    assert found.path == f"site.tariff.periods[0].{path}"


def test_a_date_is_a_start_at_midnight():
    text = SMALL.replace("[[workload]]", "[site]\nstart = 2026-07-01\n[[workload]]", 1)
    assert loads(text).site.start == "2026-07-01T00:00"
    assert Site(start="2026-07-01T12:00:30").start == "2026-07-01T12:00:30"
