"""Servers: wall power against measured nodes, and plausible hosts."""

from __future__ import annotations

import pytest

from sim.catalog.accelerators import accelerator, accelerators
from sim.catalog.servers import server, servers, wall_power_w
from sim.errors import CatalogError


def test_wall_power_of_eight_h100_is_as_measured():
    """8 x H100 in training draw 8.4 kW at most (arXiv 2412.08602); (1.1 x 5,320 + 1,800) / 0.94 = 8,140."""
    assert wall_power_w(server("DGX-H100"), 8 * 0.95 * 700) == pytest.approx(8140.4, abs=0.1)
    assert wall_power_w(server("DGX-H100"), 8 * 0.95 * 700) == pytest.approx(8400, rel=0.05)


@pytest.mark.parametrize("entry", accelerators().values(), ids=accelerators())
def test_full_load_stays_under_the_nameplate(entry):
    box = servers()[entry.server]
    assert 0.55 < wall_power_w(box, box.accelerators * entry.tdp_w) / box.max_power_w < 1.0


@pytest.mark.parametrize("entry", servers().values(), ids=servers())
def test_every_server_is_used_and_plausible(entry):
    assert entry.name in {a.server for a in accelerators().values()}
    assert entry.accelerators in (1, 4, 8, 12, 16, 72, 384)
    assert 0.9 <= entry.psu_efficiency <= 0.96
    assert 0.0 <= entry.fan_fraction <= 0.1
    assert 0.05 < entry.host_power_w / entry.max_power_w < 0.45
    assert entry.price_date == entry.provenance["price_usd"].date


def test_domain_is_not_smaller_than_what_a_gpu_server_joins():
    for name in ("V100", "A100", "H100", "B200", "GB200", "MI300X", "Ascend-910C"):
        assert accelerator(name).domain_size == servers()[accelerator(name).server].accelerators


def test_names_ignore_case_and_dashes():
    assert server("dgx h100") is servers()["DGX-H100"]
    with pytest.raises(CatalogError, match='unknown server "DGX-H10"'):
        server("DGX-H10")
