"""What stands in the hall and draws power, by hand."""

from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerator
from sim.catalog.servers import server, wall_power_w
from sim.metrics.hall import ASLEEP, HOST_IDLE, hall_of, network_w, spare_server_w, training_block
from sim.scenario.site import Site
from sim.scenario.training import Training
from tests.samples import small

H100, DGX = accelerator("H100-SXM-80GB"), server("DGX-H100")


def test_the_network_follows_the_bandwidth():
    assert network_w(H100, Site()) == pytest.approx(0.117 * 400)
    assert network_w(accelerator("A100-SXM-80GB"), Site()) == pytest.approx(0.117 * 200)
    assert network_w(H100, Site(network_w_per_gbps=0.0)) == 0


def test_training_draws_what_was_measured():
    """8.4 kW on 8 x H100 is 82 % of 10.2 kW."""
    site = Site(network_w_per_gbps=0.0, storage_w_per_accelerator=0.0)
    block = training_block(Training(name="t", accelerator="H100", accelerators=16), site)
    assert block.active_w == pytest.approx(2 * 8364.0)
    assert block.active_w / 2 == pytest.approx(8400, rel=0.005)
    assert block.flops_per_s == pytest.approx(16 * 989e12 * 0.4, rel=1e-3)
    assert block.idle_w == pytest.approx(2 * spare_server_w(DGX, H100, "idle"))
    assert block.provisioned_it_w == pytest.approx(20_400)


def test_spares_by_state():
    idle_w = (1.1 * 8 * H100.idle_w + HOST_IDLE * DGX.host_power_w) / DGX.psu_efficiency
    assert spare_server_w(DGX, H100, "idle") == pytest.approx(idle_w)
    assert spare_server_w(DGX, H100, "sleep") == pytest.approx(ASLEEP * idle_w)
    assert 0 < spare_server_w(DGX, H100, "off") < spare_server_w(DGX, H100, "sleep") < idle_w


def test_a_pools_hall_worked_by_hand():
    pool = small("pool.1.spare={servers=3, state='sleep'}").pools[1]
    hall = hall_of(pool, 400.0, Site())
    assert (hall.replicas, hall.accelerators, hall.servers, hall.spare_servers) == (1, 4, 0.5, 3)
    beside_w = 4 * (0.117 * 400 + 10)
    assert hall.provisioned_it_w == pytest.approx(3.5 * 10_200 + beside_w)
    idle_w = wall_power_w(DGX, 2 * 400.0) / 2 + beside_w + 3 * spare_server_w(DGX, H100, "sleep")
    assert hall.idle_it_w == pytest.approx(idle_w)
