"""A fleet that draws more than its site's limit before it serves anything is refused, with both figures."""

from __future__ import annotations

import pytest

from sim.errors import ScenarioError
from sim.metrics.site_limit import idle_site_w, limit_faults, provisioned_site_w
from sim.run import check
from sim.scenario.site import Site
from tests.samples import small

IDLE_W = [60.0, 400.0]


def test_a_limit_above_idle_is_accepted():
    assert limit_faults(small(), IDLE_W) == []
    idle_w = idle_site_w(small(), IDLE_W)
    assert limit_faults(small(f"site.power_limit={idle_w + 1}"), IDLE_W) == []
    assert len(limit_faults(small(f"site.power_limit={idle_w - 1}"), IDLE_W)) == 1


def test_the_refusal_names_key_limit_and_draw():
    with pytest.raises(ScenarioError) as caught:
        check(small("site.power_limit=1.2 kW"))
    (fault,) = caught.value.faults
    assert fault.path == "site.power_limit"
    assert fault.message.startswith("1.2 kW is below the 2.")
    assert "6 accelerators" in fault.message
    assert "replicas" in fault.hint


def test_idle_training_and_spares_count():
    bare = idle_site_w(small(), IDLE_W)
    spared = idle_site_w(small("pool.0.spare={servers=1, state='idle'}"), IDLE_W)
    trained = idle_site_w(small("training=[{accelerator='H100', accelerators=8}]"), IDLE_W)
    assert spared > bare + 500
    assert trained > bare + 1000


def test_provisioned_power_is_of_the_warmest_hour():
    warm = Site(region="texas", pue={"model": "load-temperature"})
    cool = Site(region="ireland", pue={"model": "load-temperature"})
    assert provisioned_site_w(warm, 1e6) > provisioned_site_w(cool, 1e6) > 1.05e6
    assert provisioned_site_w(Site(pue=1.2), 1e6) == pytest.approx(1.2e6)
