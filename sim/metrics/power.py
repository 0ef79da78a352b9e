"""From the energy that accelerators spend in steps to the draw of a pool's servers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.engine.state import BUSY_S, ENERGY_J
from sim.metrics.fleet import FleetSeries
from sim.metrics.hall import Hall
from sim.metrics.span import Span

IT_PARTS = ("accelerators_active", "accelerators_idle", "host", "network", "storage", "spare")
PARTS = (*IT_PARTS, "overhead")


@dataclass(frozen=True)
class EnergySeries:
    """Energy of one pool in each window, float64[N] [J], in the parts that sum to its share of the site's.

    accelerators_active: while calls are on a replica;  accelerators_idle: while none are;
    host: CPUs, network cards, fans and conversion losses;  network: switches;  storage: and management;
    spare: servers that stand by;  overhead: the pool's share of cooling and distribution, by its IT energy.
    """

    accelerators_active: np.ndarray
    accelerators_idle: np.ndarray
    host: np.ndarray
    network: np.ndarray
    storage: np.ndarray
    spare: np.ndarray
    overhead: np.ndarray

    @property
    def accelerator_j(self) -> np.ndarray:
        return self.accelerators_active + self.accelerators_idle

    @property
    def it_j(self) -> np.ndarray:
        return self.accelerator_j + self.host + self.network + self.storage + self.spare

    @property
    def site_j(self) -> np.ndarray:
        return self.it_j + self.overhead


def it_series(span: Span, pool: int, hall: Hall, on: FleetSeries | None = None) -> EnergySeries:
    """Energy of the pool numbered `pool` in each window of the span, without overhead. on: what was on, if not all.

    servers = ((1 + fan_fraction) x accelerators + host_power) / psu_efficiency, the form and values of the server
    catalog, in which the host draws the same busy or idle;  the rest draws the same at all times. A server none of
    whose replicas is on draws what its controllers do; in one that is on, accelerators of a replica that is off draw
    what they do without a model.
    """
    columns, width_s = span.columns[pool], span.width_s
    server = hall.server
    powered_s, servers_s, bare_s = hall.replicas * width_s, hall.servers * width_s, 0.0
    if on is not None:
        each = hall.accelerators / hall.replicas
        powered_s, servers_s = on.powered, np.minimum(on.servers, servers_s)
        bare_s = np.maximum(servers_s * server.accelerators - powered_s * each, 0.0)
    idle_s = np.maximum(powered_s - columns[:, BUSY_S], 0.0)
    active_j, idle_j = columns[:, ENERGY_J], hall.idle_w * idle_s + hall.bare_idle_w * bare_s
    components_j = (1 + server.fan_fraction) * (active_j + idle_j)
    components_j = components_j + servers_s * server.host_power_w
    off_j = hall.off_server_w * (hall.servers * width_s - servers_s)
    return EnergySeries(
        accelerators_active=active_j,
        accelerators_idle=idle_j,
        host=components_j / server.psu_efficiency - (active_j + idle_j) + off_j,
        network=hall.network_w * width_s,
        storage=hall.storage_w * width_s,
        spare=hall.spare_w * width_s,
        overhead=np.zeros_like(width_s),
    )
