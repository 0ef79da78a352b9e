"""From the energy that accelerators spend in steps to the draw of servers and of the site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.catalog.types import Server
from sim.engine.state import BUSY_S, ENERGY_J
from sim.metrics.span import Span

PARTS = ("accelerators_active", "accelerators_idle", "host", "overhead")


@dataclass(frozen=True)
class Hall:
    """What a pool consists of, as far as power goes.

    servers: as many as its accelerators fill, fractions included, of the kind `server`.
    idle_w: draw of one replica's accelerators with no call on it, the model resident [W].
    pue: site power over IT power [1].
    """

    replicas: int
    accelerators: int
    servers: float
    server: Server
    idle_w: float
    pue: float

    @property
    def provisioned_it_w(self) -> float:
        """Nameplate power of the servers [W]."""
        return self.servers * self.server.max_power_w


@dataclass(frozen=True)
class EnergySeries:
    """Energy of one pool in each window, float64[N] [J], in the parts that sum to the site's.

    accelerators_active: while calls are on a replica;  accelerators_idle: while none are;
    host: CPUs, network cards, fans and conversion losses;  overhead: cooling and distribution (PUE - 1).
    """

    accelerators_active: np.ndarray
    accelerators_idle: np.ndarray
    host: np.ndarray
    overhead: np.ndarray

    @property
    def accelerator_j(self) -> np.ndarray:
        return self.accelerators_active + self.accelerators_idle

    @property
    def it_j(self) -> np.ndarray:
        return self.accelerator_j + self.host

    @property
    def site_j(self) -> np.ndarray:
        return self.it_j + self.overhead


def energy_series(span: Span, pool: int, hall: Hall) -> EnergySeries:
    """Energy of the pool numbered `pool` in each window of the span.

    it = ((1 + fan_fraction) x accelerators + host_power) / psu_efficiency, the form and values of the server
    catalog, in which the host draws the same busy or idle;  site = it x PUE.
    """
    columns = span.columns[pool]
    idle_s = np.maximum(hall.replicas * span.width_s - columns[:, BUSY_S], 0.0)
    active_j, idle_j = columns[:, ENERGY_J], hall.idle_w * idle_s
    server = hall.server
    components_j = (1 + server.fan_fraction) * (active_j + idle_j)
    components_j = components_j + hall.servers * server.host_power_w * span.width_s
    host_j = components_j / server.psu_efficiency - (active_j + idle_j)
    overhead_j = (hall.pue - 1) * (active_j + idle_j + host_j)
    return EnergySeries(active_j, idle_j, host_j, overhead_j)
