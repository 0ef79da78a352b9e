"""The site's section: its sentences, and silence where a result has no site."""

from __future__ import annotations

import pytest

import sim
from sim.report.site import site_lines
from tests.samples import small


@pytest.fixture(scope="module")
def shown():
    made = small(
        "site.region=virginia",
        "site.pue.model=load-temperature",
        "site.tariff=dominion-gs3",
        "site.power_limit=4 kW",
        "pool.0.spare={servers=1, state='off'}",
        "training=[{name='next', accelerator='H100', accelerators=1, end='30 s'}]",
    )
    return dict(site_lines(sim.run(made).summary))


def test_every_sentence_is_there(shown):
    assert list(shown) == [
        *("power", "provided for", "limit", "PUE", "energy of", "carbon", "water", "bill", "training"),
    ]


def test_what_they_say(shown):
    assert "load factor" in shown["power"]
    assert shown["limit"].startswith("4 kW: exceeded by")
    assert "times over" in shown["limit"]
    assert "virginia" in shown["PUE"]
    assert "at power plants" in shown["water"]
    assert "demand $" in shown["bill"]
    assert shown["training"].startswith("next: 1 H100-SXM-80GB for 23 s")


def test_results_without_a_site_have_no_section():
    assert list(site_lines({"power": {}})) == []
