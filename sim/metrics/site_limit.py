"""A site's power before any run: what it may draw at most, what it draws idle, and whether its limit allows that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.catalog.regions import region
from sim.errors import Fault
from sim.metrics.hall import hall_of, training_block
from sim.metrics.site_overhead import overhead_w
from sim.scenario.pue import LoadTemperature
from sim.scenario.schema import Scenario
from sim.scenario.site import Site
from sim.units import format_power


def site_w(site: Site, it_w: float, rated_it_w: float, outdoor_c: float) -> float:
    """Draw at the meter [W] at one IT power and temperature."""
    parts = overhead_w(site, np.array([it_w]), rated_it_w, np.array([outdoor_c]))
    return it_w + float(parts.total[0])


def extremes_c(site: Site) -> tuple[float, float]:
    """Coldest and warmest hour of a normal year [deg C], by the monthly figures; nan where no climate is known."""
    if isinstance(site.pue, LoadTemperature) and site.pue.outdoor_c is not None:
        return site.pue.outdoor_c, site.pue.outdoor_c
    if site.region is None:
        return float("nan"), float("nan")
    found = region(site.region)
    half = [r / 2 for r in found.daily_range_c]
    pairs = list(zip(found.monthly_c, half, strict=True))
    return min(m - h for m, h in pairs), max(m + h for m, h in pairs)


def provisioned_site_w(site: Site, rated_it_w: float) -> float:
    """Draw at the meter [W] with everything at nameplate in the warmest hour of a normal year."""
    return site_w(site, rated_it_w, rated_it_w, extremes_c(site)[1])


def idle_site_w(scenario: Scenario, idle_w: Sequence[float]) -> float:
    """Draw at the meter [W] with no call anywhere and training idle, in the coldest hour of a normal year.

    idle_w: of one replica's accelerators of each pool [W].
    """
    site = scenario.site
    halls = [hall_of(pool, watts, site) for pool, watts in zip(scenario.pools, idle_w, strict=True)]
    blocks = [training_block(t, site) for t in scenario.training]
    it_w = sum(h.idle_it_w for h in halls) + sum(b.idle_w for b in blocks)
    rated_w = sum(h.provisioned_it_w for h in halls) + sum(b.provisioned_it_w for b in blocks)
    return site_w(site, it_w, rated_w, extremes_c(site)[0])


def limit_faults(scenario: Scenario, idle_w: Sequence[float]) -> list[Fault]:
    """The fault of a fleet that draws more than the site's limit before it serves anything; empty without one."""
    limit_w = scenario.site.power_limit_w
    if limit_w is None:
        return []
    idle = idle_site_w(scenario, idle_w)
    if idle <= limit_w:
        return []
    count = sum(p.replicas * p.accelerators_per_replica for p in scenario.pools)
    count += sum(t.accelerators for t in scenario.training)
    return [
        Fault(
            "site.power_limit",
            f"{format_power(limit_w)} is below the {format_power(idle)} that the {count:,} accelerators and what "
            "is around them draw idle",
            "raise the limit, or lower replicas, spare servers or training",
        )
    ]
