"""Hardware of the site as far as power goes: servers of pools, spares, network, storage, blocks that train."""

from __future__ import annotations

from dataclasses import dataclass

from sim.catalog.accelerators import accelerator
from sim.catalog.servers import server, wall_power_w
from sim.catalog.types import Accelerator, Server
from sim.scenario.pool import Pool
from sim.scenario.site import Site
from sim.scenario.training import Training

BITS = 8e-9
"""Gb/s of a byte/s."""
HOST_IDLE = 0.6
"""Draw of an idle host over its draw under load (estimate)."""
ASLEEP = 0.05
"""Draw of a suspended server over its idle draw: PowerNap (Meisner et al., ASPLOS 2009) has 10.4 W of 270 W on a blade
(unverified); servers with accelerators rarely support it."""
OFF = 0.005
"""Draw of a server that is off (its controllers and standby supplies) over its nameplate (estimate)."""


@dataclass(frozen=True)
class Hall:
    """What a pool consists of.

    servers: as many as its accelerators fill, fractions included, of the kind `server`;  spare_servers: those that
        stand by, which draw `spare_w` together.
    idle_w: draw of one replica's accelerators with no call on it, the model resident [W].
    bare_idle_w: draw of one accelerator without a model, its server on [W].
    network_w, storage_w: switches, and storage and management, of the serving accelerators [W].
    """

    replicas: int
    accelerators: int
    servers: float
    server: Server
    idle_w: float
    spare_servers: int = 0
    spare_w: float = 0.0
    network_w: float = 0.0
    storage_w: float = 0.0
    bare_idle_w: float = 0.0

    @property
    def provisioned_it_w(self) -> float:
        """Nameplate power of the servers, spares among them, with their network and storage [W]."""
        servers = self.servers + self.spare_servers
        return servers * self.server.max_power_w + self.network_w + self.storage_w

    @property
    def idle_it_w(self) -> float:
        """IT draw with no call on any replica [W]."""
        return self.it_w(self.replicas * self.idle_w)

    def it_w(self, accelerators_w: float) -> float:
        """IT draw [W] with all servers on, whose accelerators draw `accelerators_w` together [W]."""
        return self.servers * wall_power_w(self.server, accelerators_w / self.servers) + self.around_w

    @property
    def around_w(self) -> float:
        """What is drawn beside the servers in use [W]."""
        return self.spare_w + self.network_w + self.storage_w

    @property
    def off_server_w(self) -> float:
        """Draw of one of the servers that is off [W]."""
        return OFF * self.server.max_power_w


@dataclass(frozen=True)
class TrainingBlock:
    """Servers that train from start_s until end_s [s] and idle otherwise; draws are IT power of all of them [W].

    flops_per_s: useful FLOPs while it trains, all accelerators together.
    """

    name: str
    accelerator: str
    accelerators: int
    servers: float
    server: Server
    active_w: float
    idle_w: float
    start_s: float
    end_s: float
    flops_per_s: float
    provisioned_it_w: float


def hall_of(pool: Pool, idle_w: float, site: Site) -> Hall:
    """The hardware of a pool; idle_w: of one replica's accelerators [W]."""
    chip = accelerator(pool.accelerator)
    around = server(chip.server)
    accelerators = pool.replicas * pool.accelerators_per_replica
    spare = pool.spare
    return Hall(
        replicas=pool.replicas,
        accelerators=accelerators,
        servers=accelerators / around.accelerators,
        server=around,
        idle_w=idle_w,
        spare_servers=spare.servers if spare else 0,
        spare_w=spare.servers * spare_server_w(around, chip, spare.state) if spare else 0.0,
        network_w=accelerators * network_w(chip, site),
        storage_w=accelerators * site.storage_w_per_accelerator,
        bare_idle_w=chip.idle_w,
    )


def training_block(training: Training, site: Site) -> TrainingBlock:
    """The hardware of a training run: its servers at `power_fraction` of nameplate, then at idle."""
    chip = accelerator(training.accelerator)
    around = server(chip.server)
    servers = training.accelerators / around.accelerators
    beside_w = training.accelerators * (network_w(chip, site) + site.storage_w_per_accelerator)
    return TrainingBlock(
        name=training.name,
        accelerator=chip.name,
        accelerators=training.accelerators,
        servers=servers,
        server=around,
        active_w=servers * around.max_power_w * training.power_fraction + beside_w,
        idle_w=servers * spare_server_w(around, chip, "idle") + beside_w,
        start_s=training.start_s,
        end_s=float("inf") if training.end_s is None else training.end_s,
        flops_per_s=training.accelerators * chip.peak(training.precision) * training.mfu,
        provisioned_it_w=servers * around.max_power_w + beside_w,
    )


def network_w(chip: Accelerator, site: Site) -> float:
    """Power of the network's switches per accelerator [W], by its scale-out bandwidth."""
    return chip.scale_out_bytes_per_s * BITS * site.network_w_per_gbps


def spare_server_w(around: Server, chip: Accelerator, state: str) -> float:
    """Draw of a server without work [W]; state: "idle", "sleep" or "off"."""
    components_w = (
        1 + around.fan_fraction
    ) * around.accelerators * chip.idle_w + HOST_IDLE * around.host_power_w
    idle_w = components_w / around.psu_efficiency
    return {"idle": idle_w, "sleep": ASLEEP * idle_w, "off": OFF * around.max_power_w}[state]
